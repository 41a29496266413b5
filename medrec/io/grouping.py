"""Put images together: files of a study make a case, images acquired as one make a series."""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from medrec.domain.codes import Reason, ReasonCode
from medrec.domain.modality import FileFormat, Modality
from medrec.domain.series import Case, FileRecord, FileStatus, ScanIndex, Series
from medrec.io.counted import Counted
from medrec.io.digest import dataset_digest
from medrec.io.header_rows import to_row
from medrec.io.header_store import HeaderStore

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
    from pathlib import Path

    from medrec.domain.ids import PatientKey
    from medrec.domain.series import ImageHeader
    from medrec.io.header_store import StoredCase, Twin

SAME_AS = "same as "
"""What the detail of a copy begins with; the original's path follows."""

_STACKED = {Modality.MR, Modality.CT, Modality.PT, Modality.NM}
_PROJECTIONS = {Modality.CR, Modality.DX, Modality.MG, Modality.RF, Modality.XA}
_COSINE_TOLERANCE = 0.01
_LOCALIZER = Reason(ReasonCode.LOCALIZER, "a localizer is for planning, not for reading")


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
    for series in _series(stored.images):
        if series.first.is_localizer:
            left_out.append((series, _LOCALIZER))
        else:
            chosen.append(series)
    return Case(
        id=stored.id,
        patient_key=stored.patient_key,
        source=stored.source,
        series=tuple(chosen),
        left_out=tuple(left_out),
    )


def _series(images: Sequence[ImageHeader]) -> list[Series]:
    found = []
    for similar in _collect(images, _series_key):
        found += [Series(tuple(headers)) for headers in _by_orientation(similar)]
    return sorted(found, key=lambda series: series.first.source)


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
    )


def _is_stacked(header: ImageHeader) -> bool:
    """Whether an image is one slice of several: no film, no screenshot, no stack in one file."""
    if header.format is not FileFormat.DICOM or header.shape[2] > 1:
        return False
    if header.modality in _PROJECTIONS:
        return False
    has_place = header.position_lps_mm is not None and header.orientation is not None
    return has_place or header.modality in _STACKED


def _by_orientation(images: Sequence[ImageHeader]) -> list[list[ImageHeader]]:
    """Split by orientation within a tolerance: rounding would part neighbours at its borders."""
    groups: list[list[ImageHeader]] = []
    # In order of the cosines, so that the result hangs on no file's name.
    for header in sorted(images, key=lambda image: (image.orientation or (), image.source)):
        for members in groups:
            if _is_parallel(members[0], header):
                members.append(header)
                break
        else:
            groups.append([header])
    return [sorted(members, key=lambda header: header.source) for members in groups]


def _is_parallel(one: ImageHeader, other: ImageHeader) -> bool:
    if one.orientation is None or other.orientation is None:
        return one.orientation is other.orientation
    pairs = zip(one.orientation, other.orientation, strict=True)
    return all(abs(first - second) <= _COSINE_TOLERANCE for first, second in pairs)


def _collect(
    headers: Iterable[ImageHeader], key: Callable[[ImageHeader], Hashable]
) -> list[list[ImageHeader]]:
    collected: defaultdict[Hashable, list[ImageHeader]] = defaultdict(list)
    for header in headers:
        collected[key(header)].append(header)
    return list(collected.values())
