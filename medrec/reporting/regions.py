"""What a case page says of the regions that a detector found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medrec.domain.finding import CaseStatus, Decision, Finding, Region

if TYPE_CHECKING:
    from medrec.domain.box import Box
    from medrec.domain.finding import CasePrediction, RawRegion

MOST_ROWS = 20
_LIKELY = 0.5
MOST_SCORES = 3
"""Regions with scores alone have no threshold: so many are shown."""


@dataclass(frozen=True, slots=True)
class RegionRow:
    """A region in words; `value` is its probability, or its score."""

    value: float
    what: str
    slice: int | None
    place: str
    millimetres: str


@dataclass(frozen=True, slots=True)
class RegionsView:
    """The regions that reach the operating point, how many don't, and whether none does.

    `is_flagged_without` says that the exam is flagged though no region reaches its threshold.
    """

    rows: tuple[RegionRow, ...]
    left_out: int
    has_probabilities: bool
    threshold: float | None
    is_flagged_without: bool


def shown_regions(prediction: CasePrediction) -> tuple[Region | RawRegion, ...]:
    """Those that reach the exam's threshold, or 0.5 without one; of bare scores the highest."""
    found = prediction.regions
    if not any(isinstance(region, Region) for region in found):
        return found[:MOST_SCORES]
    asked = _threshold(prediction)
    limit = _LIKELY if asked is None else asked
    return tuple(
        region for region in found if isinstance(region, Region) and region.probability >= limit
    )


def on_slice(prediction: CasePrediction, number: int, source: str) -> list[tuple[Box, float]]:
    """The boxes of shown regions on a slice of a file, and their probabilities or scores."""
    place = (number, source)
    here = (
        region
        for region in shown_regions(prediction)
        if not region.box_px.is_flat or (region.slice or 0, region.source) == place
    )
    cuts = ((region.box_px.on_slice(number), _value(region)) for region in here)
    return [(box, value) for box, value in cuts if box is not None]


def read_regions(prediction: CasePrediction) -> RegionsView | None:
    """What the page shows; None for a case that wasn't scored."""
    if prediction.status is not CaseStatus.SCORED:
        return None
    shown = shown_regions(prediction)
    return RegionsView(
        rows=tuple(_row(region) for region in shown[:MOST_ROWS]),
        left_out=len(prediction.regions) - min(len(shown), MOST_ROWS),
        has_probabilities=any(isinstance(region, Region) for region in prediction.regions),
        threshold=_threshold(prediction),
        is_flagged_without=prediction.decision is Decision.FLAG and not shown,
    )


def _threshold(prediction: CasePrediction) -> float | None:
    first = prediction.findings[0]
    return first.threshold if isinstance(first, Finding) else None


def _value(region: Region | RawRegion) -> float:
    return region.probability if isinstance(region, Region) else region.score


def region_words(region: Region | RawRegion) -> str:
    """What a region is called, and its probability or score."""
    name = "probability" if isinstance(region, Region) else "score"
    return f"{_what(region)}, {name} {_value(region):.2f}"


def _what(region: Region | RawRegion) -> str:
    kind = region.attributes.get("type")
    return f"{region.label} ({kind})" if kind else str(region.label)


def _row(region: Region | RawRegion) -> RegionRow:
    box, place = region.box_px, region.box_mm
    depth = "" if box.z0 is None or box.z1 is None else f", slices {box.z0:.0f} to {box.z1 - 1:.0f}"
    return RegionRow(
        value=_value(region),
        what=_what(region),
        slice=region.slice,
        place=f"x {box.x0:.0f} to {box.x1:.0f}, y {box.y0:.0f} to {box.y1:.0f}{depth}",
        millimetres=""
        if place is None
        else "; ".join(
            f"{axis} {low:.1f} to {high:.1f}"
            for axis, low, high in zip("LPS", place.low, place.high, strict=True)
        ),
    )
