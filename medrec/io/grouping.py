"""Put images together: files of a study make a case, images acquired as one make a series."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from medrec.domain.codes import Reason, ReasonCode
from medrec.domain.ids import to_case_id
from medrec.domain.modality import PROJECTIONS, FileFormat, Modality
from medrec.domain.series import Case, FileRecord, FileStatus, ScanIndex, Series
from medrec.io.digest import dataset_digest
from medrec.io.image_type import kind_of
from medrec.io.repeats import part_by_orientation, part_repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from pathlib import Path

    from medrec.domain.ids import CaseId, PatientKey
    from medrec.domain.series import FrameStack, ImageHeader
    from medrec.io.repeats import Place

_STACKED = {Modality.MR, Modality.CT, Modality.PT, Modality.NM}
_LOCALIZER = Reason(ReasonCode.LOCALIZER, "a localizer is for planning, not for reading")
_RAW_TWIN = Reason(
    ReasonCode.NOT_SELECTED,
    "raw detector values (FOR PROCESSING); the study holds the same view FOR PRESENTATION",
)
# What tells the repeats of a stack apart, tried in this order where places repeat.
_REPEAT_KEYS: tuple[Callable[[ImageHeader], Hashable], ...] = (
    lambda header: header.acquisition_number,
    lambda header: header.gradient_direction,
    lambda header: header.image_type,
)
SAME_AS = "same as "
"""How the row of a copy names its original."""


def group(
    headers: Iterable[ImageHeader],
    *,
    patient_key: Callable[[str], PatientKey],
    digest: Callable[[Path], str] = dataset_digest,
) -> ScanIndex:
    """Group headers into cases; the order in which they come doesn't matter.

    `digest` tells copies of a DICOM file from other images under the same SOPInstanceUID; it is
    asked only where UIDs collide. Two patients under one StudyInstanceUID are two cases.
    """
    ordered = sorted(headers, key=lambda header: header.source)
    kept, copies, records = _without_copies(ordered, digest)
    cases = sorted(_cases(kept, patient_key), key=lambda case: case.source)
    case_of = {source: case.id for case in cases for source in _sources(case)}
    records += [_copy_record(copy, original, case_of) for copy, original in copies]
    return ScanIndex(cases=tuple(cases), records=tuple(sorted(records, key=lambda row: row.path)))


def _without_copies(
    ordered: Sequence[ImageHeader], digest: Callable[[Path], str]
) -> tuple[list[ImageHeader], list[tuple[ImageHeader, ImageHeader]], list[FileRecord]]:
    """Split into images to keep, (copy, original) pairs, and images whose UID is contested."""
    kept: list[ImageHeader] = []
    copies: list[tuple[ImageHeader, ImageHeader]] = []
    records: list[FileRecord] = []
    for same in _collect(ordered, lambda header: header.sop_uid or header.identity):
        if len(same) == 1 or same[0].format is not FileFormat.DICOM or _all_equal(same, digest):
            kept.append(same[0])
            copies += [(copy, same[0]) for copy in same[1:]]
        else:
            detail = f"{len(same)} different files carry one SOPInstanceUID"
            records += [
                FileRecord(header.source, FileStatus.REFUSED, None, ReasonCode.UID_CONFLICT, detail)
                for header in same
            ]
    return kept, copies, records


def _all_equal(same: Sequence[ImageHeader], digest: Callable[[Path], str]) -> bool:
    try:
        return len({digest(header.path) for header in same}) == 1
    except OSError:  # vanished since: not proven to be a copy
        return False


def _copy_record(
    copy: ImageHeader, original: ImageHeader, case_of: dict[str, CaseId]
) -> FileRecord:
    case_id = case_of[original.source]
    return FileRecord(copy.source, FileStatus.DUPLICATE, case_id, "", f"{SAME_AS}{original.source}")


def _cases(kept: Sequence[ImageHeader], patient_key: Callable[[str], PatientKey]) -> list[Case]:
    cases = []
    for study in _collect(kept, lambda header: header.study_uid or header.identity):
        patients = {header.patient_id for header in study if header.patient_id}
        if len(patients) <= 1:
            # An absent PatientID is unknown, not another patient.
            key = patient_key(patients.pop()) if patients else None
            cases.append(_case(study, study[0].identity, key))
            continue
        for images in _collect(study, lambda header: header.patient_id):
            patient = images[0].patient_id
            key = patient_key(patient) if patient else None
            cases.append(_case(images, f"{images[0].identity}/{key or ''}", key))
    return cases


def _case(images: Sequence[ImageHeader], identity: str, key: PatientKey | None) -> Case:
    chosen: list[Series] = []
    left_out: list[tuple[Series, Reason]] = []
    shown = {_view(header) for header in images if not header.is_for_processing}
    for series in _series(images):
        if series.first.is_localizer:
            left_out.append((series, _LOCALIZER))
        elif _is_raw_twin(series.first, shown):
            left_out.append((series, _RAW_TWIN))
        else:
            chosen.append(series)
    return Case(
        id=to_case_id(identity),
        patient_key=key,
        source=images[0].source,
        series=tuple(chosen),
        left_out=tuple(left_out),
    )


def _view(header: ImageHeader) -> Hashable:
    return header.modality, header.body_part, header.laterality, header.view_position


def _is_raw_twin(header: ImageHeader, shown: set[Hashable]) -> bool:
    """Whether a raw film's view is there for display too; an unknown view is no one's twin."""
    return header.is_for_processing and header.view_position is not None and _view(header) in shown


def _series(images: Sequence[ImageHeader]) -> list[Series]:
    found = []
    for similar in _collect(images, _series_key):
        if similar[0].stacks:
            found += [Series((_stack_header(similar[0], part),)) for part in similar[0].stacks]
            continue
        for parallel in part_by_orientation(similar, _place):
            for headers in part_repeats(parallel, _place, _REPEAT_KEYS):
                found.append(Series(tuple(sorted(headers, key=lambda one: one.source))))
    return sorted(found, key=lambda series: (series.first.source, series.first.frames or ()))


def _stack_header(header: ImageHeader, part: FrameStack) -> ImageHeader:
    """The header of one stack of a multi-frame file."""
    return replace(
        header,
        shape=(*header.shape[:2], len(part.frames)),
        is_localizer=header.is_localizer or any("LOCALIZER" in v for v in part.image_type),
        position_lps_mm=part.position_lps_mm or header.position_lps_mm,
        orientation=part.orientation or header.orientation,
        echo_time_ms=header.echo_time_ms if part.echo_time_ms is None else part.echo_time_ms,
        temporal_position=part.temporal_position,
        b_value=header.b_value if part.b_value is None else part.b_value,
        image_type=part.image_type or header.image_type,
        stacks=(),
        frames=part.frames,
    )


def _series_key(header: ImageHeader) -> Hashable:
    if not _is_stacked(header):
        return header.source
    return (
        header.series_uid,
        header.is_localizer,
        header.shape[:2],
        header.modality,
        header.echo_number,
        None if header.echo_time_ms is None else round(header.echo_time_ms, 1),
        header.temporal_position,
        None if header.b_value is None else round(header.b_value),
        kind_of(header.image_type),
    )


def _is_stacked(header: ImageHeader) -> bool:
    """Whether an image is one slice of several: no film, no screenshot, no stack in one file."""
    if header.format is not FileFormat.DICOM or header.shape[2] > 1:
        return False
    if header.modality in PROJECTIONS:
        return False
    has_place = header.position_lps_mm is not None and header.orientation is not None
    return has_place or header.modality in _STACKED


def _place(header: ImageHeader) -> Place:
    return header.position_lps_mm, header.orientation


def _collect(
    headers: Iterable[ImageHeader], key: Callable[[ImageHeader], Hashable]
) -> list[list[ImageHeader]]:
    collected: defaultdict[Hashable, list[ImageHeader]] = defaultdict(list)
    for header in headers:
        collected[key(header)].append(header)
    return list(collected.values())


def _sources(case: Case) -> list[str]:
    every = (*case.series, *(series for series, _ in case.left_out))
    return [source for series in every for source in series.sources]
