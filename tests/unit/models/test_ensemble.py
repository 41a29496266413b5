"""Several networks that answer as one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from medrec.models.classifiers import TimmClassifier
from medrec.models.ensemble import Ensemble, members_of
from medrec.models.outputs import ClassifierOutput


class Constant(nn.Module):
    """Always gives the same logits."""

    def __init__(self, *logits):
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, images):
        return ClassifierOutput(self.logits.expand(len(images), -1))


PICTURES = torch.zeros(2, 1, 4, 4)


def test_an_ensemble_answers_with_the_mean_logit():
    ensemble = Ensemble([Constant(1.0, -3.0), Constant(2.0, 0.0), Constant(6.0, 0.0)])

    assert [[3.0, -1.0], [3.0, -1.0]] == ensemble(PICTURES).logits.tolist()


@given(
    st.integers(2, 9),
    st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=4),
)
def test_an_ensemble_of_equal_members_is_that_member(count, logits):
    member = Constant(*logits)

    found = Ensemble([member] * count)(PICTURES).logits

    assert torch.allclose(member(PICTURES).logits, found, rtol=1e-5, atol=1e-6)


def test_one_network_is_no_ensemble():
    with pytest.raises(ValueError, match="2 members or more, not 1"):
        Ensemble([Constant(1.0)])


def test_the_members_are_found_again_and_a_network_is_its_own_only_member():
    one, other = Constant(1.0), Constant(2.0)

    assert (one, other) == members_of(Ensemble([one, other]))
    assert (one,) == members_of(one)


def test_evaluation_mode_and_weights_reach_every_member():
    def network():
        return TimmClassifier("test_efficientnet", label_count=1)

    torch.manual_seed(0)
    ensemble, other = Ensemble([network(), network()]), Ensemble([network(), network()])

    other.load_state_dict(ensemble.state_dict())
    images = torch.rand(1, 1, 32, 32)

    assert not any(member.training for member in members_of(ensemble.eval()))
    assert torch.equal(ensemble(images).logits, other.eval()(images).logits)
