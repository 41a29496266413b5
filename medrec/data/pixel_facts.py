"""What the pixels of scans are like, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from medrec.data.spread import Spread, spread_of
from medrec.preprocess.films import has_bright_air, largest_body
from medrec.preprocess.foreground import bounding_box, foreground_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.volume import Float32Array, Volume

FOREGROUND_FRACTION = 0.1
_SEPARATE_SHARE = 0.0005
_DIFFERENT = 1.1


@dataclass(frozen=True, slots=True)
class PixelFacts:
    """What one decoded scan shows; shares in [0, 1]."""

    box_long_px: float
    """The longer side of the foreground's box."""
    box_share: float
    """Share of the picture that the box covers."""
    foreground_share: float
    is_inverted: bool
    separate_share: float
    """Share of the picture that is foreground apart from its largest piece: markers, labels."""
    saturated_share: float
    """Share of the foreground at the highest value."""
    percentiles: tuple[float, float, float]
    """The 0.5th, 50th and 99.5th."""
    depth_share: float | None = None
    """Depth of the stack over the longer side of the body, in mm; None of a film."""
    plane_mm: float | None = None
    """Spacing in the plane of the slices; this and what follows is None where no file says it."""
    thickness_mm: float | None = None
    """Spacing between slices."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """What a seeded sample of decoded scans shows."""

    sampled: int
    box_long_px: Spread
    box_share: Spread
    foreground_share: Spread
    inverted_share: float
    separate_share: float
    """Share of films on which something stands apart from the body."""
    saturated_share: Spread
    lowest: Spread
    middle: Spread
    highest: Spread
    depth_share: Spread | None = None
    """Depth of a stack over the longer side of the body, in mm; None of films."""
    plane_mm: Spread | None = None
    """Spacing in the plane of slices; None unless every volume of the sample says it."""
    thickness_mm: Spread | None = None
    """Spacing between slices."""
    body_mm: Spread | None = None
    """The longer side of the foreground's box."""

    @property
    def voxels_differ(self) -> bool:
        """Whether scans have voxels of different size: one size for all is often a placeholder."""
        spreads = [one for one in (self.plane_mm, self.thickness_mm) if one is not None]
        return any(one.high > _DIFFERENT * one.low for one in spreads)


def look_at(volume: Volume) -> PixelFacts | None:
    """Measure one decoded scan (its middle slice, where it has several); None if it is blank."""
    picture = volume.slice_px(volume.slice_count // 2)
    mask = foreground_of(picture, fraction=FOREGROUND_FRACTION)
    if mask is None or not mask.any():
        return None
    facts = _facts(picture, mask, is_film=volume.slice_count == 1)
    if volume.slice_count == 1:
        return facts
    facts = replace(facts, depth_share=_depth(volume) / facts.box_long_px)
    if volume.geometry is None:
        return facts
    spacing = list(volume.geometry.spacing_mm)
    thickness = spacing.pop(volume.slice_axis)
    return replace(facts, plane_mm=min(spacing), thickness_mm=thickness)


def _depth(volume: Volume) -> float:
    """Depth of the stack, in pixels of a slice."""
    if volume.geometry is None:
        return float(volume.slice_count)
    spacing = list(volume.geometry.spacing_mm)
    thickness = spacing.pop(volume.slice_axis)
    return volume.slice_count * thickness / min(spacing)


def _facts(picture: Float32Array, mask: np.ndarray, *, is_film: bool) -> PixelFacts:
    (left, right), (top, bottom) = bounding_box(mask[np.newaxis])
    low, middle, high = (float(value) for value in np.percentile(picture, (0.5, 50, 99.5)))
    inside = picture[mask]
    apart = float((mask & ~largest_body(mask)).mean()) if is_film else 0.0
    return PixelFacts(
        box_long_px=float(max(right - left, bottom - top)),
        box_share=(right - left) * (bottom - top) / picture.size,
        foreground_share=float(mask.mean()),
        is_inverted=is_film and has_bright_air(picture),
        separate_share=apart,
        saturated_share=float((inside == inside.max()).mean()),
        percentiles=(low, middle, high),
    )


def pixels_of(facts: Sequence[PixelFacts]) -> Pixels:
    """Sum up what a sample of scans shows.

    Raises:
        ValueError: No scans.
    """
    return Pixels(
        sampled=len(facts),
        box_long_px=spread_of([one.box_long_px for one in facts]),
        box_share=spread_of([one.box_share for one in facts]),
        foreground_share=spread_of([one.foreground_share for one in facts]),
        inverted_share=sum(one.is_inverted for one in facts) / len(facts),
        separate_share=sum(one.separate_share > _SEPARATE_SHARE for one in facts) / len(facts),
        saturated_share=spread_of([one.saturated_share for one in facts]),
        lowest=spread_of([one.percentiles[0] for one in facts]),
        middle=spread_of([one.percentiles[1] for one in facts]),
        highest=spread_of([one.percentiles[2] for one in facts]),
        depth_share=Spread.of([one.depth_share for one in facts if one.depth_share is not None]),
        plane_mm=_of_all([one.plane_mm for one in facts]),
        thickness_mm=_of_all([one.thickness_mm for one in facts]),
        body_mm=_of_all([one.plane_mm and one.plane_mm * one.box_long_px for one in facts]),
    )


def _of_all(values: Sequence[float | None]) -> Spread | None:
    """None where one is unknown."""
    known = [one for one in values if one is not None]
    return Spread.of(known) if len(known) == len(values) else None
