"""Losses that know what is unknown."""

import math
from math import log, nan

import pytest
import torch
from torch import nn

from medrec.models.exclusive import log_odds
from medrec.training.losses import classifier_loss, masked_bce, positive_weights

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


def softmax_logits(*probabilities):
    p = torch.tensor(probabilities)
    return torch.log(p / (1 - p))


GROUP = ((0, 1, 2),)


def test_a_group_costs_the_log_of_its_true_class():
    logits = softmax_logits([0.2, 0.3, 0.5])

    loss = classifier_loss(logits, torch.tensor([[0.0, 1.0, 0.0]]), exclusive=GROUP)

    assert -log(0.3) == pytest.approx(float(loss), abs=1e-6)


def test_a_row_that_leaves_classes_open_costs_the_log_of_what_they_share():
    logits = softmax_logits([0.2, 0.3, 0.5])

    loss = classifier_loss(logits, torch.tensor([[0.0, nan, nan]]), exclusive=GROUP)

    assert -log(0.8) == pytest.approx(float(loss), abs=1e-6)


def test_a_row_of_which_nothing_is_known_is_not_counted():
    logits = softmax_logits([0.2, 0.3, 0.5], [0.2, 0.3, 0.5])
    targets = torch.tensor([[nan, nan, nan], [1.0, 0.0, 0.0]])

    loss = classifier_loss(logits, targets, exclusive=GROUP)

    assert -log(0.2) == pytest.approx(float(loss), abs=1e-6)


def test_a_group_counts_once_a_row_beside_the_labels_of_their_own():
    logits = torch.cat([softmax_logits([0.2, 0.3, 0.5]), torch.tensor([[0.0]])], dim=1)
    targets = torch.tensor([[0.0, 0.0, 1.0, 1.0]])

    loss = classifier_loss(logits, targets, exclusive=GROUP)

    assert (-log(0.5) - log(0.5)) / 2 == pytest.approx(float(loss), abs=1e-6)


def test_mixed_rows_cost_the_mixed_loss():
    logits = softmax_logits([0.2, 0.3, 0.5])

    loss = classifier_loss(logits, torch.tensor([[0.25, 0.75, 0.0]]), exclusive=GROUP)

    assert -(0.25 * log(0.2) + 0.75 * log(0.3)) == pytest.approx(float(loss), abs=1e-6)


def test_the_loss_of_scores_is_pytorchs_cross_entropy_and_so_is_its_gradient():
    scores = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    truth, weight = torch.tensor([0, 1, 2, 2, 1, 0]), torch.tensor([1.0, 2.0, 3.0])
    ours = classifier_loss(
        log_odds(scores, GROUP),
        nn.functional.one_hot(truth).float(),
        weight=weight,
        exclusive=GROUP,
    )
    theirs = nn.functional.cross_entropy(scores, truth, weight=weight, reduction="none").mean()

    assert torch.allclose(theirs, ours, atol=1e-6)
    gradients = [torch.autograd.grad(loss, scores, retain_graph=True)[0] for loss in (ours, theirs)]
    assert torch.allclose(*gradients, atol=1e-6)


def test_gradients_are_finite_whatever_is_known():
    scores = torch.zeros(4, 3, requires_grad=True)
    targets = torch.tensor([[nan, nan, nan], [0.0, nan, nan], [0.0, 0.0, nan], [1.0, 0.0, 0.0]])

    classifier_loss(log_odds(scores * 50, GROUP), targets, exclusive=GROUP).backward()

    assert torch.isfinite(scores.grad).all()


def test_each_class_of_a_group_weighs_as_much_as_the_most_frequent_one_but_not_above_the_cap():
    truth = torch.tensor([0] * 8 + [1] * 4 + [2])

    weights = positive_weights(nn.functional.one_hot(truth).float(), cap=3.0, exclusive=GROUP)

    assert [1.0, 2.0, 3.0] == weights.tolist()
