"""Logits with a known distortion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import expit

from medrec.evaluation.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def distort() -> Callable[..., Samples]:
    """Rows whose probability is sigmoid(logit * slope + intercept)."""

    def make(
        patients: int,
        rows: int = 1,
        *,
        slope: float = 0.5,
        intercept: float = 0.0,
        seed: int = 0,
    ) -> Samples:
        rng = np.random.default_rng(seed)
        logit = rng.normal(scale=3.0, size=patients * rows)
        truth = rng.random(len(logit)) < expit(slope * logit + intercept)
        unit = np.repeat(np.arange(patients), rows).astype(str)
        return Samples.from_logits(truth, logit, unit)

    return make
