"""What an archive is like, in numbers: what the rules of `medrec configure` decide by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from medrec.preprocess.films import has_bright_air, largest_body
from medrec.preprocess.foreground import bounding_box, foreground_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.data.box_facts import BoxFacts
    from medrec.data.splits import Mode
    from medrec.domain.reference import Reference
    from medrec.domain.series import ImageHeader
    from medrec.domain.volume import Float32Array, Volume

FOREGROUND_FRACTION = 0.1
_SEPARATE_SHARE = 0.0005
_STRATA = (2, 6)


@dataclass(frozen=True, slots=True)
class Spread:
    """The 5th, 50th and 95th percentile of something."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """None without values."""
        if not len(values):
            return None
        low, median, high = np.percentile(np.asarray(values, dtype=np.float64), (5, 50, 95))
        return cls(round(float(low), 4), round(float(median), 4), round(float(high), 4))

    def __str__(self) -> str:
        return f"{self.median:g} ({self.low:g} to {self.high:g})"


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """Known and unknown truths of one label, by row and by patient.

    A patient with any positive row is positive, one with known rows but no positive is negative.
    """

    positive_rows: int
    negative_rows: int
    unknown_rows: int
    positive_patients: int
    negative_patients: int
    unknown_patients: int

    @property
    def positive_share(self) -> float:
        """Share of positives among the known rows; 0 if none is known."""
        known = self.positive_rows + self.negative_rows
        return self.positive_rows / known if known else 0.0


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of whom: the manifest alone says it, no scan is opened."""

    rows: int
    patients: int
    rows_a_patient: Spread
    labels: Mapping[str, LabelCounts]
    exclusive: tuple[str, ...]
    """Labels of which every row has exactly one, and every file too; else empty."""
    granularity: Literal["slice", "scan"]
    """`slice` where rows name slices, `scan` where they speak of whole files."""
    strata: tuple[str, ...]
    """Attributes with few values, each held by five patients or more, one value a patient."""
    mode: Mode
    has_splits: bool
    learned_rows: int
    """Rows of the patients on whom the final network is fitted."""


@dataclass(frozen=True, slots=True)
class Scans:
    """What the headers say, of every scan; None where no header says it."""

    count: int
    kind: Literal["film", "volume"]
    columns_px: Spread
    rows_px: Spread
    slices: Spread
    spacing_mm: Spread | None
    spacing_is_true: bool
    """Every scan states the spacing in the patient."""
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]
    sequences: tuple[str, ...]
    views: tuple[str, ...]


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


