"""What a case page says of the regions that a detector found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logit

from medrec.domain.box import Box, BoxMm, to_mm
from medrec.domain.finding import CaseStatus, Decision, Finding, RawRegion, Region
from medrec.domain.reference import TYPE
from medrec.evaluation.joining import box_around, join_slices
from medrec.evaluation.overlap import to_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.finding import CasePrediction, Label
    from medrec.domain.volume import Volume

MOST_ROWS = 20
_LIKELY = 0.5
_SAME_MM = 0.01
_TINY = 1e-9
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


@dataclass(frozen=True, slots=True)
class ShownRegion:
    """A region as a page shows it: boxes of neighbouring slices that are of one lesion are one.

    `whole` has the box around all `parts`, as likely as the likeliest of them, which comes first.
    """

    whole: Region | RawRegion
    parts: tuple[Region | RawRegion, ...]


def shown_lesions(prediction: CasePrediction) -> tuple[ShownRegion, ...]:
    """The shown regions, those of neighbouring slices joined as `join_slices` joins them.

    Where several series were judged, regions of which nobody knows whose they are stay alone.
    """
    shown = shown_regions(prediction)
    flat = [region for region in shown if _may_go_on(region, prediction)]
    kinds = {key: n for n, key in enumerate(dict.fromkeys(map(_kind, flat)))}
    joined = join_slices(
        to_array([region.box_px for region in flat]),
        np.array([region.slice for region in flat], dtype=np.int64),
        np.array([_log_odds(region) for region in flat]),
        np.array([kinds[_kind(region)] for region in flat], dtype=np.int64),
    )
    lesions = [_joined([flat[row] for row in rows]) for rows in joined]
    others = [
        ShownRegion(region, (region,)) for region in shown if not _may_go_on(region, prediction)
    ]
    return tuple(sorted([*lesions, *others], key=lambda one: -_log_odds(one.whole)))


def _may_go_on(region: Region | RawRegion, prediction: CasePrediction) -> bool:
    """Whether a region lies on one slice, of a series that is known."""
    judged = [one.source for one in prediction.judged_series]
    is_told = prediction.series is None or judged.count(region.series or "") == 1
    return region.box_px.is_flat and region.slice is not None and is_told


def _kind(region: Region | RawRegion) -> tuple[Label, str | None]:
    """What boxes of one lesion share; types may differ from slice to slice."""
    return region.label, region.series


def _joined(parts: Sequence[Region | RawRegion]) -> ShownRegion:
    """One region around boxes of slices, likeliest first."""
    first = parts[0]
    if len(parts) == 1:
        return ShownRegion(first, (first,))
    (x0, y0, x1, y1), (z0, z1) = box_around(
        to_array([part.box_px for part in parts]),
        np.array([part.slice for part in parts], dtype=np.int64),
        np.array([_log_odds(part) for part in parts]),
    )
    inside = [part for part in parts if part.slice is not None and z0 <= part.slice < z1]
    whole = replace(
        first, box_px=Box(x0, y0, x1, y1, float(z0), float(z1)), box_mm=_around_mm(inside)
    )
    return ShownRegion(whole, tuple(parts))


def _around_mm(parts: Sequence[Region | RawRegion]) -> BoxMm | None:
    places = [part.box_mm for part in parts if part.box_mm is not None]
    if len(places) < len(parts):
        return None
    low = np.min([place.low for place in places], axis=0).tolist()
    high = np.max([place.high for place in places], axis=0).tolist()
    return BoxMm((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def _log_odds(region: Region | RawRegion) -> float:
    """What regions are ranked by: of a probability its own log-odds, else the score."""
    if isinstance(region, RawRegion):
        return region.score
    return float(logit(np.clip(region.probability, _TINY, 1 - _TINY)))


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
    shown = shown_lesions(prediction)
    primary = prediction.findings[0].label
    of_primary = [one for one in shown if one.whole.label == primary]
    return RegionsView(
        rows=tuple(_row(one.whole) for one in shown[:MOST_ROWS]),
        left_out=len(prediction.regions) - sum(len(one.parts) for one in shown[:MOST_ROWS]),
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
