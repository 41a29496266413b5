"""Platt's targets: what a label says of a probability when labels are few."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.samples import BoolArray, IntArray


def platt_targets(truth: BoolArray, weight: FloatArray) -> FloatArray:
    """Labels (N,) drawn in from 1 and 0 to (n+ + 1) / (n+ + 2) and 1 / (n- + 2) (Platt 1999).

    n+ and n- are the summed weights of the classes. The likelihood then has a maximum even where
    the classes are separated, and no calibrator claims more certainty than so many rows can show.

    >>> platt_targets(np.array([True, False, False]), np.ones(3)).round(3)
    array([0.667, 0.25 , 0.25 ])
    """
    positives, negatives = float(weight[truth].sum()), float(weight[~truth].sum())
    return np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))


def class_targets(truth: IntArray, weight: FloatArray, count: int) -> FloatArray:
    """The same for `count` classes: (N, C) of sum 1, of classes `truth` (N,) from 0.

    A row of class k says (n_k + 1) / (n_k + 2) of it, and the rest in equal parts of the others.
    For two classes these are Platt's targets.

    >>> class_targets(np.array([0, 1, 1]), np.ones(3), 2).round(3)
    array([[0.667, 0.333],
           [0.25 , 0.75 ],
           [0.25 , 0.75 ]])
    """
    masses = np.bincount(truth, weight, minlength=count)
    rest = 1 / (masses[truth] + 2)
    targets: FloatArray = np.repeat(rest[:, np.newaxis] / (count - 1), count, axis=1)
    targets[np.arange(len(truth)), truth] = 1 - rest
    return targets
