"""Logistic regressions of one or two coefficients, many weightings at once: Newton with damping."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

if TYPE_CHECKING:
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.samples import BoolArray

_STEPS = 60
_HALVINGS = 40
# A step this close to the maximum leaves an error of about its square.
_TOLERANCE = 1e-8


def fit_logistic(
    design: FloatArray,
    target: FloatArray,
    weight: FloatArray,
    *,
    offset: FloatArray | None = None,
    start: FloatArray | None = None,
) -> FloatArray:
    """Maximise the weighted likelihood of `target` under sigmoid(offset + design @ coefficients).

    Unpenalised. `design` is (N, K), `target` (N,) in [0, 1], `weight` (R, N), `offset` (N,),
    `start` (K,). Returns (R, K), NaN where the likelihood has no finite maximum (the classes are
    separated) or no weight.
    """
    problem = _Problem(design, target, np.zeros(len(target)) if offset is None else offset)
    rounds, width = len(weight), design.shape[1]
    result = np.full((rounds, width), np.nan)
    coefficients = np.tile(np.zeros(width) if start is None else start, (rounds, 1))
    open_rounds = np.flatnonzero(weight.sum(axis=1) > 0)
    for _ in range(_STEPS):
        if not len(open_rounds):
            break
        moved, is_done = problem.step(coefficients[open_rounds], weight[open_rounds])
        coefficients[open_rounds] = moved
        result[open_rounds[is_done]] = moved[is_done]
        open_rounds = open_rounds[~is_done]
    return result


class _Problem:
    """The data that all rounds share."""

    def __init__(self, design: FloatArray, target: FloatArray, offset: FloatArray) -> None:
        self.design = design
        self.target = target
        self.offset = offset
        rows, width = design.shape
        self.products = (design[:, :, np.newaxis] * design[:, np.newaxis]).reshape(rows, width**2)

    def step(self, coefficients: FloatArray, weight: FloatArray) -> tuple[FloatArray, BoolArray]:
        """One damped Newton step of R rounds: the new coefficients, and which rounds are done."""
        rounds, width = coefficients.shape
        predictor = self._predictor(coefficients)
        chance = expit(predictor)
        gradient = (weight * (self.target - chance)) @ self.design
        hessian = ((weight * chance * (1 - chance)) @ self.products).reshape(rounds, width, width)
        # A trace of ridge keeps the solve finite; it moves the step, never the maximum.
        ridge = 1e-12 * np.trace(hessian, axis1=1, axis2=2) + np.finfo(np.float64).tiny
        hessian += ridge[:, np.newaxis, np.newaxis] * np.eye(width)
        move = np.linalg.solve(hessian, gradient[..., np.newaxis])[..., 0]
        loss = self._loss(predictor, weight)
        # Relative to the loss: in separated data both fall together and this is never met.
        is_done = (move * gradient).sum(axis=1) < _TOLERANCE * loss
        return self._descend(coefficients, move, weight, loss), is_done

    def _descend(
        self, coefficients: FloatArray, move: FloatArray, weight: FloatArray, loss: FloatArray
    ) -> FloatArray:
        """Take the step, halved in each round until its loss does not rise."""
        moved = coefficients + move
        rising = np.arange(len(moved))
        for _ in range(_HALVINGS):
            after = self._loss(self._predictor(moved[rising]), weight[rising])
            allowed = loss[rising] * (1 + 1e-9)
            rising = rising[~(after <= allowed)]
            if not len(rising):
                break
            move[rising] /= 2
            moved[rising] = coefficients[rising] + move[rising]
        return moved

    def _predictor(self, coefficients: FloatArray) -> FloatArray:
        return self.offset + coefficients @ self.design.T

    def _loss(self, predictor: FloatArray, weight: FloatArray) -> FloatArray:
        loss: FloatArray = (weight * (np.logaddexp(0, predictor) - self.target * predictor)).sum(
            axis=1
        )
        return loss
