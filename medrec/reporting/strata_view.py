"""The table of strata on the evaluation page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.result import Stratum


@dataclass(frozen=True, slots=True)
class StratumRow:
    """A label in one stratum; an estimate that can't be had is None."""

    attribute: str
    value: str
    label: str
    n: int
    positives: int
    estimates: tuple[Estimate | None, ...]


def stratum_columns(strata: Sequence[Stratum], point: str | None) -> tuple[str, ...]:
    """Headings; `point` is the operating point that is shown, None where there is none."""
    return (
        *("attribute", "value", "label", "n", "positives", "AUROC"),
        *((f"sensitivity ({point})", f"specificity ({point})") if point else ()),
        *(("CPM of boxes",) if _has_boxes(strata) else ()),
    )


def to_stratum_rows(strata: Sequence[Stratum], point: str | None) -> tuple[StratumRow, ...]:
    """A row for each label of each stratum, under `stratum_columns`."""
    has_boxes = _has_boxes(strata)
    return tuple(row for stratum in strata for row in _rows(stratum, point, has_boxes=has_boxes))


def _has_boxes(strata: Sequence[Stratum]) -> bool:
    return any(stratum.boxes for stratum in strata)


def _rows(stratum: Stratum, point: str | None, *, has_boxes: bool) -> Iterator[StratumRow]:
    for label in dict.fromkeys([*stratum.labels, *stratum.boxes]):
        level, drawn = stratum.labels.get(label), stratum.boxes.get(label)
        estimates: list[Estimate | None] = [level.figures.headline_auroc if level else None]
        if point is not None:
            at = level.operating_points.get(point) if level else None
            estimates += [at.sensitivity, at.specificity] if at else [None, None]
        if has_boxes:
            estimates.append(drawn.froc.cpm if drawn and drawn.froc else None)
        # Of lesions without exams of their own: the images that they were looked for on.
        n = level.n if level else drawn.images if drawn else 0
        positives = level.positives if level else drawn.lesions if drawn else 0
        yield StratumRow(stratum.column, stratum.value, label, n, positives, tuple(estimates))
