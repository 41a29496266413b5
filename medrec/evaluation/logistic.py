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
    begin = np.zeros(design.shape[1]) if start is None else start
    problem = _Problem(design, target, np.zeros(len(target)) if offset is None else offset)
    result = np.full((len(weight), design.shape[1]), np.nan)
    still = np.flatnonzero(weight.sum(axis=1) > 0)
    weight = weight[still]
    coefficients = np.tile(begin, (len(still), 1))
    predictor = problem.predict(begin[np.newaxis])
    loss = problem.loss(predictor, weight)
    for _ in range(_STEPS):
        move, is_done = problem.newton(predictor, weight, loss)
        result[still[is_done]] = (coefficients + move)[is_done]
        rest = ~is_done
        if not rest.any():
            break
        still, weight, loss = still[rest], weight[rest], loss[rest]
        coefficients, predictor, loss = problem.descend(
            coefficients[rest], move[rest], weight, loss
        )
    return result


class _Problem:
    """The data that all rounds share.

    A predictor is (R, N), or (1, N) where all rounds stand at the same coefficients: their sums
    are then one matrix product.
    """

    def __init__(self, design: FloatArray, target: FloatArray, offset: FloatArray) -> None:
        self.design = design
        self.target = target
        self.offset = offset
        rows, width = design.shape
        self.products = (design[:, :, np.newaxis] * design[:, np.newaxis]).reshape(rows, width**2)

    def predict(self, coefficients: FloatArray) -> FloatArray:
        """The linear predictor (R, N) of coefficients (R, K)."""
        return self.offset + coefficients @ self.design.T

    def loss(self, predictor: FloatArray, weight: FloatArray) -> FloatArray:
        """The negative log-likelihood (R,)."""
        of_rows = np.logaddexp(0, predictor) - self.target * predictor
        return _sum(weight, of_rows, np.ones((len(self.target), 1)))[:, 0]

    def newton(
        self, predictor: FloatArray, weight: FloatArray, loss: FloatArray
    ) -> tuple[FloatArray, BoolArray]:
        """The Newton step (R, K), and which rounds need no other after it."""
        width = self.design.shape[1]
        chance = expit(predictor)
        gradient = _sum(weight, self.target - chance, self.design)
        hessian = _sum(weight, chance * (1 - chance), self.products).reshape(-1, width, width)
        # A trace of ridge keeps the solve finite; it moves the step, never the maximum.
        ridge = 1e-12 * np.trace(hessian, axis1=1, axis2=2) + np.finfo(np.float64).tiny
        hessian += ridge[:, np.newaxis, np.newaxis] * np.eye(width)
        move = np.linalg.solve(hessian, gradient[..., np.newaxis])[..., 0]
        # Relative to the loss: in separated data both fall together and this is never met.
        return move, (move * gradient).sum(axis=1) < _TOLERANCE * loss

    def descend(
        self, coefficients: FloatArray, move: FloatArray, weight: FloatArray, loss: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Take the step, halved in each round until its loss does not rise.

        Returns the new coefficients (R, K), their predictor (R, N) and loss (R,).
        """
        moved = coefficients + move
        predictor = self.predict(moved)
        after = self.loss(predictor, weight)
        for halving in range(1, _HALVINGS):
            rising = np.flatnonzero(~(after <= loss * (1 + 1e-9)))
            if not len(rising):
                break
            moved[rising] = coefficients[rising] + move[rising] / 2**halving
            predictor[rising] = self.predict(moved[rising])
            after[rising] = self.loss(predictor[rising], weight[rising])
        return moved, predictor, after


def _sum(weight: FloatArray, of_rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Sum weight (R, N) * of_rows (R or 1, N) * columns (N, M) over the rows: (R, M)."""
    if len(of_rows) == 1:
        return weight @ (of_rows.T * columns)
    return (weight * of_rows) @ columns
