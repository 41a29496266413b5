"""Settings of a fit do what their names say: measured on what they change."""

import shutil
import sqlite3
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from medrec.config.training import FitConfig
from medrec.errors import TrainingError, UsageError
from medrec.models.classifiers import TimmClassifier
from medrec.training.build import check_logger
from medrec.training.fit import FitData, fit_network
from medrec.training.predict import predict_logits


def fit(network, data, settings, folder):
    return fit_network(network, data, settings=settings, folder=folder, device="cpu")


def without_batch_statistics():
    torch.manual_seed(0)
    return TimmClassifier("test_efficientnet_gn", label_count=1, dropout=0.0)


def log_loss(network, slices):
    logits = torch.from_numpy(predict_logits(network, slices, device="cpu"))
    targets = slices.targets.to(logits.dtype)
    return float(torch.nn.functional.binary_cross_entropy_with_logits(logits, targets))


@pytest.mark.parametrize(("patience", "epochs"), [(1, 2), (3, 4)])
def test_a_fit_ends_when_its_patience_is_used_up(
    network, slices, settings, tmp_path, patience, epochs
):
    # No epoch improves by 10, so that the first one stays the last good one.
    settings = replace(settings, epochs=30, early_stop_patience=patience, early_stop_min_delta=10.0)
    data = FitData(slices, watched=slices, choose_best=True)

    assert epochs == len(fit(network(), data, settings, tmp_path).history)


def test_an_early_stop_keeps_the_epoch_with_the_lowest_loss(network, slices, settings, tmp_path):
    settings = replace(settings, epochs=12, learning_rate=0.05, early_stop_patience=2)
    turned = replace(slices, targets=1 - slices.targets)  # what is learned makes it worse

    found = fit(network(), FitData(slices, watched=turned, choose_best=True), settings, tmp_path)

    losses = [record.watched_loss for record in found.history]
    assert len(losses) < 12
    assert int(np.argmin(losses)) == found.epoch
    assert found.epoch < len(losses) - 1
    assert min(losses) == pytest.approx(log_loss(found.network, turned), abs=1e-4)


def test_batches_that_are_accumulated_teach_what_one_large_batch_teaches(
    slices, settings, tmp_path
):
    whole = fit(without_batch_statistics(), FitData(slices), settings, tmp_path / "whole")
    halves = replace(settings, batch_size=settings.batch_size // 2, accumulate=2)
    found = fit(without_batch_statistics(), FitData(slices), halves, tmp_path / "halves")

    first = without_batch_statistics().state_dict()
    for name, expected in whole.network.state_dict().items():
        assert torch.allclose(expected, found.network.state_dict()[name], atol=2e-4), name
    assert any(
        not torch.allclose(first[name], value, atol=2e-4)
        for name, value in whole.network.state_dict().items()
    )


@pytest.mark.parametrize(("clip", "is_clipped"), [(0.01, True), (0.0, False)])
def test_no_step_has_a_larger_gradient_than_the_clip(
    network, slices, settings, tmp_path, clip, is_clipped
):
    norms = []

    def measure(optimiser, *_):
        gradients = [p.grad for group in optimiser.param_groups for p in group["params"]]
        norms.append(float(torch.nn.utils.get_total_norm([g for g in gradients if g is not None])))

    hook = register_optimizer_step_pre_hook(measure)
    try:
        fit(network(), FitData(slices), replace(settings, gradient_clip=clip), tmp_path)
    finally:
        hook.remove()

    assert 6 == len(norms)
    assert is_clipped == (max(norms) <= 0.01 * 1.001)


def test_fp16_on_the_cpu_is_refused_with_what_works_there(network, slices, settings, tmp_path):
    with pytest.raises(TrainingError, match="fp16 needs a GPU; bf16 and 32 work on the CPU"):
        fit(network(), FitData(slices), replace(settings, precision="fp16"), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_gives_the_logits_of_the_plain_one(slices, settings, tmp_path):
    plain = fit(without_batch_statistics(), FitData(slices), settings, tmp_path / "plain")
    asked = replace(settings, compile=True)
    found = fit(without_batch_statistics(), FitData(slices), asked, tmp_path / "compiled")

    expected = predict_logits(plain.network, slices, device="cpu")
    assert np.allclose(expected, predict_logits(found.network, slices, device="cpu"), atol=1e-2)
    assert list(plain.network.state_dict()) == list(found.network.state_dict())


@pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed")
@pytest.mark.filterwarnings("ignore")
def test_losses_are_logged_for_mlflow_without_names_and_change_no_weight(
    network, slices, settings, tmp_path
):
    data = FitData(slices, watched=slices)
    expected = fit(network(), data, settings, tmp_path / "silent").network
    found = fit(network(), data, replace(settings, logger="mlflow"), tmp_path / "final").network

    with sqlite3.connect(tmp_path / "final" / "logs" / "mlflow.db") as base:
        losses = base.execute("SELECT COUNT(*) FROM metrics WHERE key = 'watched_loss'").fetchone()
        tags = dict(base.execute("SELECT key, value FROM tags").fetchall())
        text = "\n".join(base.iterdump())
    assert (settings.epochs,) == losses
    assert ("medrec", "medrec") == (tags["mlflow.user"], tags["mlflow.source.name"])
    assert str(tmp_path) not in text
    pairs = zip(expected.state_dict().values(), found.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_mlflow_that_is_missing_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("medrec.training.build.find_spec", lambda _: None)

    with pytest.raises(UsageError, match=r"fit\.logger: mlflow .*pip install medrec\[mlflow\]"):
        check_logger(FitConfig(logger="mlflow"))
