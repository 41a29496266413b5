"""What a fit may be asked for beside its schedule."""

import multiprocessing
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from medrec.config.training import FitConfig
from medrec.errors import TrainingError, UsageError
from medrec.training.balance import row_weights
from medrec.training.build import build_settings, check_logger
from medrec.training.fit import FitData, fit_network
from medrec.training.mixing import mix_batch
from medrec.training.modules import ClassifierModule

EVERYTHING = {
    "accumulate": 2,
    "batch_size": 4,
    "sampler": "class_and_patient_balanced",
    "mixup": 0.4,
    "label_smoothing": 0.1,
    "layer_decay": 0.8,
    "head_epochs": 1,
    "precision": "bf16",
    "epochs": 3,
}


def fit(network, data, settings, folder, **options):
    return fit_network(network, data, settings=settings, folder=folder, device="cpu", **options)


def with_nan(slices, rows):
    images = slices.images.clone()
    images[rows] = torch.nan
    return replace(slices, images=images)


def test_a_picture_of_nan_is_survived(network, slices, settings, tmp_path, caplog):
    result = fit(network(), FitData(with_nan(slices, [3])), settings, tmp_path)

    assert all(torch.isfinite(tensor).all() for tensor in result.network.state_dict().values())
    assert "skipped (2)" in caplog.text
    assert all(np.isfinite(record.loss) for record in result.history)


def test_nan_that_persists_stops_the_fit(network, slices, settings, tmp_path):
    broken = with_nan(slices, list(range(24)))

    with pytest.raises(TrainingError, match="NaN or infinite"):
        fit(network(), FitData(broken), replace(settings, epochs=9, batch_size=3), tmp_path)


def test_a_fit_killed_in_mid_epoch_with_every_option_resumes_exactly(
    network, slices, settings, tmp_path, monkeypatch
):
    settings = replace(settings, **EVERYTHING)
    expected = fit(network(), FitData(slices), settings, tmp_path / "uncut").network
    step = ClassifierModule.training_step

    def killed(module, batch, number):
        if module.current_epoch == 2 and number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(module, batch, number)

    with monkeypatch.context() as patched:
        patched.setattr(ClassifierModule, "training_step", killed)
        child = multiprocessing.get_context("fork").Process(
            target=fit, args=(network(), FitData(slices), settings, tmp_path / "cut")
        )
        child.start()
        child.join(60)
    assert -signal.SIGKILL == child.exitcode
    found = fit(network(seed=9), FitData(slices), settings, tmp_path / "cut", resume=True).network

    pairs = zip(expected.state_dict().values(), found.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_frozen_backbone_stays_as_it_was(network, slices, settings, tmp_path):
    first = {name: value.clone() for name, value in network().state_dict().items()}
    found = fit(
        network(), FitData(slices), replace(settings, head_epochs=2), tmp_path
    ).network.state_dict()

    changed = {name for name in first if not torch.equal(first[name], found[name])}
    assert {"backbone.classifier.weight", "backbone.classifier.bias"} == changed


def test_what_is_unknown_in_either_row_stays_unknown():
    targets = torch.tensor([[1.0], [torch.nan]])

    found = [mix_batch(torch.rand(2, 1, 4, 4), targets, alpha=1.0, seed=s)[1] for s in range(9)]

    assert any(torch.isnan(mixed).all() for mixed in found)
    assert all(torch.isnan(mixed[1]).all() for mixed in found)


def test_classes_and_their_patients_are_drawn_equally_often():
    targets = np.array([[1], [0], [0], [0]], dtype=np.float32)
    patients = ["a", "b", "b", "c"]

    assert [0.5, 0.125, 0.125, 0.25] == row_weights(
        targets, patients, "class_and_patient_balanced"
    ).tolist()
    assert [1 / 3, 1 / 6, 1 / 6, 1 / 3] == pytest.approx(
        row_weights(targets, patients, "patient_balanced")
    )


@pytest.mark.parametrize("change", [{"precision": "fp16"}, {"early_stop_patience": 2}])
def test_what_a_fit_can_not_honour_is_refused(network, slices, settings, tmp_path, change):
    with pytest.raises(TrainingError, match=r"fit\."):
        fit(network(), FitData(slices), replace(settings, **change), tmp_path)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_too_little_memory_names_the_settings_that_need_less(
    network, slices, settings, tmp_path, monkeypatch, error
):
    def fail(*_):
        raise error

    monkeypatch.setattr(ClassifierModule, "training_step", fail)

    with pytest.raises(TrainingError, match=r"fit\.batch_size.*fit\.accumulate.*size_px"):
        fit(network(), FitData(slices), settings, tmp_path)


def test_losses_are_logged_for_tensorboard_and_change_no_weight(
    network, slices, settings, tmp_path
):
    data = FitData(slices, watched=slices)
    expected = fit(network(), data, settings, tmp_path / "silent").network
    logged = replace(settings, logger="tensorboard")
    found = fit(network(), data, logged, tmp_path / "logged").network

    assert not (tmp_path / "silent" / "logs").exists()
    events = EventAccumulator(str(tmp_path / "logged" / "logs")).Reload()
    assert {"epoch_loss", "watched_loss", "watched_auroc"} <= set(events.Tags()["scalars"])
    assert settings.epochs == len(events.Scalars("watched_loss"))
    pairs = zip(expected.state_dict().values(), found.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_logger_that_is_missing_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("medrec.training.build.find_spec", lambda _: None)

    check_logger(FitConfig())
    assert "none" == build_settings(FitConfig(), seed=1).logger
    with pytest.raises(UsageError, match=r"pip install medrec\[tensorboard\]"):
        check_logger(FitConfig(logger="tensorboard"))
