"""What is said of a fit before it begins."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from medrec.training.estimate import STEPS, FitCost, FitWork, measure_fit
from medrec.training.fit import FitData, fit_network


def shifted(image, *, seed):
    return image + np.random.default_rng(seed).normal() / 100


def random_numbers():
    return torch.rand(1).item(), np.random.random(), random.random()  # noqa: NPY002, S311


def seed_all():
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002, TID251
    random.seed(5)


def test_an_estimate_changes_no_weight_of_the_fit(network, slices, settings, tmp_path):
    data = FitData(slices, augment=shifted)
    options = {"settings": settings, "device": "cpu"}
    expected = fit_network(network(), data, folder=tmp_path / "without", **options).network

    fitted = network()
    measure_fit(network(seed=3), data, settings, device="cpu")
    found = fit_network(fitted, data, folder=tmp_path / "with", **options).network

    pairs = zip(expected.state_dict().values(), found.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_an_estimate_leaves_random_numbers_as_they_were(network, slices, settings):
    made = network()
    seed_all()
    expected = random_numbers()

    seed_all()
    measure_fit(made, FitData(slices, augment=shifted), settings, device="cpu")

    assert expected == random_numbers()


@pytest.mark.parametrize("changes", [{}, {"batch_size": 24}, {"precision": "bf16"}])
def test_seconds_a_row_are_those_of_real_steps(network, slices, settings, changes):
    made, shown = network(), []
    made.register_forward_hook(lambda *found: shown.append(found[1][0].shape))

    cost = measure_fit(made, FitData(slices), replace(settings, **changes), device="cpu")

    size = changes.get("batch_size", 8)
    assert [(size, 1, 32, 32)] * STEPS == [tuple(shape) for shape in shown]
    assert 0 < cost.seconds_a_row < 1


def test_cost_grows_with_rows_epochs_and_networks():
    cost = FitCost(seconds_a_row=0.5, weight_bytes=1000)
    work = FitWork(networks=3, learned=100, watched=30)

    assert cost.seconds(work, epochs=2) == pytest.approx(2 * cost.seconds(work, epochs=1))
    assert cost.seconds(work, epochs=1) == pytest.approx(0.5 * 110 * 1.2)
    assert 3 * 4 * 1000 == cost.disk_bytes(work, chooses_best=False)
    assert 3 * 8 * 1000 == cost.disk_bytes(work, chooses_best=True)


def test_the_disk_that_is_foreseen_is_about_what_a_checkpoint_takes(
    network, slices, settings, tmp_path
):
    cost = measure_fit(network(), FitData(slices), settings, device="cpu")
    fit_network(network(), FitData(slices), settings=settings, folder=tmp_path, device="cpu")

    written = (tmp_path / "last.ckpt").stat().st_size
    foreseen = cost.disk_bytes(FitWork(1, 24, 0), chooses_best=False)
    assert written == pytest.approx(foreseen, rel=0.25)
