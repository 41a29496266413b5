"""`medrec inspect`: what a folder holds and what would become of it; loads no torch."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from textwrap import indent
from typing import TYPE_CHECKING, Any, TextIO

from medrec.domain.ids import to_patient_key
from medrec.domain.series import FileRecord
from medrec.errors import ScanError
from medrec.inference.gate import check_header, check_volume
from medrec.io.counted import Counted
from medrec.io.index import open_index
from medrec.io.loading import load_volume
from medrec.io.patient_key import load_key
from medrec.package.package import open_package
from medrec.package.store import find_model

if TYPE_CHECKING:
    from medrec.domain.series import ScanIndex, Series
    from medrec.domain.volume import Volume
    from medrec.package.contract import InputContract


@dataclass(frozen=True, slots=True)
class SeriesReport:
    """One series: its facts, and whether it would be screened."""

    case: str
    source: str
    format: str
    modality: str
    sequence: str
    images: int
    verdict: str
    decoded: str = ""


@dataclass(frozen=True, slots=True)
class InspectReport:
    """All series of a folder, and the files that belong to none.

    Both can be counted and gone through again; `open_report` leaves them on disk.
    """

    series: Collection[SeriesReport]
    other_files: Collection[FileRecord]
    case_count: int
    is_decoded: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "series": [asdict(one) for one in self.series],
            "other_files": json.loads(json.dumps([asdict(record) for record in self.other_files])),
        }

    def json_lines(self) -> Iterator[str]:
        """`to_json` as indented text, line by line: of a large folder it is never held whole."""
        yield "{"
        yield from _json_list("series", self.series, end=",")
        yield from _json_list("other_files", self.other_files, end="")
        yield "}"

    def series_rows(self) -> Iterator[list[str]]:
        """The table of series."""
        for one in self.series:
            row = [str(value) for value in asdict(one).values()]
            yield row if self.is_decoded else row[:-1]

    def file_rows(self) -> Iterator[list[str]]:
        """The table of files that belong to no series."""
        for record in self.other_files:
            yield [record.path, record.status, record.code, record.detail]

    def summary(self) -> str:
        """One line of counts."""
        other = Counter(str(record.status) for record in self.other_files)
        counts = ", ".join(f"{count} {status}" for status, count in sorted(other.items()))
        return (
            f"{self.case_count} cases, {len(self.series)} series; other files: {counts or 'none'}"
        )


def inspect(
    scans: str | Path, *, rules: str | Path | None = None, decode: bool = False
) -> InspectReport:
    """List the cases and series of a folder; `rules` is a model whose input contract selects.

    Raises:
        MedrecError: Scans or model that aren't there.
    """
    with open_report(scans, rules=rules, decode=decode) as report:
        return replace(report, series=tuple(report.series), other_files=tuple(report.other_files))


@contextmanager
def open_report(
    scans: str | Path, *, rules: str | Path | None = None, decode: bool = False
) -> Iterator[InspectReport]:
    """The same for a folder of any size: the report lies on disk until the context ends.

    Raises:
        MedrecError: Scans or model that aren't there.
    """
    contract = open_package(find_model(rules)).manifest.input if rules else None
    key = load_key()
    with (
        open_index(
            Path(scans), patient_key=lambda patient: to_patient_key(patient, key=key)
        ) as index,
        TemporaryFile("w+", encoding="utf-8", prefix="medrec-") as file,
    ):
        count = 0
        for report in _reports(index, contract, decode=decode):
            file.write(json.dumps(asdict(report)) + "\n")
            count += 1
        series = Counted(count, lambda: _read_reports(file))
        yield InspectReport(series, index.records, len(index.cases), is_decoded=decode)


def _reports(
    index: ScanIndex, contract: InputContract | None, *, decode: bool
) -> Iterator[SeriesReport]:
    for case in index.cases:
        for series in case.series:
            yield _describe(case.id, series, contract, decode=decode)
    for case in index.cases:
        for series, reason in case.left_out:
            yield _row(case.id, series, f"skipped: {reason.code} ({reason.detail})")


def _read_reports(file: TextIO) -> Iterator[SeriesReport]:
    file.seek(0)
    for line in file:
        yield SeriesReport(**json.loads(line))


def _json_list(
    name: str, things: Collection[SeriesReport | FileRecord], *, end: str
) -> Iterator[str]:
    """A member of an object, laid out as `json.dumps(indent=2)` does."""
    if not things:
        yield f'  "{name}": []{end}'
        return
    yield f'  "{name}": ['
    for number, thing in enumerate(things, start=1):
        text = indent(json.dumps(asdict(thing), indent=2), "    ")
        yield text if number == len(things) else text + ","
    yield f"  ]{end}"


def _describe(
    case_id: str, series: Series, contract: InputContract | None, *, decode: bool
) -> SeriesReport:
    try:
        notes = check_header(series.first, contract) if contract else ()
        verdict = "chosen" if contract else "readable header"
        if notes:
            verdict += f" ({'; '.join(note.detail for note in notes)})"
        if not decode:
            return _row(case_id, series, verdict)
        volume = load_volume(series)
        if contract:
            check_volume(volume, contract)
        return _row(case_id, series, verdict if contract else "readable", _decoded(volume))
    except ScanError as error:
        return _row(case_id, series, f"refused: {error}")


def _decoded(volume: Volume) -> str:
    digest = hashlib.sha256(volume.voxels.tobytes()).hexdigest()[:12]
    shape = " x ".join(str(side) for side in volume.voxels.shape[1:])
    low, high = float(volume.voxels.min()), float(volume.voxels.max())
    return f"{shape}, {low:g} to {high:g}, sha256 {digest}"


def _row(case_id: str, series: Series, verdict: str, decoded: str = "") -> SeriesReport:
    first = series.first
    images = len(series.headers) if len(series.headers) > 1 else first.shape[2]
    return SeriesReport(
        case=case_id,
        source=first.source,
        format=first.format,
        modality=first.modality or "unknown",
        sequence=first.sequence or "unknown",
        images=images,
        verdict=verdict,
        decoded=decoded,
    )