@dataclass(frozen=True, slots=True)
class DetectorSpeeds:
    """Pictures that detectors learn from in a second, at `Machine.measured_px`.

    By head and finest stride. `volumes` a second is of the 3D detector, at `Machine.measured_box`;
    None where none may be chosen. `half_gain`: how many times as fast bf16 is; all speeds are those
    of the faster precision.
    """

    retina_8: float
    retina_4: float
    centre_4: float
    half_gain: float
    volumes: float | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """What trains, and how fast: `pictures_per_second` is measured at `measured_px`."""

    device: str
    memory_gb: float
    cores: int
    has_bf16: bool
    pictures_per_second: float
    measured_px: int
    measured_backbone: str
    volumes_per_second: float | None = None
    """Of the smallest 3D network; None unless scans are volumes with labels of the whole."""
    measured_box: tuple[int, int, int] = (32, 64, 64)
    """Depth, height and width at which `volumes_per_second` is measured."""
    detectors: DetectorSpeeds | None = None
    """None unless a detector is asked for."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """All of it. `lesions_px` is the side of a square as large as each lesion; None if unknown.

    `boxes` is None unless a detector is asked for.
    """

    truth: Truth
    scans: Scans
    pixels: Pixels
    lesions_px: Spread | None
    machine: Machine
    budget_minutes: float
    boxes: BoxFacts | None = None


def truth_of(references: Sequence[Reference], *, mode: Mode, learned_rows: int) -> Truth:
    """Count what a manifest says."""
    patients: dict[str, list[Reference]] = {}
    for row in references:
        patients.setdefault(row.patient, []).append(row)
    names = list(dict.fromkeys(str(label) for row in references for label in row.labels))
    by_slice = any(row.slice is not None for row in references)
    spread = Spread.of([len(rows) for rows in patients.values()])
    return Truth(
        rows=len(references),
        patients=len(patients),
        rows_a_patient=spread or Spread(0, 0, 0),
        labels={name: _counts(name, patients) for name in names},
        exclusive=_exclusive(references, names),
        granularity="slice" if by_slice else "scan",
        strata=_strata(patients),
        mode=mode,
        has_splits=all(row.split is not None for row in references),
        learned_rows=learned_rows,
    )


def _counts(name: str, patients: Mapping[str, Sequence[Reference]]) -> LabelCounts:
    by_patient = [
        [known for row in rows for label, known in row.labels.items() if label == name]
        for rows in patients.values()
    ]
    truths = [truth for own in by_patient for truth in own]
    states = [True if True in own else False if False in own else None for own in by_patient]
    return LabelCounts(
        *(truths.count(state) for state in (True, False, None)),
        *(states.count(state) for state in (True, False, None)),
    )


def _exclusive(references: Sequence[Reference], names: Sequence[str]) -> tuple[str, ...]:
    """All labels, where every row that knows them all has exactly one, and each occurs.

    No file has two, so that a volume has one class as its slices do.
    """
    if len(names) < 2:  # noqa: PLR2004
        return ()
    found: dict[str, set[str]] = {}
    for row in references:
        present = {str(label) for label, truth in row.labels.items() if truth}
        if not present and None not in row.labels.values():
            return ()
        found.setdefault(row.path, set()).update(present)
    if any(len(present) > 1 for present in found.values()):
        return ()
    return tuple(names) if set().union(*found.values()) == set(names) else ()


def _strata(patients: Mapping[str, Sequence[Reference]]) -> tuple[str, ...]:
    names = dict.fromkeys(name for rows in patients.values() for name in rows[0].attributes)
    return tuple(name for name in names if _is_stratum(name, patients))


def _is_stratum(name: str, patients: Mapping[str, Sequence[Reference]]) -> bool:
    values = [{row.attributes.get(name, "") for row in rows} for rows in patients.values()]
    if any(len(own) != 1 or "" in own for own in values):
        return False
    firsts = [next(iter(own)) for own in values]
    counts = [firsts.count(value) for value in set(firsts)]
    return _STRATA[0] <= len(counts) <= _STRATA[1] and min(counts) >= 5  # noqa: PLR2004


def scans_of(scans: Sequence[Sequence[ImageHeader]]) -> Scans:
    """Sum up the headers of each scan: one header a file, several of a DICOM series.

    Raises:
        ValueError: No scans.
    """
    if not scans:
        message = "there are no scans to sum up"
        raise ValueError(message)
    firsts = [headers[0] for headers in scans]
    depths = [
        len(headers) if len(headers) > 1 else (headers[0].slice_count or headers[0].shape[2])
        for headers in scans
    ]
    planes = [_plane(header) for header in firsts]
    stated = [header.spacing for header in firsts if header.spacing is not None]
    return Scans(
        count=len(scans),
        kind="volume" if float(np.median(depths)) > 1 else "film",
        columns_px=_spread([columns for columns, _ in planes]),
        rows_px=_spread([rows for _, rows in planes]),
        slices=_spread(depths),
        spacing_mm=Spread.of([one.x_mm for one in stated]),
        spacing_is_true=len(stated) == len(firsts) and all(one.is_of_patient for one in stated),
        modalities=_words(header.modality for header in firsts),
        body_parts=_words(header.body_part for header in firsts),
        sequences=_words(header.sequence for header in firsts),
        views=_words(header.view_position for header in firsts),
    )


def _plane(header: ImageHeader) -> tuple[int, int]:
    """Columns and rows of a slice; of a NIfTI volume the two axes beside the slice axis."""
    if header.slice_count and header.slice_count in header.shape:
        sides = list(header.shape)
        sides.remove(header.slice_count)
        return sides[0], sides[1]
    return header.shape[0], header.shape[1]


def _words(values: object) -> tuple[str, ...]:
    return tuple(sorted({str(value) for value in values if value is not None}))  # type: ignore[attr-defined]


def _spread(values: Sequence[float]) -> Spread:
    found = Spread.of(values)
    if found is None:
        message = "nothing was measured"
        raise ValueError(message)
    return found


def look_at(volume: Volume) -> PixelFacts | None:
    """Measure one decoded scan (its middle slice, where it has several); None if it is blank."""
    picture = volume.slice_px(volume.slice_count // 2)
    mask = foreground_of(picture, fraction=FOREGROUND_FRACTION)
    if mask is None or not mask.any():
        return None
    facts = _facts(picture, mask, is_film=volume.slice_count == 1)
    if volume.slice_count == 1:
        return facts
    return replace(facts, depth_share=_depth(volume) / facts.box_long_px)


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
        box_long_px=_spread([one.box_long_px for one in facts]),
        box_share=_spread([one.box_share for one in facts]),
        foreground_share=_spread([one.foreground_share for one in facts]),
        inverted_share=sum(one.is_inverted for one in facts) / len(facts),
        separate_share=sum(one.separate_share > _SEPARATE_SHARE for one in facts) / len(facts),
        saturated_share=_spread([one.saturated_share for one in facts]),
        lowest=_spread([one.percentiles[0] for one in facts]),
        middle=_spread([one.percentiles[1] for one in facts]),
        highest=_spread([one.percentiles[2] for one in facts]),
        depth_share=Spread.of([one.depth_share for one in facts if one.depth_share is not None]),
    )
