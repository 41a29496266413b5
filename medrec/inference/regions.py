"""Boxes that a detector found as regions of a prediction."""

from __future__ import annotations

from dataclasses import fields
from itertools import groupby
from typing import TYPE_CHECKING

from scipy.special import expit

from medrec.calibration.prevalence import shift_prevalence
from medrec.domain.box import to_mm
from medrec.domain.finding import Label, RawRegion, Region
from medrec.domain.reference import TYPE
from medrec.inference.findings import known_prevalence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.volume import Volume
    from medrec.inference.predictor import FoundBox
    from medrec.package.package import ModelPackage

LEAST_PROBABILITY = 0.01
MOST_OF_IMAGE, MOST_OF_CASE = 50, 200


def to_regions(
    package: ModelPackage,
    boxes: Sequence[FoundBox],
    volume: Volume,
    *,
    prevalence: float | None = None,
) -> tuple[Region | RawRegion, ...]:
    """Regions of one series, the likeliest first; what is less likely than 1 % is left out.

    Without calibrators of boxes they have scores, and all of them are kept, up to the same numbers:
    50 an image, 200 a case. `prevalence` shifts those of the primary label as it does the exam's
    finding, see `to_findings`.
    """
    ranked = sorted(boxes, key=lambda one: (one.slice, -one.log_odds))
    kept = [
        one
        for _, own in groupby(ranked, key=lambda one: one.slice)
        for one in list(own)[:MOST_OF_IMAGE]
    ]
    regions = [_to_region(package, one, volume, prevalence) for one in kept]
    shown = [r for r in regions if isinstance(r, RawRegion) or r.probability >= LEAST_PROBABILITY]
    return highest(shown)


def highest(regions: Sequence[Region | RawRegion]) -> tuple[Region | RawRegion, ...]:
    """The 200 likeliest regions of a case."""
    return tuple(sorted(regions, key=rank_of)[:MOST_OF_CASE])


def rank_of(region: Region | RawRegion) -> float:
    """Lower is likelier."""
    return -(region.probability if isinstance(region, Region) else region.score)


def _to_region(
    package: ModelPackage, one: FoundBox, volume: Volume, prevalence: float | None
) -> Region | RawRegion:
    manifest = package.manifest
    label = Label(manifest.labels[one.label])
    name = package.box_classes[one.kind]
    place = None
    if volume.geometry is not None:
        place = to_mm(
            one.box, volume.geometry, slice_axis=volume.slice_axis, slice_number=one.slice
        )
    raw = RawRegion(
        label=label,
        score=one.score,
        source=volume.slice_sources[one.slice],
        box_px=one.box,
        slice=one.slice,
        box_mm=place,
        attributes={} if name == label else {TYPE: name},
    )
    if not package.box_calibrations:
        return raw
    facts = {field.name: getattr(raw, field.name) for field in fields(raw)}
    probability = float(expit(one.log_odds))
    if prevalence is not None and label == manifest.primary_label:
        known = known_prevalence(package, "exam") or prevalence
        probability = shift_prevalence(probability, known=known, wanted=prevalence)
    return Region(probability=probability, **facts)
