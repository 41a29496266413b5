"""What a case page says of the regions that a detector found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.box import to_mm
from medrec.domain.finding import CaseStatus, Decision, Finding, Region
from medrec.domain.reference import TYPE

if TYPE_CHECKING:
    from medrec.domain.box import Box
    from medrec.domain.finding import CasePrediction, Label, RawRegion
    from medrec.domain.volume import Volume

MOST_ROWS = 20
_LIKELY = 0.5
_SAME_MM = 0.01
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
    """The regions that reach the operating point of their label, and how many don't.

    `is_flagged_without` says that the exam is flagged though no region of the label that it is
    flagged by reaches that label's threshold.
    """

    rows: tuple[RegionRow, ...]
    left_out: int
    has_probabilities: bool
    is_flagged_without: bool


def shown_regions(prediction: CasePrediction) -> tuple[Region | RawRegion, ...]:
    """Those that reach the exam's threshold of their label, or 0.5 without one.

    Of bare scores the highest.
    """
    found = prediction.regions
    if not any(isinstance(region, Region) for region in found):
        return found[:MOST_SCORES]
    return tuple(
        region
        for region in found
        if isinstance(region, Region) and region.probability >= _limit(prediction, region.label)
    )


def lies_in(region: Region | RawRegion, volume: Volume) -> bool:
    """Whether a region was found in this one of a case's volumes.

    Two stacks may lie in one file: then the place in the patient tells which of them it is.
    """
    number = region.slice or 0
    if number >= volume.slice_count or volume.slice_sources[number] != region.source:
        return False
    if region.box_mm is None or volume.geometry is None:
        return True
    own = to_mm(region.box_px, volume.geometry, slice_axis=volume.slice_axis, slice_number=number)
    here = (*region.box_mm.low, *region.box_mm.high)
    return bool(np.allclose(here, (*own.low, *own.high), rtol=0, atol=_SAME_MM))


def on_slice(prediction: CasePrediction, number: int, volume: Volume) -> list[tuple[Box, float]]:
    """The boxes of shown regions on a slice of a volume, and their probabilities or scores.

    A case may have several volumes: boxes of the others say nothing of this one's pixels.
    """
    here = (
        region
        for region in shown_regions(prediction)
        if lies_in(region, volume) and (not region.box_px.is_flat or (region.slice or 0) == number)
    )
    cuts = ((region.box_px.on_slice(number), _value(region)) for region in here)
    return [(box, value) for box, value in cuts if box is not None]


def read_regions(prediction: CasePrediction) -> RegionsView | None:
    """What the page shows; None for a case that wasn't scored."""
    if prediction.status is not CaseStatus.SCORED:
        return None
    shown = shown_regions(prediction)
    primary = prediction.findings[0].label
    of_primary = [region for region in shown if region.label == primary]
    return RegionsView(
        rows=tuple(_row(region) for region in shown[:MOST_ROWS]),
        left_out=len(prediction.regions) - min(len(shown), MOST_ROWS),
        has_probabilities=any(isinstance(region, Region) for region in prediction.regions),
        is_flagged_without=prediction.decision is Decision.FLAG and not of_primary,
    )


def _limit(prediction: CasePrediction, label: Label) -> float:
    """From which probability on regions of a label are shown."""
    found = prediction.finding(label)
    asked = found.threshold if isinstance(found, Finding) else None
    return _LIKELY if asked is None else asked


def _value(region: Region | RawRegion) -> float:
    return region.probability if isinstance(region, Region) else region.score


def region_words(region: Region | RawRegion) -> str:
    """What a region is called, and its probability or score."""
    name = "probability" if isinstance(region, Region) else "score"
    return f"{_what(region)}, {name} {_value(region):.2f}"


def _what(region: Region | RawRegion) -> str:
    kind = region.attributes.get(TYPE)
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
