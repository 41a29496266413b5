"""Moving averages of weights."""

import pytest
import torch

from medrec.training.ema import growing_average


def test_the_average_follows_the_formula():
    average, current = torch.tensor([1.0]), torch.tensor([2.0])

    growing_average(0.9)([average], [current], torch.tensor(1000))

    assert 0.9 * 1 + 0.1 * 2 == pytest.approx(float(average))


def test_early_steps_forget_the_start():
    average, current = torch.tensor([1.0]), torch.tensor([2.0])

    growing_average(0.99)([average], [current], torch.tensor(1))

    assert 2 / 11 * 1 + 9 / 11 * 2 == pytest.approx(float(average))


def test_counters_stay_whole():
    average, current = torch.tensor([10]), torch.tensor([20])

    growing_average(0.5)([average], [current], torch.tensor(1000))

    assert torch.int64 == average.dtype
