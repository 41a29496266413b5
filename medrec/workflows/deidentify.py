"""`medrec deidentify`: copies of images without names, and a table of what became of every file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medrec.domain.codes import ReasonCode
from medrec.domain.series import FileRecord, FileStatus
from medrec.errors import OutputError, RefusedScanError, ScanError
from medrec.io.deidentify import deidentify_file
from medrec.io.discover import FoundFile, discover
from medrec.io.header import PackedFileError
from medrec.io.header_rows import to_record
from medrec.io.ledger import COLUMNS
from medrec.io.patient_key import load_key
from medrec.io.pseudonyms import Pseudonyms
from medrec.io.tables import write_rows
from medrec.workflows.output import prepare_output, write_run
from medrec.workflows.stages import Stages
from medrec.workflows.versions import versions

FILES = "files"
_METHOD = "DICOM PS3.15 Basic Profile (113100), dates modified (113107), no unchecked text"
OnFile = Callable[[int, int], None]
"""Called before the first file and after each: done and total counts."""


@dataclass(frozen=True, slots=True)
class DeidentifyResult:
    """What a run came to: how every file ended."""

    out: Path
    files: tuple[FileRecord, ...]

    @property
    def written(self) -> int:
        """How many files were written."""
        return sum(record.status is FileStatus.DEIDENTIFIED for record in self.files)

    @property
    def flagged(self) -> int:
        """How many of those may have text in their pixels."""
        done = [record for record in self.files if record.status is FileStatus.DEIDENTIFIED]
        return sum(bool(record.code) for record in done)

    def summary_lines(self) -> list[str]:
        """Counts by status and reason, and where the table is; no path of the input."""
        counts = Counter(str(record.status) for record in self.files)
        told = ", ".join(f"{count} {name}" for name, count in counts.most_common())
        reasons = Counter(
            f"{record.status}: {record.code}"
            for record in self.files
            if record.status is not FileStatus.DEIDENTIFIED
        )
        return [
            f"files: {told or 'none'}",
            *(f"  {count} {reason}" for reason, count in sorted(reasons.items())),
            f"table: {self.out / 'files.csv'}",
        ]

    @property
    def exit_code(self) -> int:
        """0, or 3 if a file was refused or failed."""
        trouble = (FileStatus.REFUSED, FileStatus.FAILED)
        return 3 if any(record.status in trouble for record in self.files) else 0


def deidentify(
    scans: str | Path,
    *,
    out: str | Path,
    overwrite: bool = False,
    linking_table: str | Path | None = None,
    on_file: OnFile | None = None,
) -> DeidentifyResult:
    """Write copies of a folder's images without names, numbered, and leave the originals alone.

    `linking_table` is a CSV file outside `out` that says which copy is of which file: whoever has
    it can undo the de-identification.

    Raises:
        MedrecError: Scans that aren't there, or an output that can't be used. A file that can't be
            de-identified is no error: it isn't copied, and is a row in `files.csv`.
    """
    scans, out, stages = Path(scans), Path(out), Stages()
    link = Path(linking_table) if linking_table is not None else None
    found = list(discover(scans))
    _check_places(scans, out, link)
    prepare_output(out, overwrite=overwrite, inputs=[scans])
    asked = {"verb": "deidentify", "finished": False, "method": _METHOD}
    write_run(out, asked)
    pseudonyms = Pseudonyms(load_key())
    with stages("deidentify"):
        rows = _deidentify(found, out, pseudonyms, on_file or _silent)
    records = sorted((record for _, record in rows), key=lambda record: record.path)
    write_rows(out / "files.csv", COLUMNS, [_to_row(record) for record in records])
    if link is not None:
        _write_linking_table(link, rows)
    result = DeidentifyResult(out, tuple(records))
    write_run(out, {**asked, "finished": True, **_came_of(result), "seconds": stages.seconds})
    return result


def _silent(done: int, total: int) -> None:
    """Report progress to nobody."""


def _check_places(scans: Path, out: Path, link: Path | None) -> None:
    """Copies among the originals would be taken for originals, and a link table for a copy."""
    folder, target = scans.resolve(), out.resolve()
    if folder.is_dir() and folder in (target, *target.parents):
        message = f"--out {out} lies in the scans: name a folder outside of them"
        raise OutputError(message)
    if link is None:
        return
    place = link.resolve()
    if target in place.parents or place == target or folder in place.parents:
        message = "--linking-table must lie outside of --out and of the scans: it names the files"
        raise OutputError(message)
    if link.exists():
        message = "--linking-table names a file that is there already: name another one"
        raise OutputError(message)


def _deidentify(
    found: list[FoundFile], out: Path, pseudonyms: Pseudonyms, on_file: OnFile
) -> list[tuple[FoundFile, FileRecord]]:
    # In the order of the hashes: that of the paths would tell how names sort.
    ordered = sorted(found, key=lambda file: pseudonyms.path(file.source))
    (out / FILES).mkdir()
    digits = max(6, len(str(len(ordered))))
    rows = []
    on_file(0, len(ordered))
    for number, file in enumerate(ordered, start=1):
        rows.append((file, _record(file, out, f"{number:0{digits}}", pseudonyms)))
        on_file(number, len(ordered))
    return rows


def _record(file: FoundFile, out: Path, name: str, pseudonyms: Pseudonyms) -> FileRecord:
    """De-identify one file: the one place where an error becomes a row."""
    try:
        written = deidentify_file(file, out / FILES, name=name, pseudonyms=pseudonyms)
    except PackedFileError:
        detail = "packed: unpack it, and de-identify what is in it"
        error = RefusedScanError(ReasonCode.ARCHIVE_LIMIT, detail)
        return to_record(pseudonyms.path(file.source), error)
    except ScanError as error:
        return to_record(pseudonyms.path(file.source), error)
    except OSError as error:
        message = f"--out {out} can't be written: {error.strerror or type(error).__name__}"
        raise OutputError(message) from error
    return FileRecord(
        path=written.path.relative_to(out).as_posix(),
        status=FileStatus.DEIDENTIFIED,
        case_id=written.case_id,
        code=written.note.code if written.note else "",
        detail=written.note.detail if written.note else "",
    )


def _to_row(record: FileRecord) -> dict[str, object]:
    return {column: getattr(record, column) for column in COLUMNS}


def _write_linking_table(path: Path, rows: list[tuple[FoundFile, FileRecord]]) -> None:
    ordered = sorted(rows, key=lambda row: row[1].path)
    columns = ("path", "source", "status", "code", "detail")
    try:
        write_rows(path, columns, [
            {"path": record.path, "source": file.source, "status": record.status,
             "code": record.code, "detail": record.detail}
            for file, record in ordered
        ])  # fmt: skip
        path.chmod(0o600)
    except OSError as error:
        message = f"--linking-table can't be written: {error.strerror}"
        raise OutputError(message) from error


def _came_of(result: DeidentifyResult) -> dict[str, object]:
    counts = Counter(str(record.status) for record in result.files)
    packages = ("medrec", "pydicom", "nibabel", "numpy")
    return {"versions": versions(packages), "files": dict(sorted(counts.items()))}
