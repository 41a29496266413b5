"""Paths that may hold names, replaced by hashes (`--hide-paths`)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from medrec.domain.series import FileStatus, ScanIndex
from medrec.io.counted import changed
from medrec.io.grouping import SAME_AS

if TYPE_CHECKING:
    from medrec.domain.series import Case, FileRecord, Series


def hide_paths_of(index: ScanIndex) -> ScanIndex:
    """Replace every source of an index by `f-` and 16 digits of its hash; files stay readable."""
    return ScanIndex(
        cases=changed(index.cases, _hide_case), records=changed(index.records, _hide_record)
    )


def hidden(source: str) -> str:
    """The hash that stands for a path.

    >>> hidden("study4/IM0001")
    'f-0743af4319f04d8e'
    """
    digest = hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()
    return f"f-{digest[:16]}"


def _hide_case(case: Case) -> Case:
    return replace(
        case,
        source=hidden(case.source),
        series=tuple(_hide_series(series) for series in case.series),
        left_out=tuple((_hide_series(series), reason) for series, reason in case.left_out),
    )


def _hide_series(series: Series) -> Series:
    headers = (replace(header, source=hidden(header.source)) for header in series.headers)
    return replace(series, headers=tuple(headers))


def _hide_record(record: FileRecord) -> FileRecord:
    detail = record.detail
    if record.status is FileStatus.DUPLICATE:  # it names the file that it is a copy of
        detail = SAME_AS + hidden(detail.removeprefix(SAME_AS))
    return replace(record, path=hidden(record.path), detail=detail)
