"""A network in parts on several devices; two processes on the CPU stand for two GPUs."""

import os
from dataclasses import replace

import pytest
import torch
from torch.distributed.fsdp import FullyShardedDataParallel, _optim_utils

from medrec.errors import TrainingError
from medrec.training import sharding
from medrec.training.fit import FitData, fit_network
from medrec.training.modules import ClassifierModule
from tests.unit.training.test_two_processes import fit_by_two


@pytest.fixture
def on_the_cpu(monkeypatch):
    """PyTorch shards on the CPU too, though nobody promises it; and small blocks are shared."""
    monkeypatch.setattr("medrec.training.trainer._refuse_sharding", lambda *_, **__: ())
    monkeypatch.setattr(sharding, "_SMALLEST", 1000)
    make = FullyShardedDataParallel.__init__

    def on_cpu(self, *arguments, **options):
        make(self, *arguments, **options | {"device_id": torch.device("cpu")})

    monkeypatch.setattr(FullyShardedDataParallel, "__init__", on_cpu)
    unflatten = _optim_utils._unflatten_orig_param_states

    def copied(info, states, name, *rest):
        unflatten(info, states, name, *rest)
        # On a GPU each moment is copied to the CPU; on the CPU all would be views of one buffer.
        for state in states.values():
            state[name] = state[name].clone()

    monkeypatch.setattr(_optim_utils, "_unflatten_orig_param_states", copied)


def difference(one, other):
    assert list(one) == list(other)
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


@pytest.mark.parametrize(
    "change",
    [{}, pytest.param({"layer_decay": 0.5, "accumulate": 3}, marks=pytest.mark.slow)],
)
def test_parts_learn_what_whole_networks_learn(
    network, slices, settings, tmp_path, on_the_cpu, change
):
    settings = replace(settings, **{"batch_size": 4, "gradient_clip": 0.1} | change)
    whole, _ = fit_by_two(network, slices, replace(settings, strategy="ddp"), tmp_path / "ddp")
    found, other = fit_by_two(network, slices, replace(settings, strategy="fsdp"), tmp_path / "f")

    assert 2e-3 > difference(whole, found)
    assert 0.0 == difference(found, other)


@pytest.mark.slow
def test_a_fit_in_parts_that_was_cut_resumes_to_the_weights_of_an_uncut_one(
    network, slices, settings, tmp_path, on_the_cpu, monkeypatch
):
    settings = replace(settings, batch_size=4, epochs=3, strategy="fsdp")
    expected, _ = fit_by_two(network, slices, settings, tmp_path / "uncut")
    start = ClassifierModule.on_train_epoch_start

    def cut(module):
        start(module)
        if module.current_epoch == 2:
            os._exit(0)

    with monkeypatch.context() as patched:
        patched.setattr(ClassifierModule, "on_train_epoch_start", cut)
        fit_by_two(network, slices, settings, tmp_path / "cut", is_cut=True)
    found, _ = fit_by_two(network, slices, settings, tmp_path / "cut", resume=True)

    assert 0.0 == difference(expected, found)


@pytest.mark.slow
def test_a_checkpoint_of_parts_has_the_names_and_shapes_of_a_whole_one(
    network, slices, settings, tmp_path, on_the_cpu
):
    settings = replace(settings, batch_size=4, epochs=1)
    for strategy in ("ddp", "fsdp"):
        fit_by_two(network, slices, replace(settings, strategy=strategy), tmp_path / strategy)
    whole, parts = (
        torch.load(tmp_path / strategy / "last.ckpt", weights_only=True)  # noqa: TID251
        for strategy in ("ddp", "fsdp")
    )

    for key in ("state_dict", "current_model_state"):
        shapes = {name: tensor.shape for name, tensor in whole[key].items()}
        assert shapes == {name: tensor.shape for name, tensor in parts[key].items()}
    moments = parts["optimizer_states"][0]["state"]
    shapes = {name: whole["state_dict"][name].shape for name in moments}
    assert shapes == {name: state["exp_avg"].shape for name, state in moments.items()}


def test_parts_on_the_cpu_or_in_one_process_are_refused(network, slices, settings, tmp_path):
    asked = replace(settings, strategy="fsdp")

    with pytest.raises(TrainingError, match=r"fsdp needs GPUs; ddp.*start several by torchrun"):
        fit_network(network(), FitData(slices), settings=asked, folder=tmp_path, device="cpu")
