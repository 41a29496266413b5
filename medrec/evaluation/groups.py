"""Figures of classes that exclude each other, taken together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.finding import Finding
from medrec.evaluation.intervals import bootstrap_units
from medrec.evaluation.reliability import measure_ece, reliability_curve
from medrec.evaluation.result import GroupResult
from medrec.evaluation.samples import Samples
from medrec.evaluation.truth import exam_truth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.finding import Label
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.intervals import Statistic
    from medrec.evaluation.join import JoinedCase
    from medrec.evaluation.reliability import ReliabilityBin
    from medrec.evaluation.samples import IntArray
    from medrec.evaluation.settings import EvaluationSettings


def measure_group(
    cases: Sequence[JoinedCase], labels: Sequence[Label], *, settings: EvaluationSettings
) -> GroupResult:
    """Every figure of a group's exams, with intervals from resampled patients."""
    scored = [case for case in cases if case.prediction.finding(labels[0])]
    known = [(case, place) for case in scored if (place := _class_of(case, labels)) is not None]
    truth = np.array([place for _, place in known], dtype=np.intp)
    scores = np.array([_scores(case, labels) for case, _ in known]).reshape(-1, len(labels))
    confusion = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(confusion, (truth, scores.argmax(axis=1)), 1)
    estimates: dict[str, Estimate | None] = {}
    if known:
        units = [case.unit for case, _ in known]
        samples = Samples.from_logits(scores.argmax(axis=1) == truth, np.zeros(len(known)), units)
        probability = _probabilities([case for case, _ in known], labels)
        for name, statistic in _statistics(samples, truth, probability, len(labels)).items():
            rng = np.random.default_rng(settings.seed)
            rounds = settings.bootstrap_rounds
            estimates[name] = bootstrap_units(samples, statistic, rounds=rounds, rng=rng)
    top = _of_likeliest(known, truth, labels)
    if top is not None:
        estimates |= _calibration(top, settings)
    return GroupResult(
        labels=tuple(labels),
        n=len(known),
        patients=len({case.unit for case, _ in known}),
        unknown=len(scored) - len(known),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        top_reliability=_reliability(top, settings) if top is not None else (),
        **estimates,
    )


def _class_of(case: JoinedCase, labels: Sequence[Label]) -> int | None:
    truths = [exam_truth(case, label) for label in labels]
    return truths.index(True) if truths.count(True) == 1 else None


def _scores(case: JoinedCase, labels: Sequence[Label]) -> list[float]:
    """The logits, or the probabilities where there are any: a bias may change what is highest."""
    findings = [case.prediction.finding(label) for label in labels]
    return [
        found.probability if isinstance(found, Finding) else found.logit if found else -np.inf
        for found in findings
    ]


def _probabilities(cases: Sequence[JoinedCase], labels: Sequence[Label]) -> FloatArray | None:
    findings = [[case.prediction.finding(label) for label in labels] for case in cases]
    if not all(isinstance(found, Finding) for row in findings for found in row):
        return None
    return np.array([[f.probability for f in row if isinstance(f, Finding)] for row in findings])


def _of_likeliest(
    known: Sequence[tuple[JoinedCase, int]], truth: IntArray, labels: Sequence[Label]
) -> Samples | None:
    """Exams whose truth is whether their likeliest class is right, with its probability."""
    probability = _probabilities([case for case, _ in known], labels) if known else None
    if probability is None:
        return None
    is_right = probability.argmax(axis=1) == truth
    units = [case.unit for case, _ in known]
    return Samples.from_logits(is_right, np.zeros(len(known)), units).with_probability(
        probability.max(axis=1)
    )


def _calibration(top: Samples, settings: EvaluationSettings) -> dict[str, Estimate | None]:
    measured = measure_ece(
        top,
        rounds=settings.bootstrap_rounds,
        draws=settings.calibrated_draws,
        rng=np.random.default_rng(settings.seed),
        bins=settings.ece_bins,
    )
    return {"top_ece": measured.ece, "top_ece_if_calibrated": measured.if_calibrated}


def _reliability(top: Samples, settings: EvaluationSettings) -> tuple[ReliabilityBin, ...]:
    rng = np.random.default_rng(settings.seed)
    rounds = settings.bootstrap_rounds
    return reliability_curve(top, bins=settings.ece_bins, rounds=rounds, rng=rng)


def _statistics(
    samples: Samples, truth: IntArray, probability: FloatArray | None, count: int
) -> dict[str, Statistic]:
    def accuracy(_: Samples, weight: FloatArray) -> FloatArray:
        return _mean(weight, samples.truth.astype(float))

    def balanced(_: Samples, weight: FloatArray) -> FloatArray:
        shares = [
            _mean(weight * (truth == place), samples.truth.astype(float)) for place in range(count)
        ]
        mean: FloatArray = np.mean(shares, axis=0)
        return mean

    def log_loss(_: Samples, weight: FloatArray) -> FloatArray:
        said = np.ones(len(truth)) if probability is None else probability[range(len(truth)), truth]
        return _mean(weight, -np.log(np.maximum(said, np.finfo(np.float64).tiny)))

    found: dict[str, Statistic] = {"accuracy": accuracy}
    if len(np.unique(truth)) == count:
        found["balanced_accuracy"] = balanced
    if probability is not None:
        found["log_loss"] = log_loss
    return found


def _mean(weight: FloatArray, values: FloatArray) -> FloatArray:
    """The mean (R,) of values (N,) under weights (R, N), NaN where they are all 0."""
    total = weight.sum(axis=1)
    mean: FloatArray = np.divide(
        weight @ values, total, out=np.full(len(total), np.nan), where=total > 0
    )
    return mean
