"""What an archive is like, in numbers: what the rules of `medrec configure` decide by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medrec.data.spread import Spread, spread_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.data.box_facts import BoxFacts
    from medrec.data.pixel_facts import Pixels
    from medrec.data.splits import Mode
    from medrec.domain.reference import Reference
    from medrec.domain.series import ImageHeader

_STRATA = (2, 6)


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
        columns_px=spread_of([columns for columns, _ in planes]),
        rows_px=spread_of([rows for _, rows in planes]),
        slices=spread_of(depths),
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
