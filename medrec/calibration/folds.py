"""Folds by patient in which every training part holds both classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medrec.errors import CalibrationError

if TYPE_CHECKING:
    from medrec.evaluation.samples import IntArray, Samples

MOST_FOLDS = 5
FEWEST_PATIENTS = 2


def check_patients(samples: Samples, *, purpose: str) -> None:
    """Refuse samples with fewer than two patients of either class.

    Raises:
        CalibrationError: Naming how many there are and what to do.
    """
    positives, negatives = samples.positive_units, samples.negative_units
    if min(positives, negatives) < FEWEST_PATIENTS:
        message = (
            f"{purpose} needs at least {FEWEST_PATIENTS} patients with a positive and"
            f" {FEWEST_PATIENTS} with a negative row; there are {positives} and {negatives}."
            " Add patients of the missing class to the calibration data; where every patient has a"
            " lesion, stand-in exams (calibration.substacks) can be cut from parts without one"
        )
        raise CalibrationError(message)


def assign_folds(samples: Samples, *, rng: np.random.Generator) -> IntArray:
    """The fold of each row (N,): whole patients, the classes spread evenly.

    Patients are dealt in turn, those with positives only first and those with negatives only last:
    each class is then one stretch of the deal, so that it reaches two folds at least and no
    training part lacks it.
    """
    folds = min(MOST_FOLDS, samples.positive_units, samples.negative_units)
    has_positive = np.bincount(samples.unit_code, samples.truth) > 0
    has_negative = np.bincount(samples.unit_code, ~samples.truth) > 0
    kind = has_negative.astype(int) - has_positive.astype(int)
    order = np.lexsort([rng.random(samples.unit_count), kind])
    fold_of_unit = np.empty(samples.unit_count, dtype=np.intp)
    fold_of_unit[order] = np.arange(samples.unit_count) % folds
    fold: IntArray = fold_of_unit[samples.unit_code]
    return fold
