"""Fit the one calibrator of classes that exclude each other, at one level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import expit

from medrec.calibration.entry import CalibrationEntry, Level
from medrec.calibration.fit import REPLICATES, measured_ece
from medrec.calibration.folds import FEWEST_PATIENTS, MOST_FOLDS
from medrec.calibration.softmax import JointMethod, SoftmaxScaling, fit_softmax
from medrec.errors import CalibrationError
from medrec.evaluation.intervals import resample_units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.domain.finding import Label
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.samples import BoolArray, IntArray, Samples

_METHODS: Mapping[str, tuple[JointMethod, ...]] = {
    "auto": ("softmax_temperature", "softmax_bias"),
    "temperature": ("softmax_temperature",),
    "platt": ("softmax_bias",),
}


@dataclass(frozen=True, eq=False)
class JointSamples:
    """The same N rows for each of C classes: every row is positive for one of them.

    Raises:
        ValueError: Rows that differ between the classes, or that are positive for none or several.
    """

    of_class: Mapping[Label, Samples]

    def __post_init__(self) -> None:
        first, *others = self.of_class.values()
        if not all(
            np.array_equal(one.unit, first.unit) and np.array_equal(one.weight, first.weight)
            for one in others
        ):
            message = "samples of exclusive classes need the same rows"
            raise ValueError(message)
        if (np.sum([one.truth for one in self.of_class.values()], axis=0) != 1).any():
            message = "every row is positive for one of the exclusive classes, and for one alone"
            raise ValueError(message)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The classes, in the order of the columns."""
        return tuple(self.of_class)

    @property
    def any(self) -> Samples:
        """The samples of one class: its patients and weights are those of all."""
        return next(iter(self.of_class.values()))

    @property
    def logits(self) -> FloatArray:
        """(N, C)."""
        return np.column_stack([one.logit for one in self.of_class.values()])

    @property
    def truth(self) -> IntArray:
        """(N,) the class of each row, from 0."""
        truth: IntArray = np.argmax([one.truth for one in self.of_class.values()], axis=0)
        return truth

    def subset(self, rows: BoolArray) -> JointSamples:
        """The rows that a mask picks."""
        return JointSamples({label: one.subset(rows) for label, one in self.of_class.items()})


def fit_joint_calibration(
    samples: JointSamples,
    *,
    level: Level,
    method: Literal["auto", "temperature", "platt"] = "auto",
    rounds: int,
    rng: np.random.Generator,
) -> tuple[CalibrationEntry, ...]:
    """Fit a joint calibrator; one entry a class, with the class's own record.

    `temperature` fits one temperature, `platt` a bias for each class too; `auto` takes the one with
    the lower multi-class log-loss when cross-validated by patient.

    Raises:
        CalibrationError: Fewer than two patients of a class, or no map fits.
    """
    _check_patients(samples)
    fold = _assign_folds(samples, rng)
    chosen, held_out = _choose(samples, fold, _METHODS[method])
    parameters = _fit(samples, chosen).parameters(samples.labels, chosen)
    seed = int(rng.integers(1 << 32))
    replicates = _replicates(samples, chosen, rng)
    return tuple(
        CalibrationEntry(
            label=label,
            level=level,
            method=chosen,
            parameters=parameters,
            patients=one.unit_count,
            positives=one.positive_units,
            rows=len(one),
            ece_before=measured_ece(one, expit(one.logit), rounds=rounds, seed=seed),
            ece_after=measured_ece(one, held_out[:, column], rounds=rounds, seed=seed),
            replicates=replicates,
            classes=samples.labels,
        )
        for column, (label, one) in enumerate(samples.of_class.items())
    )


def _check_patients(samples: JointSamples) -> None:
    few = [
        f"{label} has {one.positive_units}"
        for label, one in samples.of_class.items()
        if one.positive_units < FEWEST_PATIENTS
    ]
    if few:
        message = (
            f"calibration needs at least {FEWEST_PATIENTS} patients of each class that excludes "
            f"the others: {', '.join(few)}. Add patients, or merge the class with another one"
        )
        raise CalibrationError(message)


def _assign_folds(samples: JointSamples, rng: np.random.Generator) -> IntArray:
    """The fold of each row (N,): whole patients, dealt class by class.

    A patient with several classes is dealt as one of the rarest. So each class reaches two folds,
    and no training part lacks it.
    """
    counts = [one.positive_units for one in samples.of_class.values()]
    units, code = samples.any.unit_count, samples.any.unit_code
    folds = min(MOST_FOLDS, *counts)
    kind = np.zeros(units, dtype=np.intp)
    by_rarity = np.argsort(counts, kind="stable")[::-1]
    for rank, column in enumerate(by_rarity):  # the rarest comes last, and wins
        kind[code[samples.truth == column]] = rank
    order = np.lexsort([rng.random(units), kind])
    fold_of_unit = np.empty(units, dtype=np.intp)
    fold_of_unit[order] = np.arange(units) % folds
    fold: IntArray = fold_of_unit[code]
    return fold


def _choose(
    samples: JointSamples, fold: IntArray, methods: Sequence[JointMethod]
) -> tuple[JointMethod, FloatArray]:
    """The method, and the probabilities (N, C) that it gives to held-out patients."""
    candidates: list[tuple[float, JointMethod, FloatArray]] = []
    failures: list[str] = []
    for method in methods:
        try:
            held_out = _cross_validate(samples, fold, method)
            _fit(samples, method)
        except CalibrationError as error:
            failures.append(str(error))
        else:
            candidates.append((_log_loss(samples, held_out), method, held_out))
    if not candidates:
        raise CalibrationError("\n".join(dict.fromkeys(failures)))
    _, best, held_out = min(candidates, key=lambda candidate: candidate[0])
    return best, held_out


def _fit(samples: JointSamples, method: JointMethod) -> SoftmaxScaling:
    return SoftmaxScaling.fit(samples.logits, samples.truth, samples.any.weight, method=method)


def _cross_validate(samples: JointSamples, fold: IntArray, method: JointMethod) -> FloatArray:
    held_out = np.empty(samples.logits.shape)
    for number in np.unique(fold):
        rows = fold == number
        held_out[rows] = _fit(samples.subset(~rows), method).probability(samples.logits[rows])
    return held_out


def _log_loss(samples: JointSamples, probability: FloatArray) -> float:
    said = probability[np.arange(len(probability)), samples.truth]
    surprise = -np.log(np.maximum(said, np.finfo(np.float64).tiny))
    return float(np.average(surprise, weights=samples.any.weight))


def _replicates(
    samples: JointSamples, method: JointMethod, rng: np.random.Generator
) -> tuple[Mapping[str, float], ...]:
    """Parameters of refits on resampled patients; resamples that lack a class are redrawn."""
    one, logits, truth = samples.any, samples.logits, samples.truth
    replicates: list[Mapping[str, float]] = []
    while len(replicates) < REPLICATES:
        counts = resample_units(one.unit_count, rounds=1, rng=rng)[0]
        weight = counts[one.unit_code] * one.weight
        if (np.bincount(truth, weight, minlength=len(samples.labels)) > 0).all():
            slope, bias = fit_softmax(logits, truth, weight, method=method)
            scaling = SoftmaxScaling(1 / slope, tuple(bias.tolist()))
            replicates.append(scaling.parameters(samples.labels, method))
    return tuple(replicates)
