"""Files on disk, and how they belong together: images make a series, series make a case."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from medrec.domain.codes import Note, Reason
from medrec.domain.ids import CaseId, PatientKey
from medrec.domain.modality import FileFormat, Modality, Sequence
from medrec.domain.spacing import PixelSpacing


@dataclass(frozen=True, slots=True)
class FrameStack:
    """Those frames of a multi-frame image that make one stack; `frames` count from 0 as stored."""

    frames: tuple[int, ...]
    position_lps_mm: tuple[float, float, float] | None = None
    orientation: tuple[float, float, float, float, float, float] | None = None
    echo_time_ms: float | None = None
    temporal_position: int | None = None
    b_value: float | None = None
    image_type: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What one file says of itself, before a pixel is decoded.

    `stamp` is the file's bytes and its time of change in ns when the header was read, by which a
    file that changes afterwards is found out.

    An absent fact is None (unknown), never a mismatch. `source` is the path relative to the scanned
    folder, in POSIX form. `shape` is (columns, rows, frames) for DICOM and rasters, and the stored
    (i, j, k) for NIfTI. `position_lps_mm` is ImagePositionPatient (x, y, z) and `orientation` is
    ImageOrientationPatient's six cosines. `identity` is what a case is hashed from: the
    StudyInstanceUID, or the SHA-256 of the file's content. `patient_id` is held for grouping alone
    and is never written. `b_value` is in s/mm². `patient_orientation` names the ways of a row and
    of a column (L, R, A, P, H, F). `stacks` are those of a multi-frame file that holds several; a
    header that stands for one of them has its `frames`, None means all. `image_type`
    holds the values of ImageType in upper case; empty if unknown. `slice_count` is set where the
    file alone is a volume whose slice axis is known.
    """

    path: Path
    source: str
    format: FileFormat
    identity: str
    shape: tuple[int, int, int]
    stamp: tuple[int, int] | None = None
    modality: Modality | None = None
    sequence: Sequence | None = None
    body_part: str | None = None
    view_position: str | None = None
    laterality: str | None = None
    study_uid: str | None = None
    series_uid: str | None = None
    sop_uid: str | None = None
    patient_id: str | None = field(default=None, repr=False)
    series_description: str | None = field(default=None, repr=False)
    is_localizer: bool = False
    position_lps_mm: tuple[float, float, float] | None = None
    orientation: tuple[float, float, float, float, float, float] | None = None
    instance_number: int | None = None
    manufacturer: str | None = None
    photometric_interpretation: str | None = None
    window: tuple[float, float] | None = None
    notes: tuple[Note, ...] = ()
    echo_number: int | None = None
    echo_time_ms: float | None = None
    temporal_position: int | None = None
    acquisition_number: int | None = None
    image_type: tuple[str, ...] = ()
    b_value: float | None = None
    gradient_direction: tuple[float, float, float] | None = None
    spacing: PixelSpacing | None = None
    patient_orientation: tuple[str, ...] = ()
    is_for_processing: bool = False
    stacks: tuple[FrameStack, ...] = ()
    frames: tuple[int, ...] | None = None
    protocol_name: str | None = field(default=None, repr=False)
    repetition_time_ms: float | None = None
    inversion_time_ms: float | None = None
    has_contrast_agent: bool | None = None
    slice_count: int | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Images that were acquired as one; a NIfTI, PNG or JPEG file is a series of its own.

    Raises:
        ValueError: No header, or headers of several formats.
    """

    headers: tuple[ImageHeader, ...]

    def __post_init__(self) -> None:
        if len({header.format for header in self.headers}) != 1:
            message = "a series holds at least one image, all of one format"
            raise ValueError(message)

    @property
    def first(self) -> ImageHeader:
        """The header that speaks for the series."""
        return self.headers[0]

    @property
    def sources(self) -> tuple[str, ...]:
        """The files of the series, relative to the scanned folder."""
        return tuple(header.source for header in self.headers)


@dataclass(frozen=True, slots=True)
class Case:
    """What gets one answer: a DICOM study, a NIfTI file, a PNG or a JPEG file.

    `left_out` are series that were set aside before any model was asked (a localizer), each with
    its reason. `source` is the first file's path relative to the scanned folder.
    """

    id: CaseId
    patient_key: PatientKey | None
    source: str
    series: tuple[Series, ...]
    left_out: tuple[tuple[Series, Reason], ...] = ()


class FileStatus(StrEnum):
    """How a file ended; every file of a folder ends in exactly one."""

    SCORED = "scored"
    DEIDENTIFIED = "deidentified"
    REFUSED = "refused"
    FAILED = "failed"
    SKIPPED = "skipped"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One row of `files.csv`. `code` and `detail` are empty for a scored file."""

    path: str
    status: FileStatus
    case_id: CaseId | None = None
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ScanIndex:
    """All that a folder holds: the cases to judge, and the files that belong to none.

    Both are sorted by path, have a length and can be gone through again; they may lie on disk.
    """

    cases: Collection[Case]
    records: Collection[FileRecord]
