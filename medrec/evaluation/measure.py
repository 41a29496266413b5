"""Every figure of one label at one level, and why those are missing that can't be had."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.counting import counted
from medrec.evaluation.discrimination import (
    auroc_delong,
    auroc_rounds,
    average_precision_rounds,
    precision_recall_curve,
    roc_curve,
)
from medrec.evaluation.estimate import MINIMUM_UNITS, Estimate
from medrec.evaluation.intervals import Statistic, bootstrap_units
from medrec.evaluation.level_matched import level_matched_auroc
from medrec.evaluation.reliability import (
    brier_rounds,
    intercept_rounds,
    is_separated,
    measure_ece,
    reliability_curve,
    slope_rounds,
)
from medrec.evaluation.result import Curves, Figures, LevelResult
from medrec.evaluation.threshold import ThresholdFigures, measure_threshold
from medrec.evaluation.truth import LevelRows, exam_rows, image_rows, patient_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.domain.finding import Label
    from medrec.evaluation.join import JoinedCase
    from medrec.evaluation.samples import Samples
    from medrec.evaluation.settings import EvaluationSettings
    from medrec.evaluation.truth import LevelRows


@dataclass(eq=False)
class Notes:
    """Collects notes on one label at one level, named `about`."""

    about: str
    lines: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Add a note."""
        self.lines.append(f"{self.about}: {text}")


def measure_exams(
    cases: Sequence[JoinedCase], label: Label, *, settings: EvaluationSettings, notes: Notes
) -> LevelResult:
    """Every figure of a label's exams."""
    rows = exam_rows(cases, label)
    thresholds = _thresholds(rows, notes)
    if rows.samples is not None and rows.samples.probability is not None:
        thresholds |= {one.name: one.threshold for one in settings.thresholds if one.label == label}
    return _measure_level(rows, thresholds, settings, notes)


def measure_patients(
    cases: Sequence[JoinedCase], label: Label, *, settings: EvaluationSettings, notes: Notes
) -> LevelResult:
    """Every figure of a label's patients, whose exams are lone films."""
    rows = patient_rows(cases, label)
    return _measure_level(rows, _thresholds(rows, notes), settings, notes)


def measure_slices(
    cases: Sequence[JoinedCase], label: Label, *, settings: EvaluationSettings, notes: Notes
) -> LevelResult:
    """Every figure of a label's slices, among them the AUROC at matched level."""
    rows = image_rows(cases, label)
    result = _measure_level(rows, _thresholds(rows, notes), settings, notes)
    if rows.samples is None or not rows.samples.has_both_classes:
        return result
    matched = level_matched_auroc(
        rows.samples,
        rows.position,
        rounds=settings.bootstrap_rounds,
        rng=np.random.default_rng(settings.seed),
        tolerance=settings.level_tolerance,
    )
    if matched is None:
        notes.add("no positive and negative slice lie at one level: no auroc_level_matched")
        return result
    if matched.auroc.note:
        notes.add(f"no interval for auroc_level_matched: {matched.auroc.note}")
    figures = replace(result.figures, auroc_level_matched=matched.auroc)
    return replace(result, figures=figures, level_pairs=matched.pairs)


def _thresholds(rows: LevelRows, notes: Notes) -> dict[str, float]:
    """The thresholds that the findings name, one a name."""
    for name, values in rows.thresholds.items():
        if len(values) > 1:
            notes.add(f"{name}: the findings name {len(values)} thresholds, so that none is taken")
    return {name: values[0] for name, values in rows.thresholds.items() if len(values) == 1}


def _measure_level(
    rows: LevelRows, thresholds: Mapping[str, float], settings: EvaluationSettings, notes: Notes
) -> LevelResult:
    _note_rows(rows, notes)
    samples = rows.samples
    if samples is None:
        notes.add("no scored row has known truth, so that there is no figure")
        return LevelResult(0, 0, rows.unknown, 0, 0, Figures(), {})
    measure = _Measure(samples, settings)
    figures = replace(measure.discrimination(notes), **measure.reliability(notes))
    points = measure.operating_points(thresholds, notes)
    _note_intervals(figures, points, samples, notes)
    return LevelResult(
        n=len(samples),
        positives=int(samples.truth.sum()),
        unknown=rows.unknown,
        patients=samples.unit_count,
        positive_patients=samples.positive_units,
        figures=figures,
        operating_points=points,
        curves=measure.curves() if samples.has_both_classes else None,
    )


