"""The summary of a training run as one page: data, curves, figures, audit, time, config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medrec.reporting.render import render, to_data_uri

if TYPE_CHECKING:
    from medrec.calibration.entry import CalibrationEntry
    from medrec.calibration.operating_point import OperatingPoint
    from medrec.evaluation.estimate import Estimate

_MINUTE, _HOUR = 60, 3600


@dataclass(frozen=True, slots=True)
class SplitCount:
    """Who is in a split: `positives` are the positive patients and rows of each label."""

    split: str
    use: str
    patients: int
    rows: int
    positives: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class TestFigure:
    """A figure of the test: where it was measured, what it is, and its estimate."""

    __test__ = False  # no test class of pytest

    where: str
    name: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """What metadata alone tell of a label, and what the model tells of it.

    `metadata` is None where `note` says why. `telling` names the facts that tell most alone, with
    their AUROC. `model` are the model's AUROCs in the test, each with where it was measured.
    """

    label: str
    metadata: Estimate | None
    note: str
    telling: tuple[tuple[str, float], ...]
    model: tuple[tuple[str, Estimate], ...]

    @property
    def best_model(self) -> Estimate | None:
        """The model's highest AUROC."""
        return max((found for _, found in self.model), key=lambda e: e.value, default=None)

    @property
    def verdict(self) -> str:
        """In words: does the model tell more than metadata do?"""
        best, alone = self.best_model, self.metadata
        if best is None or alone is None:
            return "Can't be compared."
        if best.value <= alone.value:
            return "Metadata alone tell as much: the model may have learned how scans were made."
        if best.low is None or alone.high is None or best.low <= alone.high:
            return "The model is above metadata alone, but their intervals overlap."
        return "The model is above metadata alone by more than both intervals."


@dataclass(frozen=True, slots=True)
class AuditView:
    """What the audit found; `near` are confirmed and unconfirmed near-duplicate pairs."""

    pictures: int
    patients: int
    identical: int
    near: tuple[int, int]
    overruled: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    probes: tuple[ProbeRow, ...]


@dataclass(frozen=True)
class RunSummary:
    """Everything that the page shows; `curves` is a PNG, `config` text."""

    name: str
    version: str
    summary: str
    labels: tuple[str, ...]
    rows_are: str
    splits: tuple[SplitCount, ...]
    curves: bytes
    figures: tuple[TestFigure, ...]
    notes: tuple[str, ...]
    calibrations: tuple[CalibrationEntry, ...]
    points: tuple[OperatingPoint, ...]
    audit: AuditView
    seconds: tuple[tuple[str, float], ...]
    facts: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    config: str
    scored_before: tuple[str, ...] = ()
    """Earlier scorings of the test patients, in words."""


def render_run_summary(run: RunSummary) -> str:
    """Write the page as HTML; all text is escaped, the picture inlined, nothing is fetched."""
    total = sum(seconds for _, seconds in run.seconds)
    return render(
        "run_summary.html",
        run=run,
        picture=to_data_uri(run.curves),
        seconds=[(stage, say_seconds(seconds)) for stage, seconds in run.seconds],
        total=say_seconds(total),
        config_lines=run.config.splitlines(),
    )


def say_seconds(seconds: float) -> str:
    """A duration in words.

    >>> say_seconds(3.21), say_seconds(150), say_seconds(7260)
    ('3.2 s', '2 min 30 s', '2 h 1 min')
    """
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
