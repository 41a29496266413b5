"""How often a lesion is found, by its size and strength: a psychometric curve.

p(size, strength) = guess + (1 - guess - lapse) * F((log2 size + trade * log2 strength - middle)
/ width), F the logistic function, fitted by maximum likelihood (Wichmann and Hill, Perception and
Psychophysics 2001; 63: 1293-1313). `guess` is what is found however small it is, `lapse` what is
missed however large; `trade` says how many doublings of size one of strength is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.geometry import FloatArray

_MOST_GUESS, _MOST_LAPSE = 0.2, 0.5
_WIDTH = (0.1, 2.0)
_TRADE = (0.0, 3.0)
_BEYOND = 2.0
# How far outside the sizes that were tried, in doublings, the middle may lie.
_LAPSES = (0.02, 0.25)
_EPSILON = 1e-9
_SLACK = 1e-6
_STEEP = 0.4


@dataclass(frozen=True, slots=True)
class PsychometricCurve:
    """A fitted curve; `smallest` and `largest` are the sizes that it was fitted on."""

    middle: float
    width: float
    trade: float
    guess: float
    lapse: float
    smallest: float
    largest: float

    def probability(self, size: FloatArray, strength: FloatArray | float) -> FloatArray:
        """The share that is found, of sizes and strengths of one shape."""
        parameters = (self.middle, self.width, self.trade, self.guess, self.lapse)
        found: FloatArray = _probability(np.array(parameters), np.log2(size), np.log2(strength))
        return found

    def size_at(self, share: float, strength: float) -> float | None:
        """The size of which a share is found; None where no size that was tried reaches it.

        The smallest size where that already does.
        """
        rest = (share - self.guess) / (1 - self.guess - self.lapse)
        if rest >= 1:
            return None
        if rest <= 0:
            return self.smallest
        place = self.middle + self.width * float(logit(rest))
        size = float(2.0 ** (place - self.trade * np.log2(strength)))
        return None if size > self.largest * (1 + _SLACK) else max(size, self.smallest)


@dataclass(frozen=True, eq=False)
class Trials:
    """Lesions by size and strength (N,): `shown` and `found` are counts (N,), not always whole."""

    size: FloatArray
    strength: FloatArray
    shown: FloatArray
    found: FloatArray


def fit_psychometric(
    trials: Trials, *, start: PsychometricCurve | None = None
) -> PsychometricCurve | None:
    """The likeliest curve; None where nothing was shown, or lesions of one size alone.

    Without a `start` the search begins at several places; one that is near, such as the curve of
    the whole sample for one of its resamples, saves the others.
    """
    kept = trials.shown > 0
    x, s = np.log2(trials.size[kept]), np.log2(trials.strength[kept])
    if len(np.unique(x)) < 2:  # noqa: PLR2004 (a curve needs two sizes)
        return None
    shown, found = trials.shown[kept], trials.found[kept]
    bounds = (
        (float(x.min()) - _BEYOND, float(x.max()) + _BEYOND),
        _WIDTH,
        _TRADE if len(np.unique(s)) > 1 else (1.0, 1.0),
        (0.0, _MOST_GUESS),
        (0.0, _MOST_LAPSE),
    )

    def cost(parameters: FloatArray) -> tuple[float, FloatArray]:
        return _cost(parameters, x, s, shown, found)

    fits = [
        minimize(cost, first, jac=True, method="L-BFGS-B", bounds=bounds)
        for first in _starts(bounds, start)
    ]
    best = min(fits, key=lambda fit: float(fit.fun))
    middle, width, trade, guess, lapse = (float(value) for value in best.x)
    sizes = 2.0 ** np.array([x.min(), x.max()])
    return PsychometricCurve(middle, width, trade, guess, lapse, float(sizes[0]), float(sizes[1]))


def _starts(
    bounds: Sequence[tuple[float, float]], start: PsychometricCurve | None
) -> list[FloatArray]:
    if start is not None:
        own = [start.middle, start.width, start.trade, start.guess, start.lapse]
        # From a bound the gradient may not lead away again: begin a little inside.
        inner = [
            min(max(value, low + 0.02 * (high - low)), high - 0.02 * (high - low))
            for value, (low, high) in zip(own, bounds, strict=True)
        ]
        return [np.array(inner)]
    low, high = bounds[0]
    middles = np.linspace(low + _BEYOND, high - _BEYOND, 4)
    trade = min(max(1.0, bounds[2][0]), bounds[2][1])
    return [
        np.array([middle, _STEEP, trade, 0.01, lapse]) for middle in middles for lapse in _LAPSES
    ]


def _probability(parameters: FloatArray, x: FloatArray, s: FloatArray) -> FloatArray:
    middle, width, trade, guess, lapse = parameters
    found: FloatArray = guess + (1 - guess - lapse) * expit((x + trade * s - middle) / width)
    return found


def _cost(
    parameters: FloatArray, x: FloatArray, s: FloatArray, shown: FloatArray, found: FloatArray
) -> tuple[float, FloatArray]:
    """Minus the log-likelihood of binomial counts, and its gradient."""
    middle, width, trade, guess, lapse = parameters
    z = (x + trade * s - middle) / width
    share, span = expit(z), 1 - guess - lapse
    p = np.clip(guess + span * share, _EPSILON, 1 - _EPSILON)
    value = -float((found * np.log(p) + (shown - found) * np.log1p(-p)).sum())
    by_p = -(found / p - (shown - found) / (1 - p))
    by_z = by_p * span * share * (1 - share)
    gradient = np.array(
        [
            (-by_z / width).sum(),
            (-by_z * z / width).sum(),
            (by_z * s / width).sum(),
            (by_p * (1 - share)).sum(),
            (-by_p * share).sum(),
        ]
    )
    return value, gradient
