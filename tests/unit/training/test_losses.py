"""Losses that know what is unknown."""

import math

import pytest
import torch

from medrec.training.losses import masked_bce, positive_weights

NAN = float("nan")


def test_the_loss_is_the_mean_over_known_labels():
    logits = torch.tensor([[0.0, 7.0], [2.0, -3.0]])
    targets = torch.tensor([[1.0, NAN], [NAN, 0.0]])

    expected = (math.log(2) + math.log1p(math.exp(-3))) / 2

    assert expected == pytest.approx(float(masked_bce(logits, targets)))


def test_an_unknown_label_gives_no_gradient():
    logits = torch.zeros(2, 2, requires_grad=True)

    masked_bce(logits, torch.tensor([[1.0, NAN], [NAN, 0.0]])).backward()

    assert torch.tensor([[True, False], [False, True]]).equal(logits.grad != 0)


def test_a_batch_without_a_known_label_gives_nothing_and_no_nan():
    logits = torch.zeros(2, 1, requires_grad=True)

    loss = masked_bce(logits, torch.full((2, 1), NAN))
    loss.backward()

    assert 0 == loss.item()
    assert torch.zeros(2, 1).equal(logits.grad)


def test_positives_weigh_as_given():
    logits, targets = torch.zeros(2, 1), torch.tensor([[1.0], [0.0]])

    loss = masked_bce(logits, targets, positive_weight=torch.tensor([3.0]))

    assert 2 * math.log(2) == pytest.approx(float(loss))


def test_weights_balance_the_classes_up_to_the_cap():
    targets = torch.tensor([[1, 1, NAN, 1], [0, 0, 0, 0], [0, NAN, 0, 1], [0, 0, NAN, 1]])

    assert [3.0, 2.0, 1.0, pytest.approx(1 / 3)] == positive_weights(targets, cap=9).tolist()
    assert [2.0, 2.0, 1.0, pytest.approx(1 / 3)] == positive_weights(targets, cap=2).tolist()
