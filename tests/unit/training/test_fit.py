"""One fit."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from medrec.errors import DataSplitError
from medrec.preprocess.augment import Augmenter
from medrec.preprocess.augment_batch import BatchAugmenter
from medrec.training.fit import FitData, fit_network
from medrec.training.modules import ClassifierModule
from medrec.training.predict import predict_logits

AUGMENT = Augmenter(size_px=32, noise=1.0, noise_std=0.05)


def same(one, other):
    return all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


def fit(network, data, settings, folder, **options):
    return fit_network(network, data, settings=settings, folder=folder, device="cpu", **options)


def test_the_same_seed_gives_the_same_weights(network, slices, settings, tmp_path):
    data = FitData(slices, augment=AUGMENT)

    one = fit(network(), data, settings, tmp_path / "a").network
    torch.rand(5)
    again = fit(network(), data, settings, tmp_path / "b").network
    other = fit(network(), data, replace(settings, seed=2), tmp_path / "c").network

    assert same(one, again)
    assert not same(one, other)


class CutError(RuntimeError):
    pass


def test_a_cut_fit_resumes_to_the_weights_of_an_uncut_one(
    network, slices, settings, tmp_path, monkeypatch
):
    data = FitData(slices, watched=slices, augment=AUGMENT)
    settings = replace(settings, epochs=4)
    expected = fit(network(), data, settings, tmp_path / "uncut")
    step = ClassifierModule.training_step

    def cut(module, batch, number):
        if module.current_epoch == 2 and number == 1:
            raise CutError
        return step(module, batch, number)

    monkeypatch.setattr(ClassifierModule, "training_step", cut)
    with pytest.raises(CutError):
        fit(network(), data, settings, tmp_path / "cut")
    monkeypatch.setattr(ClassifierModule, "training_step", step)
    found = fit(network(seed=9), data, settings, tmp_path / "cut", resume=True)

    assert same(expected.network, found.network)
    assert expected.history == found.history


def test_resuming_a_finished_fit_gives_its_result(network, slices, settings, tmp_path):
    expected = fit(network(), FitData(slices), settings, tmp_path)

    found = fit(network(seed=9), FitData(slices), settings, tmp_path, resume=True)

    assert same(expected.network, found.network)
    assert expected.history == found.history


def test_what_is_watched_changes_nothing(network, slices, settings, tmp_path):
    alone = fit(network(), FitData(slices), settings, tmp_path / "a")
    watched = fit(network(), FitData(slices, watched=slices), settings, tmp_path / "b")

    assert same(alone.network, watched.network)
    assert [None, None] == [record.watched_loss for record in alone.history]


def test_the_watched_figures_are_those_of_the_result(network, slices, settings, tmp_path):
    result = fit(network(), FitData(slices, watched=slices), settings, tmp_path)

    logits = predict_logits(result.network, slices)[:, 0]
    truth = slices.targets[:, 0].numpy()
    expected = np.mean(np.logaddexp(0, np.where(truth == 1, -logits, logits)))
    assert expected == pytest.approx(result.history[-1].watched_loss, rel=1e-4)
    assert 1 == result.epoch


def test_the_best_epoch_of_the_tune_split_is_the_result(network, slices, settings, tmp_path):
    settings = replace(settings, epochs=4, learning_rate=0.02)

    result = fit(network(), FitData(slices, watched=slices, choose_best=True), settings, tmp_path)

    losses = [record.watched_loss for record in result.history]
    assert int(np.argmin(losses)) == result.epoch
    logits = torch.from_numpy(predict_logits(result.network, slices))
    again = torch.nn.functional.binary_cross_entropy_with_logits(logits, slices.targets.double())
    assert min(losses) == pytest.approx(float(again), rel=1e-4)


def test_the_result_is_averaged(network, slices, settings, tmp_path):
    raw = fit(network(), FitData(slices), replace(settings, ema_decay=0.0), tmp_path / "a")
    averaged = fit(network(), FitData(slices), settings, tmp_path / "b")

    assert not same(raw.network, averaged.network)
    assert raw.history[0].loss == averaged.history[0].loss


def test_rows_of_which_nothing_is_known_teach_nothing(network, slices, settings, tmp_path):
    targets = slices.targets.clone()
    targets[16:] = torch.nan
    masked = replace(slices, targets=targets)
    images = slices.images.clone()
    images[16:] = 0.7
    other = replace(masked, images=images)

    one = fit(network(), FitData(masked), settings, tmp_path / "a").network
    two = fit(network(), FitData(other), settings, tmp_path / "b").network

    assert same(one, two)


def test_nothing_known_is_refused(network, slices, settings, tmp_path):
    unknown = replace(slices, targets=torch.full_like(slices.targets, torch.nan))

    with pytest.raises(DataSplitError, match="learn from"):
        fit(network(), FitData(unknown), settings, tmp_path)
    with pytest.raises(DataSplitError, match="tune split"):
        fit(network(), FitData(slices, watched=unknown, choose_best=True), settings, tmp_path)


def test_a_watched_class_that_is_missing_has_no_auroc(network, slices, settings, tmp_path):
    negatives = slices.subset(range(0, 24, 2))

    result = fit(network(), FitData(slices, watched=negatives), settings, tmp_path)

    assert result.history[0].watched_auroc is None
    assert result.history[0].watched_loss is not None


def test_a_fit_leaves_the_process_as_it_was(network, slices, settings, tmp_path, capfd):
    torch.manual_seed(3)
    expected = torch.get_rng_state()
    model = network()
    torch.set_rng_state(expected)

    fit(model, FitData(slices), settings, tmp_path)

    assert torch.equal(expected, torch.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()
    assert logging.getLogger("lightning.pytorch").level != logging.WARNING
    assert ("", "") == capfd.readouterr()
    assert ["last.ckpt"] == [path.name for path in tmp_path.iterdir()]


def test_reduced_precision_trains(network, slices, settings, tmp_path):
    result = fit(network(), FitData(slices), replace(settings, precision="bf16"), tmp_path)

    assert all(torch.isfinite(tensor).all() for tensor in result.network.state_dict().values())
    assert torch.float32 == result.network.backbone.conv_stem.weight.dtype


def test_changes_on_the_device_reach_the_network_and_repeat(slices, settings, network, tmp_path):
    asked = replace(settings, augment_on="device")

    def weights(name, change):
        data = FitData(slices, watched=slices, augment_batch=change)
        result = fit_network(network(), data, settings=asked, folder=tmp_path / name, device="cpu")
        return torch.cat([value.flatten().float() for value in result.network.parameters()])

    expected = weights("a", BatchAugmenter(32, noise=1.0, noise_std=0.2))

    assert torch.equal(expected, weights("b", BatchAugmenter(32, noise=1.0, noise_std=0.2)))
    assert not torch.equal(expected, weights("c", None))
