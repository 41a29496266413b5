"""Networks of whole volumes, and backbones of every family that is spoken of."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from safetensors.torch import save_file

from medrec.config.model import NetworkConfig
from medrec.errors import WeightsError
from medrec.models.bags import FixedPool, GatedAttention
from medrec.models.build import build_any
from medrec.models.classifiers import TimmClassifier
from medrec.models.pooling import pool_exam_logit, pool_weights
from medrec.training.losses import masked_bce

FAMILIES = (
    "test_resnet", "test_efficientnet", "test_convnext", "test_maxvit", "test_coatnet", "test_vit",
    "densenet121", "vgg11",
)  # fmt: skip


def make(**facts):
    torch.manual_seed(0)
    config = TypeAdapter(NetworkConfig).validate_python(facts)
    return build_any(config, label_count=2, size_px=32)


def of_slices(pooling):
    return make(
        kind="classifier_slices",
        backbone="test_efficientnet",
        weights={"kind": "none"},
        dropout=0.0,
        pooling=pooling,
    )


@pytest.mark.parametrize("backbone", FAMILIES)
def test_three_steps_change_what_a_backbone_of_each_family_says(backbone):
    torch.manual_seed(0)
    network = TimmClassifier(backbone, label_count=1, size_px=32).train()
    images = torch.rand(4, 1, 32, 32)
    targets = torch.tensor([[0.0], [1.0], [0.0], [1.0]])
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    for _ in range(3):
        optimiser.zero_grad()
        loss = masked_bce(network(images).logits, targets)
        loss.backward()
        optimiser.step()
    assert torch.isfinite(loss)
    pairs = zip(before, network.parameters(), strict=True)
    assert any(not torch.equal(old, new) for old, new in pairs)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.integers(1, 8), st.integers(1, 8))
def test_weighted_logits_are_the_pool_that_screening_uses(logits, positions, top):
    top = min(top, positions)
    weights = pool_weights(logits, positions=positions, top=top)
    assert 1.0 == pytest.approx(weights.sum())
    assert pool_exam_logit(logits, positions=positions, top=top) == pytest.approx(
        float(np.dot(weights, logits)), abs=1e-9
    )


@pytest.mark.parametrize("pooling", [{"kind": "fixed"}, {"kind": "attention", "hidden": 8}])
def test_a_bag_is_judged_alike_alone_and_in_a_batch_and_as_its_slices_weigh(pooling):
    network = of_slices(pooling).eval()
    bags = torch.rand(2, 40, 1, 32, 32)  # more slices than are judged at once
    with torch.inference_mode():
        together, alone = network(bags).logits, network.judge(bags[1])
    torch.testing.assert_close(together[1], alone.exam, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(alone.exam, (alone.image * alone.weight).sum(0))


def test_attention_weighs_each_bag_to_one():
    weights = GatedAttention(6, hidden=4)(torch.rand(3, 7, 6))
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))


def test_the_fixed_pool_passes_gradients_to_the_slices_that_count():
    logits = torch.tensor([[[0.0], [5.0], [1.0], [4.0]]], requires_grad=True)
    (logits * FixedPool(positions=4, top=2)(logits)).sum().backward()
    torch.testing.assert_close(logits.grad[0, :, 0], torch.tensor([0.0, 0.5, 0.0, 0.5]))


@pytest.mark.parametrize("architecture", ["densenet121", "resnet10", "resnet18", "swin"])
def test_a_3d_network_gives_a_logit_a_label(architecture):
    network = make(kind="classifier_3d", architecture=architecture).eval()
    assert (1, 2) == network(torch.rand(1, 1, 32, 32, 32)).logits.shape


def test_3d_weights_of_a_local_file_fill_the_encoder_and_leave_its_head_out(tmp_path):
    donor = make(kind="classifier_3d", architecture="resnet10")
    state = {f"module.{k}": v + 1 for k, v in donor.encoder.state_dict().items()}
    path = tmp_path / "w.safetensors"
    save_file({**state, "module.fc.weight": torch.zeros(3, 512)}, path)
    weights = {
        "kind": "file",
        "path": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    network = make(kind="classifier_3d", architecture="resnet10", weights=weights)
    assert torch.equal(network.encoder.conv1.weight, state["module.conv1.weight"])
    with pytest.raises(WeightsError, match="does not fit the encoder resnet18"):
        make(kind="classifier_3d", architecture="resnet18", weights=weights)
