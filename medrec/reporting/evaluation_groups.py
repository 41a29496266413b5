"""What the evaluation page shows of classes that exclude each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medrec.reporting.definitions import GROUP_FIGURES
from medrec.reporting.evaluation_view import FigureRow, Plate, reliability_plate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medrec.domain.finding import Label
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.result import GroupResult, LabelResult

_SHADES = 5


@dataclass(frozen=True, slots=True)
class Cell:
    """Exams of one class that were given to one; `share` is that of the class's exams.

    `shade` is 0 to 5, the darker the more; `is_right` marks those that were given to their own.
    """

    count: int
    share: float | None
    is_right: bool

    @property
    def shade(self) -> int:
        """A step for the eye; the cell's number says the same."""
        return 0 if not self.share else max(1, round(self.share * _SHADES))


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class: its row of the confusion, and how it is told from the rest."""

    label: str
    cells: tuple[Cell, ...]
    n: int
    auroc: Estimate | None
    ece: Estimate | None


@dataclass(frozen=True)
class GroupView:
    """Classes that exclude each other, of which each exam has one."""

    labels: tuple[str, ...]
    n: int
    patients: int
    unknown: int
    classes: tuple[ClassRow, ...]
    figures: tuple[FigureRow, ...]
    plates: tuple[Plate, ...]


def to_group_view(
    group: GroupResult, labels: Mapping[Label, LabelResult], number: int
) -> GroupView:
    """Put a group into words; `number` counts the groups from 0 and names the chart's file."""
    pairs = [(key, getattr(group, key)) for key in GROUP_FIGURES]
    name = f"exclusive-{number + 1}_reliability"
    plate = reliability_plate(
        group.top_reliability,
        name=name,
        title="Reliability of the likeliest class",
        observed="share in which it was the true one",
        ece=group.top_ece,
        ece_if_calibrated=group.top_ece_if_calibrated,
    )
    return GroupView(
        labels=tuple(map(str, group.labels)),
        n=group.n,
        patients=group.patients,
        unknown=group.unknown,
        classes=tuple(
            _class_row(group, place, labels.get(label)) for place, label in enumerate(group.labels)
        ),
        figures=tuple(FigureRow(key, found) for key, found in pairs if found is not None),
        plates=(plate,) if group.top_reliability else (),
    )


def _class_row(group: GroupResult, place: int, found: LabelResult | None) -> ClassRow:
    counts = group.confusion[place]
    total = sum(counts)
    figures = found.exam.figures if found else None
    return ClassRow(
        label=str(group.labels[place]),
        cells=tuple(
            Cell(count, count / total if total else None, is_right=column == place)
            for column, count in enumerate(counts)
        ),
        n=total,
        auroc=figures.headline_auroc if figures else None,
        ece=figures.ece if figures else None,
    )
