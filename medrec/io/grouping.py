"""Put images together: files of a study make a case, images acquired as one make a series."""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from medrec.domain.codes import Reason, ReasonCode
from medrec.domain.modality import PROJECTIONS, FileFormat, Modality
from medrec.domain.series import Case, FileRecord, FileStatus, ScanIndex, Series
from medrec.io.counted import Counted
from medrec.io.digest import dataset_digest
from medrec.io.header_rows import to_row
from medrec.io.header_store import HeaderStore
from medrec.io.image_type import kind_of
from medrec.io.repeats import part_by_orientation, part_repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
    from pathlib import Path

    from medrec.domain.ids import PatientKey
    from medrec.domain.series import FrameStack, ImageHeader
    from medrec.io.header_store import StoredCase, Twin
    from medrec.io.repeats import Place

_STACKED = {Modality.MR, Modality.CT, Modality.PT, Modality.NM}
_A_STACK = 5
"""So many parallel images are no localizer."""
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
    """Group headers into cases, all at once; the order in which they come doesn't matter.

    `digest` tells copies of a DICOM file from other images under the same SOPInstanceUID; it is
    asked only where UIDs collide. Two patients under one StudyInstanceUID are two cases.
    """
    with closing(HeaderStore(None, patient_key=patient_key)) as store:
        for header in headers:
            store.add(to_row(header))
        index = group_stored(store, digest=digest)
        return ScanIndex(cases=tuple(index.cases), records=tuple(index.records))


def group_stored(
    store: HeaderStore, *, digest: Callable[[Path], str] = dataset_digest
) -> ScanIndex:
    """Group what a store holds, as `group` does; the index reads from the store while it is open.

    What it hands out is made each time: a case is in memory only while somebody holds it.
    """
    for twins in store.twins():
        _settle_twins(store, twins, digest)
    store.part()
    return ScanIndex(
        cases=Counted(store.count("exam"), lambda: map(_to_case, store.cases())),
        records=Counted(store.count("record"), store.records),
    )


def _settle_twins(
    store: HeaderStore, twins: Callable[[], Iterator[Twin]], digest: Callable[[Path], str]
) -> None:
    """Keep the first of equal files; refuse different images that carry one UID, all of them."""
    original = next(twins())
    if original.format != FileFormat.DICOM or _all_equal(twins(), digest):
        detail = SAME_AS + original.source
        for copy in islice(twins(), 1, None):
            record = FileRecord(copy.source, FileStatus.DUPLICATE, None, "", detail)
            store.add_record(record, original=original)
            store.drop(copy)
        return
    count = sum(1 for _ in twins())
    detail = f"{count} different files carry one SOPInstanceUID"
    for twin in twins():
        store.add_record(
            FileRecord(twin.source, FileStatus.REFUSED, None, ReasonCode.UID_CONFLICT, detail)
        )
        store.drop(twin)


def _all_equal(twins: Iterator[Twin], digest: Callable[[Path], str]) -> bool:
    try:
        first = digest(next(twins).path)
        return all(digest(twin.path) == first for twin in twins)
    except OSError:  # vanished since: not proven to be a copy
        return False


def _to_case(stored: StoredCase) -> Case:
    chosen: list[Series] = []
    left_out: list[tuple[Series, Reason]] = []
    shown = {_view(header) for header in stored.images if not header.is_for_processing}
    for series in _series(stored.images):
        if series.first.is_localizer:
            left_out.append((series, _LOCALIZER))
        elif _is_raw_twin(series.first, shown):
            left_out.append((series, _RAW_TWIN))
        else:
            chosen.append(series)
    return Case(
        id=stored.id,
        patient_key=stored.patient_key,
        source=stored.source,
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
        for parallel in _parallel(similar):
            for headers in part_repeats(parallel, _place, _REPEAT_KEYS):
                found.append(Series(tuple(sorted(headers, key=lambda one: one.source))))
    return sorted(found, key=lambda series: (series.first.source, series.first.frames or ()))


def _parallel(similar: Sequence[ImageHeader]) -> list[list[ImageHeader]]:
    """Part images by orientation, but keep a stray one with its stack, to be refused with it.

    Three planes are three series. One turned image among many is a fault: taken for a series of its
    own it would be judged alone, while the stack that it is missing from is refused.
    """
    parts = part_by_orientation(similar, _place)
    sizes = sorted(len(part) for part in parts)
    is_stray = len(sizes) > 1 and sizes[0] == 1 and sizes[-1] >= _A_STACK
    return [list(similar)] if is_stray and not similar[0].is_localizer else parts


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
    """Whether an image is one slice of several: of a volume, and not a stack in one file."""
    return header.shape[2] == 1 and is_of_volume(header)


def is_of_volume(header: ImageHeader) -> bool:
    """Whether an image shows one slice of a body, or several: no film, photograph or screenshot.

    Ultrasound, photographs and secondary captures are slices only where they say where they lie.
    """
    if header.format is not FileFormat.DICOM or header.modality in PROJECTIONS:
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
