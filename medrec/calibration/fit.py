"""Fit the calibrator of one label at one level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import expit, logit

from medrec.calibration.entry import CalibrationEntry, Level, Method
from medrec.calibration.folds import assign_folds, check_patients
from medrec.calibration.platt import FlooredPlatt, Platt
from medrec.calibration.targets import platt_targets
from medrec.calibration.temperature import Temperature
from medrec.errors import CalibrationError
from medrec.evaluation.intervals import resample_units
from medrec.evaluation.logistic import fit_logistic
from medrec.evaluation.reliability import measure_ece

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medrec.calibration.calibrator import Calibrator
    from medrec.domain.finding import Label
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.samples import IntArray, Samples

REPLICATES = 200
_FLATTEST = 1e-6
_KINDS: Mapping[Method, type[Temperature | Platt]] = {
    "temperature": Temperature,
    "platt": Platt,
    "platt_floor": FlooredPlatt,
}
_CANDIDATES: tuple[Method, ...] = ("temperature", "platt")

Choice = Literal["auto", "temperature", "platt", "platt_floor"]


def fit_calibration(
    samples: Samples,
    *,
    label: Label,
    level: Level,
    method: Choice = "auto",
    rounds: int,
    rng: np.random.Generator,
) -> CalibrationEntry:
    """Fit a calibrator and measure it; `samples.probability` is not read.

    `auto` takes temperature or Platt scaling, whichever has the lower log-loss when cross-validated
    by patient; `platt_floor` is for exams with boxes. `rounds` are those of the intervals of the
    ECE.

    Raises:
        CalibrationError: Fewer than two patients of either class, or no rising map fits.
    """
    check_patients(samples, purpose="calibration")
    fold = assign_folds(samples, rng=rng)
    chosen, held_out = _choose(samples, fold, method)
    fitted = _fit(samples, chosen)
    seed = int(rng.integers(1 << 32))
    return CalibrationEntry(
        label=label,
        level=level,
        method=chosen,
        parameters=fitted.parameters,
        patients=samples.unit_count,
        positives=samples.positive_units,
        rows=len(samples),
        ece_before=measured_ece(samples, expit(samples.logit), rounds=rounds, seed=seed),
        ece_after=measured_ece(samples, held_out, rounds=rounds, seed=seed),
        replicates=_replicates(samples, fitted, rng),
    )


def hold_out(
    samples: Samples, method: Method, *, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """The fold (N,) of each row, and its probability (N,) by a calibrator without its patient.

    Raises:
        CalibrationError: Fewer than two patients of either class, or no rising map fits.
    """
    check_patients(samples, purpose="calibration")
    fold = assign_folds(samples, rng=rng)
    return fold, _cross_validate(samples, fold, method)


def _fit(samples: Samples, method: Method) -> Calibrator:
    return _KINDS[method].fit(samples.logit, samples.truth, samples.weight)


def _choose(samples: Samples, fold: IntArray, method: Choice) -> tuple[Method, FloatArray]:
    """The method, and the probabilities that it gives to held-out patients."""
    if method != "auto":
        return method, _cross_validate(samples, fold, method)
    candidates: list[tuple[float, Method, FloatArray]] = []
    failures: list[str] = []
    for name in _CANDIDATES:
        try:
            held_out = _cross_validate(samples, fold, name)
            _fit(samples, name)
        except CalibrationError as error:
            failures.append(str(error))
        else:
            candidates.append((_log_loss(samples, held_out), name, held_out))
    if not candidates:
        raise CalibrationError("\n".join(failures))
    _, best, held_out = min(candidates, key=lambda candidate: candidate[0])
    return best, held_out


def _cross_validate(samples: Samples, fold: IntArray, method: Method) -> FloatArray:
    """The probability (N,) of each row from a calibrator that did not see its patient."""
    held_out = np.empty(len(samples))
    for number in np.unique(fold):
        rows = fold == number
        calibrator = _fit(samples.subset(~rows), method)
        held_out[rows] = calibrator.probability(samples.logit[rows])
    return held_out


def _log_loss(samples: Samples, probability: FloatArray) -> float:
    said = np.where(samples.truth, probability, 1 - probability)
    surprise = -np.log(np.maximum(said, np.finfo(np.float64).tiny))
    return float(np.average(surprise, weights=samples.weight))


def measured_ece(samples: Samples, probability: FloatArray, *, rounds: int, seed: int) -> Estimate:
    """The ECE of probabilities (N,) on some rows, with its interval."""
    rng = np.random.default_rng(seed)
    return measure_ece(
        samples.with_probability(probability), rounds=rounds, draws=rounds, rng=rng
    ).ece


def _replicates(
    samples: Samples, fitted: Calibrator, rng: np.random.Generator
) -> tuple[Mapping[str, float], ...]:
    """Parameters of refits on resampled patients; resamples without both classes are redrawn."""
    replicates: list[Mapping[str, float]] = []
    while len(replicates) < REPLICATES:
        counts = resample_units(samples.unit_count, rounds=1, rng=rng)[0]
        weight = counts[samples.unit_code] * samples.weight
        if weight[samples.truth].sum() > 0 and weight[~samples.truth].sum() > 0:
            replicates.append(_refit(samples, weight, fitted))
    return tuple(replicates)


def _refit(samples: Samples, weight: FloatArray, fitted: Calibrator) -> Mapping[str, float]:
    """The parameters under other row weights; a falling map is replaced by the flattest one."""
    targets = platt_targets(samples.truth, weight)
    start = fitted.parameters
    if "temperature" in start:
        design, begin = samples.logit[:, np.newaxis], np.array([1 / start["temperature"]])
        (slope,) = fit_logistic(design, targets, weight[np.newaxis], start=begin)[0]
        return {"temperature": float(1 / (slope if slope > _FLATTEST else _FLATTEST))}
    design = np.column_stack([np.ones(len(samples)), samples.logit])
    begin = np.array([start["intercept"], start["slope"]])
    intercept, slope = fit_logistic(design, targets, weight[np.newaxis], start=begin)[0]
    if slope > _FLATTEST:
        return {"slope": float(slope), "intercept": float(intercept)}
    # The likelihood is concave: under slope >= 0 its maximum then lies at slope 0.
    prevalence = float(logit(np.average(targets, weights=weight)))
    return {"slope": _FLATTEST, "intercept": prevalence}
