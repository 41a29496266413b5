"""The scans of a site: all that a folder holds, or those that a manifest names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medrec.data.manifest import read_manifest
from medrec.domain.finding import Label
from medrec.domain.ids import PatientKey, to_patient_key
from medrec.domain.series import Case, FileRecord, ScanIndex
from medrec.domain.terms import VIEWS, known, maker_of
from medrec.errors import ManifestError, ScanError
from medrec.evaluation.trials import ATTRIBUTES
from medrec.io.grouping import group
from medrec.io.header_rows import to_record
from medrec.io.hiding import hidden, hide_paths_of
from medrec.io.index import open_index
from medrec.io.patient_key import load_key
from medrec.io.selection import Rules, select
from medrec.workflows.scoring import read_headers

if TYPE_CHECKING:
    from medrec.domain.reference import Reference
    from medrec.domain.series import ImageHeader


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan of the site: one series, and what is known of it."""

    case: Case
    unit: str
    attributes: Mapping[str, str]
    is_known_clear: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """The cases, the files that belong to none, and what a manifest says of each file.

    `left_out` counts rows whose label says that something is there.
    """

    index: ScanIndex
    rows: Mapping[str, Reference]
    primary: Label
    left_out: int = 0

    def scans_of(self, case: Case, rules: Rules | None) -> list[Scan]:
        """Each series of a case that the rules choose, as a scan of its own.

        The first one takes with it what is left out; without any the case is its own scan.
        """
        chosen = select(case, rules)
        if not chosen.series:
            return [self._scan(case)]
        parts = [
            replace(chosen, series=(series,), left_out=chosen.left_out if number == 0 else ())
            for number, series in enumerate(chosen.series)
        ]
        return [self._scan(part) for part in parts]

    def _scan(self, case: Case) -> Scan:
        row = self.rows.get(case.series[0].first.source) if case.series else None
        attributes = _header_facts(case)
        if row is not None:
            own = {name: row.attributes[name] for name in ATTRIBUTES if name in row.attributes}
            attributes |= own
        unit = row.resampling_unit if row else case.patient_key or case.id
        is_clear = row is not None and row.labels.get(self.primary) is False
        return Scan(case, str(unit), attributes, is_known_clear=is_clear)


def _header_facts(case: Case) -> dict[str, str]:
    """View and maker where the header names ones of the standard."""
    if not case.series:
        return {}
    header = case.series[0].first
    facts = {"view": known(header.view_position, VIEWS), "scanner": maker_of(header.manufacturer)}
    return {name: value for name, value in facts.items() if value}


@contextmanager
def open_site(scans: Path, *, primary: Label, hide_paths: bool) -> Iterator[Site]:
    """Find the scans; a file ending in .csv is a manifest, whose rows with the label 1 stay out.

    Raises:
        ManifestError: A manifest that can't be used, or that leaves nothing.
        InputError: Nothing is there.
    """
    if scans.suffix.lower() == ".csv" and scans.is_file():
        yield _read_site(scans, primary, hide_paths=hide_paths)
        return
    key = load_key()

    def patient_key(patient: str) -> PatientKey:
        return to_patient_key(patient, key=key)

    with open_index(scans, patient_key=patient_key) as index:
        yield Site(hide_paths_of(index) if hide_paths else index, {}, primary)


def _read_site(manifest: Path, primary: Label, *, hide_paths: bool) -> Site:
    references = read_manifest(manifest)
    sick = {row.path for row in references if row.labels.get(primary)}
    rows = {row.path: row for row in references if row.path not in sick}
    if not rows:
        problem = (
            f"all its {len(sick)} scans have the label {primary}: lesions are planted into scans "
            "without one"
        )
        raise ManifestError(str(manifest), [problem])
    headers, records = _read_all(manifest.parent, rows.values())
    found = group((header for header, _ in headers), patient_key=_nobody)
    index = ScanIndex(found.cases, [*found.records, *records])
    by_source = {header.source: row for header, row in headers}
    if hide_paths:
        index = hide_paths_of(index)
        by_source = {hidden(source): row for source, row in by_source.items()}
    return Site(index, by_source, primary, left_out=len(sick))


def _read_all(
    root: Path, rows: Iterable[Reference]
) -> tuple[list[tuple[ImageHeader, Reference]], list[FileRecord]]:
    """Headers of the files that rows name; a file that can't be read is a row of `files.csv`."""
    headers: list[tuple[ImageHeader, Reference]] = []
    records: list[FileRecord] = []
    for row in rows:
        try:
            headers += [(header, row) for header in read_headers(root, row.path)]
        except ScanError as error:
            records.append(to_record(row.path, error))
    return headers, records


def _nobody(_: str) -> PatientKey:
    """Patients are those of the manifest."""
    return PatientKey("")
