"""Why a file or case was not scored, and what is worth knowing of one that was.

The codes are public: they stand in `files.csv`, `predictions.jsonl` and reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReasonCode(StrEnum):
    """Why a file or case was refused, failed or skipped."""

    NOT_AN_IMAGE = "not_an_image"
    NOT_DICOM = "not_dicom"
    NOT_NIFTI = "not_nifti"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    SIZE_MISMATCH = "size_mismatch"
    INFLATE_LIMIT = "inflate_limit"
    NESTING = "nesting"
    BAD_UID = "bad_uid"
    MALFORMED = "malformed"
    DECODE_ERROR = "decode_error"
    DECODER_CRASHED = "decoder_crashed"
    UNSUPPORTED_SYNTAX = "unsupported_syntax"
    UNSUPPORTED_DTYPE = "unsupported_dtype"
    BLANK_IMAGE = "blank_image"
    BAD_GEOMETRY = "bad_geometry"
    BAD_RESCALE = "bad_rescale"
    NON_FINITE = "non_finite"
    GAP = "gap"
    DUPLICATE_POSITION = "duplicate_position"
    VARIABLE_SPACING = "variable_spacing"
    TILT = "tilt"
    MIXED_ORIENTATION = "mixed_orientation"
    LOCALIZER = "localizer"
    NOT_SELECTED = "not_selected"
    UID_CONFLICT = "uid_conflict"
    OUT_OF_SCOPE = "out_of_scope"
    OUT_OF_DISTRIBUTION = "out_of_distribution"
    IDENTIFIABLE = "identifiable"
    UNSAFE_ARCHIVE = "unsafe_archive"
    ARCHIVE_LIMIT = "archive_limit"
    IO = "io"
    TIMEOUT = "timeout"


class NoteCode(StrEnum):
    """What a reader of a scored case should know."""

    NO_PREAMBLE = "no_preamble"
    EXECUTABLE_PREAMBLE = "executable_preamble"
    SYNTAX_MISMATCH = "syntax_mismatch"
    CHARSET = "charset"
    NO_ORIENTATION = "no_orientation"
    MODALITY_ASSUMED = "modality_assumed"
    SEQUENCE_ASSUMED = "sequence_assumed"
    POLARITY_NORMALISED = "polarity_normalised"
    NO_PHYSICAL_SIZE = "no_physical_size"
    BURNED_IN_ANNOTATION = "burned_in_annotation"
    PARTLY_JUDGED = "partly_judged"
    DOMAIN_SHIFT = "domain_shift"
    EXAM_LEVEL_SURROGATE = "exam_level_surrogate"


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason code with its evidence in words."""

    code: ReasonCode
    detail: str


@dataclass(frozen=True, slots=True)
class Note:
    """A note code with its evidence in words."""

    code: NoteCode
    detail: str
