"""`medrec dataset audit`: what is wrong with a manifest's data, before anybody trains on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from medrec.data.audit import audit_pictures, gather_pictures
from medrec.data.audit_report import AuditReport, Unreadable
from medrec.data.boxes_audit import audit_boxes
from medrec.data.description import Description, describe_volume
from medrec.data.manifest import read_manifest
from medrec.data.quality import find_faults, is_there
from medrec.data.splits import read_splits
from medrec.domain.codes import ReasonCode
from medrec.domain.counting import counted
from medrec.domain.reference import Reference
from medrec.errors import FailedScanError, ManifestError, ScanError
from medrec.io.decoding import io_errors
from medrec.io.decoding_crew import work_on_each
from medrec.io.decoding_worker import DecodingWorker
from medrec.io.loading import load_file
from medrec.workflows.auditing import namer, write_audit
from medrec.workflows.output import prepare_output

_SHOWN = 20


def audit(
    manifest: str | Path,
    *,
    splits: str | Path | None = None,
    out: str | Path | None = None,
    without: Sequence[str] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> AuditReport:
    """Audit the scans of a manifest; write audit.json and a contact sheet into `out`, if given.

    Files are read on all cores, and of each nothing is kept but thumbnails, digests and a few
    numbers. One that can't be read is a row of the report.

    Args:
        manifest: Labelled scans; its own `split` column says who is tested.
        splits: Frozen splits, instead of that column.
        out: Folder of the report.
        without: Attributes that were made from the labels themselves: the probe leaves them out.
        on_progress: Told how many of how many files are done.

    Raises:
        ManifestError: Rows that mean nothing, or of which no file can be read.
        OutputError: The folder is in use or can't be written.
    """
    path = Path(manifest)
    references = read_manifest(path)
    labels = list(dict.fromkeys(label for row in references for label in row.labels))
    plan = read_splits(Path(splits), references) if splits else None
    if out:
        prepare_output(Path(out))
    # A detector may learn where every scan holds a lesion: what boxes tell needs no negatives.
    told = [] if any(row.boxes for row in references) else labels
    faults = find_faults(references, root=path.parent, labels=told)
    boxes = audit_boxes(references, root=path.parent)
    faults += boxes.faults
    if plan is None:
        faults += _unplaced(references)
    name = namer(references)
    described, unreadable = _read(references, path.parent, name, on_progress)
    if not described:
        shown = [f"row {file.row}: {file.code}: {file.detail}" for file in unreadable[:_SHOWN]]
        raise ManifestError(
            str(path), [f"none of {counted(len(unreadable), 'file', 'files')} can be read", *shown]
        )
    pictures = gather_pictures(described, name)
    report = audit_pictures(pictures, labels, plan=plan, without=without)
    report = replace(
        report,
        faults=tuple(faults),
        warnings=(*report.warnings, *boxes.warnings),
        unreadable=tuple(unreadable),
        blank=sum(one.blank for one in described),
    )
    if out:
        write_audit(Path(out), report, pictures)
    return report


def _read(
    references: Sequence[Reference],
    root: Path,
    name: Callable[[Reference], str],
    on_progress: Callable[[int, int], None] | None,
) -> tuple[list[Description], list[Unreadable]]:
    files: dict[str, list[Reference]] = defaultdict(list)
    for row in references:
        files[row.path].append(row)

    def describe(path: str, worker: DecodingWorker) -> Description | ScanError:
        try:
            return _describe(root / path, files[path], worker)
        except ScanError as error:
            return error

    described: list[Description] = []
    unreadable: list[Unreadable] = []
    results = work_on_each(list(files), describe)
    for done, (path, result) in enumerate(zip(files, results, strict=True), start=1):
        if isinstance(result, Description):
            described.append(result)
        else:
            unreadable.append(_to_row(name(files[path][0]), root / path, result))
        if on_progress:
            on_progress(done, len(files))
    return described, unreadable


def _describe(path: Path, rows: Sequence[Reference], worker: DecodingWorker) -> Description:
    if not is_there(path):
        detail = "missing: paths start where the manifest lies; correct it, or leave the row out"
        raise FailedScanError(ReasonCode.IO, detail)
    with io_errors():
        volume = load_file(path, worker=worker)
    return describe_volume(volume, rows)


def _to_row(row: str, path: Path, error: ScanError) -> Unreadable:
    """A row of the report; of a folder without what its files are called: that may be a name."""
    if path.is_dir():
        detail = "a file of the folder, or the folder as a whole: see medrec inspect"
        return Unreadable(row, str(error.code), detail)
    return Unreadable(row, str(error.code), error.detail)


def _unplaced(references: Sequence[Reference]) -> Iterator[str]:
    rows = [number for number, row in enumerate(references, start=1) if row.split is None]
    if 0 < len(rows) < len(references):
        shown = ", ".join(map(str, rows[:_SHOWN])) + (", ..." if len(rows) > _SHOWN else "")
        few = counted(len(rows), "row has", "rows have")
        yield f"{few} no split, though others have: give all one, or none: {shown}"
