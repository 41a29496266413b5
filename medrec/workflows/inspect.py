"""`medrec inspect`: what a folder holds and what would become of it; loads no torch."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medrec.domain.ids import to_patient_key
from medrec.errors import ScanError
from medrec.inference.gate import check_header, check_volume
from medrec.io.index import index_scans
from medrec.io.loading import load_volume
from medrec.io.patient_key import load_key
from medrec.package.package import open_package
from medrec.package.store import find_model

if TYPE_CHECKING:
    from medrec.domain.series import FileRecord, Series
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
    spacing: str
    verdict: str
    decoded: str = ""


@dataclass(frozen=True, slots=True)
class InspectReport:
    """All series of a folder, and the files that belong to none."""

    series: tuple[SeriesReport, ...]
    other_files: tuple[FileRecord, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "series": [asdict(one) for one in self.series],
            "other_files": json.loads(json.dumps([asdict(record) for record in self.other_files])),
        }

    def series_rows(self) -> list[list[str]]:
        """The table of series."""
        rows = [[str(value) for value in asdict(one).values()] for one in self.series]
        has_decoded = any(one.decoded for one in self.series)
        return rows if has_decoded else [row[:-1] for row in rows]

    def file_rows(self) -> list[list[str]]:
        """The table of files that belong to no series."""
        return [[r.path, r.status, r.code, r.detail] for r in self.other_files]

    def summary(self) -> str:
        """One line of counts."""
        cases = len({one.case for one in self.series})
        other = Counter(str(record.status) for record in self.other_files)
        counts = ", ".join(f"{count} {status}" for status, count in sorted(other.items()))
        return f"{cases} cases, {len(self.series)} series; other files: {counts or 'none'}"


def inspect(
    scans: str | Path, *, rules: str | Path | None = None, decode: bool = False
) -> InspectReport:
    """List the cases and series of a folder; `rules` is a model whose input contract selects.

    Raises:
        MedrecError: Scans or model that aren't there.
    """
    contract = open_package(find_model(rules)).manifest.input if rules else None
    key = load_key()
    index = index_scans(Path(scans), patient_key=lambda patient: to_patient_key(patient, key=key))
    reports = [
        _describe(case.id, series, contract, decode=decode)
        for case in index.cases
        for series in case.series
    ]
    left_out = [
        _row(case.id, series, f"skipped: {reason.code} ({reason.detail})")
        for case in index.cases
        for series, reason in case.left_out
    ]
    return InspectReport((*reports, *left_out), index.records)


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
        spacing=str(first.spacing or "unknown"),
        verdict=verdict,
        decoded=decoded,
    )
