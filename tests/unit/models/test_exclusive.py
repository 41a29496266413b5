"""Logits of classes that exclude each other."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from torch import nn

from medrec.models.ensemble import Ensemble
from medrec.models.exclusive import log_odds, make_exclusive, scale_to_one, scale_to_one_array
from medrec.models.outputs import ClassifierOutput

SCORES = st.lists(st.lists(st.floats(-30, 30, width=32), min_size=4, max_size=4), min_size=1)


def test_the_logit_of_a_class_is_its_log_odds_under_the_softmax():
    scores = torch.tensor([[log(1.0), log(2.0), log(5.0), 9.0]])

    found = log_odds(scores, ((0, 1, 2),))

    expected = [log(1 / 7), log(2 / 6), log(5 / 3), 9.0]
    assert expected == pytest.approx(found[0].tolist(), abs=1e-6)


def test_two_classes_have_opposite_logits_the_difference_of_their_scores():
    assert [[-3.0, 3.0]] == log_odds(torch.tensor([[1.0, 4.0]]), ((0, 1),)).tolist()


@given(SCORES)
def test_a_groups_probabilities_sum_to_one_and_other_labels_stay(scores):
    scores = torch.tensor(scores)

    found = log_odds(scores, ((3, 0, 2),))

    assert torch.equal(scores[:, 1], found[:, 1])
    assert expit(found[:, [0, 2, 3]].double().numpy()).sum(axis=1) == pytest.approx(1, abs=1e-5)


@given(SCORES)
def test_arrays_are_scaled_as_tensors_are_and_what_sums_to_one_stays(logits):
    groups = ((0, 1), (2, 3))
    tensor = scale_to_one(torch.tensor(logits, dtype=torch.float64), groups).numpy()

    array = scale_to_one_array(np.array(logits), groups)

    assert tensor == pytest.approx(array, abs=1e-9)
    assert array == pytest.approx(scale_to_one_array(array, groups), abs=1e-9)


class Scores(nn.Module):
    """Gives the same raw scores for every picture."""

    def __init__(self, *scores):
        super().__init__()
        self.scores = torch.tensor(scores)

    def forward(self, images):
        return ClassifierOutput(self.scores.expand(len(images), -1))


def exclusive(*scores):
    network = Scores(*scores)
    make_exclusive(network, ((0, 1, 2),))
    return network


def test_a_network_of_exclusive_classes_answers_with_log_odds_whoever_calls_it():
    found = exclusive(log(1.0), log(2.0), log(5.0))(torch.zeros(2, 1, 1, 1)).logits

    assert [log(1 / 7), log(2 / 6), log(5 / 3)] == pytest.approx(found[1].tolist(), abs=1e-6)


def test_an_ensembles_probabilities_sum_to_one_and_are_the_scaled_mean_log_odds():
    members = [exclusive(log(1.0), log(2.0), log(5.0)), exclusive(log(4.0), log(2.0), log(2.0))]

    found = Ensemble(members, exclusive=((0, 1, 2),))(torch.zeros(1, 1, 1, 1)).logits[0]

    mean = expit(np.log([[1 / 7, 2 / 6, 5 / 3], [4 / 4, 2 / 6, 2 / 6]]).mean(axis=0))
    assert expit(found.double().numpy()) == pytest.approx(mean / mean.sum(), abs=1e-6)


def test_an_ensemble_of_equal_exclusive_members_is_that_member():
    member = exclusive(0.3, -1.2, 2.0)
    images = torch.zeros(1, 1, 1, 1)

    found = Ensemble([member, member], exclusive=((0, 1, 2),))(images).logits

    assert torch.allclose(member(images).logits, found, atol=1e-6)