@dataclass(frozen=True, eq=False)
class _Measure:
    """One seed for every figure: all see the same resamples."""

    samples: Samples
    settings: EvaluationSettings

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng(self.settings.seed)

    def _bootstrap(self, statistic: Statistic) -> Estimate:
        rounds = self.settings.bootstrap_rounds
        return bootstrap_units(self.samples, statistic, rounds=rounds, rng=self._rng())

    def discrimination(self, notes: Notes) -> Figures:
        if not self.samples.has_both_classes:
            kind = "positive" if self.samples.truth.any() else "negative"
            notes.add(f"all rows are {kind}: no AUROC, AUPRC, calibration slope or intercept")
            return Figures()
        return Figures(
            auroc=auroc_delong(self.samples),
            auroc_patient_bootstrap=self._bootstrap(auroc_rounds),
            auprc=self._bootstrap(average_precision_rounds),
        )

    def reliability(self, notes: Notes) -> dict[str, Estimate]:
        if self.samples.probability is None:
            notes.add("scores without a calibrator: no Brier score, ECE, calibration slope")
            return {}
        measured = measure_ece(
            self.samples,
            rounds=self.settings.bootstrap_rounds,
            draws=self.settings.calibrated_draws,
            rng=self._rng(),
            bins=self.settings.ece_bins,
        )
        found = {
            "brier": self._bootstrap(brier_rounds),
            "ece": measured.ece,
            "ece_if_calibrated": measured.if_calibrated,
        }
        if not self.samples.has_both_classes:
            return found
        found["calibration_intercept"] = self._bootstrap(intercept_rounds)
        if is_separated(self.samples):
            notes.add("the probability separates the classes: no calibration slope")
        else:
            found["calibration_slope"] = self._bootstrap(slope_rounds)
        return found

    def operating_points(
        self, thresholds: Mapping[str, float], notes: Notes
    ) -> dict[str, ThresholdFigures]:
        rounds = self.settings.bootstrap_rounds
        if not thresholds:
            notes.add("no operating point is known: no sensitivity or specificity")
        points = {
            name: measure_threshold(self.samples, threshold, rounds=rounds, rng=self._rng())
            for name, threshold in thresholds.items()
        }
        for name, point in points.items():
            missing = [share for share in _SHARES if getattr(point, share) is None]
            if missing:
                notes.add(f"{name}: no row to compute {', '.join(missing)} from")
        return points

    def curves(self) -> Curves:
        samples = self.samples
        rounds = self.settings.bootstrap_rounds
        is_calibrated = samples.probability is not None
        return Curves(
            roc=roc_curve(samples),
            precision_recall=precision_recall_curve(samples),
            reliability=(
                reliability_curve(
                    samples, bins=self.settings.ece_bins, rounds=rounds, rng=self._rng()
                )
                if is_calibrated
                else ()
            ),
            truth=samples.truth,
            value=samples.score,
            is_calibrated=is_calibrated,
        )


_SHARES = ("sensitivity", "specificity", "ppv", "npv")


def _note_rows(rows: LevelRows, notes: Notes) -> None:
    if rows.unknown:
        unknown = counted(rows.unknown, "row of unknown truth is", "rows of unknown truth are")
        notes.add(f"{unknown} in no figure")
    if rows.unusable:
        unusable = counted(rows.unusable, "row has", "rows have")
        notes.add(f"{unusable} no finite score of this label: left out")
    if rows.derived:
        notes.add(
            f"truth of {counted(rows.derived, 'exam', 'exams')} was taken from slices: positive if"
            " any slice is, negative only if every slice is known to be"
        )


def _note_intervals(
    figures: Figures, points: Mapping[str, ThresholdFigures], samples: Samples, notes: Notes
) -> None:
    """Say once for each cause which figures have no interval."""
    by_cause: dict[str, list[str]] = {}
    for name, estimate in _named(figures, points).items():
        if estimate.note:
            by_cause.setdefault(estimate.note, []).append(name)
    for cause, names in by_cause.items():
        notes.add(f"no interval for {', '.join(names)}: {cause}")
    fewest = min(samples.positive_units, samples.negative_units)
    if samples.has_both_classes and fewest < MINIMUM_UNITS <= samples.unit_count:
        few = counted(fewest, "patient has", "patients have")
        notes.add(f"only {few} a row of the rarer class: intervals are rough")


def _named(figures: Figures, points: Mapping[str, ThresholdFigures]) -> dict[str, Estimate]:
    named = {entry.name: getattr(figures, entry.name) for entry in fields(figures)}
    for name, point in points.items():
        named |= {f"{name} {share}": getattr(point, share) for share in _SHARES}
    return {name: estimate for name, estimate in named.items() if estimate is not None}
