"""`medrec dataset import` of boxes: coco, yolo, boxes, and the boxes of masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from medrec.data.boxes import absolute, boxes_of_rows, write_boxes
from medrec.data.boxes_of_masks import BoxesPer, boxes_of_masks
from medrec.data.globbing import glob_below
from medrec.data.imported_boxes import ImportedBoxes
from medrec.data.importers import import_masks as read_masks
from medrec.data.importers_boxes import BoxColumns
from medrec.data.importers_boxes import import_boxes as read_boxes_table
from medrec.data.importers_coco import import_coco as read_coco
from medrec.data.importers_seg import import_seg as read_seg
from medrec.data.importers_yolo import import_yolo as read_yolo
from medrec.data.mask_truth import MaskRule
from medrec.data.patients import PatientOfScan
from medrec.data.preview_boxes import write_preview
from medrec.domain.counting import counted
from medrec.domain.ids import to_case_id
from medrec.domain.reference import LabelledBox, Reference
from medrec.errors import OutputError, UsageError
from medrec.io.discover import FoundFile
from medrec.io.header import read_header
from medrec.workflows.import_folders import notes_on
from medrec.workflows.importing import check_free, to_patient_of_path, write_imported
from medrec.workflows.relocating import relocate

_NOBODY = (
    "patients are unknown: each image counts as one, and two images of a person may fall into "
    "training and test; figures measured on them can be too good"
)


def import_coco(
    source: str | Path,
    *,
    out: str | Path,
    root: str | Path | None = None,
    patient: str | None = None,
    as_label: str | None = None,
    preview: str | Path | None = None,
) -> str:
    """Write a manifest and boxes from a COCO file; returns lines that say what is in them.

    `root` is where file names start; None is the file's own folder. `patient` is a regular
    expression on the path; None makes each image a patient of its own.

    Raises:
        ManifestError: Images, annotations or classes that are wrong; all are listed.
        OutputError: One of the files exists already, or can't be written.
        UsageError: The pattern is no regular expression.
    """
    source, out = Path(source), check_free(out)
    start = Path(root) if root else source.parent
    tell = _patient(patient, start)
    found = read_coco(source, root=start, patient=tell, as_label=as_label)
    return _write(found, root=start, out=out, notes=_unknown(patient), preview=preview)


def import_yolo(
    source: str | Path,
    *,
    out: str | Path,
    patient: str | None = None,
    as_label: str | None = None,
    preview: str | Path | None = None,
) -> str:
    """Write a manifest and boxes from a folder in YOLO's layout; arguments as `import_coco`.

    Raises:
        ManifestError: Images, text files or classes that are wrong; all are listed.
        OutputError: One of the files exists already, or can't be written.
        UsageError: The pattern is no regular expression.
    """
    source, out = Path(source), check_free(out)
    found = read_yolo(source, patient=_patient(patient, source), as_label=as_label)
    return _write(found, root=source, out=out, notes=_unknown(patient), preview=preview)


def import_seg(  # noqa: PLR0913 (each is an option)
    source: str | Path,
    *,
    out: str | Path,
    patient: PatientOfScan,
    per: str = "volume",
    as_label: str | None = None,
    smallest: int = 1,
    preview: str | Path | None = None,
) -> str:
    """Write a manifest and boxes of DICOM series with segmentations; arguments as `import_coco`.

    `patient` tells the patient of a series: `import_folders.to_patient` makes one. `per` is `slice`
    or `volume`; pieces of fewer than `smallest` pixels have no box.

    Raises:
        ManifestError: Segmentations or series that are wrong; all are listed.
        OutputError: One of the files exists already, or can't be written.
        UsageError: `per` is neither.
    """
    source, out = Path(source), check_free(out)
    boxes_per = _to_per(per)
    found = read_seg(source, patient=patient, per=boxes_per, as_label=as_label, least_px=smallest)
    return _write(found, root=source, out=out, notes=notes_on(patient), preview=preview)


def import_boxes(  # noqa: PLR0913 (each is an option)
    source: str | Path,
    *,
    out: str | Path,
    columns: BoxColumns,
    root: str | Path | None = None,
    patient: str | None = None,
    images: str | None = None,
    preview: str | Path | None = None,
) -> str:
    """Write a manifest and boxes from a table with one line a box; arguments as `import_coco`.

    `images` is a glob below `root`: images without a line, in which nothing is.

    Raises:
        ManifestError: Columns, images or boxes that are wrong; all are listed.
        OutputError: One of the files exists already, or can't be written.
        UsageError: The pattern is no regular expression.
    """
    source, out = Path(source), check_free(out)
    start = Path(root) if root else source.parent
    found_too = glob_below(start, images) if images else []
    further = [path.relative_to(start).as_posix() for path in found_too]
    is_told = columns.patient is not None
    tell = None if is_told and patient is None else _patient(patient, start)
    found = read_boxes_table(source, columns, root=start, patient=tell, further=further)
    notes = [] if is_told else _unknown(patient)
    return _write(found, root=start, out=out, notes=notes, preview=preview)


def import_masks_with_boxes(  # noqa: PLR0913 (each is an option)
    source: str | Path,
    *,
    out: str | Path,
    images: str,
    mask: str,
    rule: MaskRule,
    per: str,
    cases: str | Path | None = None,
    patient: str | None = None,
    preview: str | Path | None = None,
) -> str:
    """Write a manifest of images with masks, and the boxes of the masks' pieces.

    `per` is `slice` or `volume`; the other arguments are those of `import_masks`.

    Raises:
        ManifestError: Images or masks that are wrong; all are listed.
        OutputError: One of the files exists already, or can't be written.
        UsageError: The pattern is no regular expression, `per` is neither, or labels of slices that
            the volumes' boxes would contradict.
    """
    source, out = Path(source), check_free(out)
    _check_agreement(rule, _to_per(per))
    tell = to_patient_of_path(patient) if patient is not None else None
    table = Path(cases) if cases else None
    rows = read_masks(source, images=images, mask=mask, rule=rule, cases=table, patient=tell)
    boxes = boxes_of_masks(
        rows,
        root=source,
        label=rule.label,
        per=_to_per(per),
        least_px=rule.least_px,
        is_smaller_unknown=rule.is_smaller_unknown,
    )
    return write_boxed(rows, boxes, root=source, out=out, preview=preview)


def _write(
    found: ImportedBoxes,
    *,
    root: Path,
    out: Path,
    notes: Sequence[str],
    preview: str | Path | None,
) -> str:
    """Write what was read; its own notes come first."""
    return write_boxed(
        found.references,
        found.boxes,
        root=root,
        out=out,
        notes=[*found.notes, *notes],
        preview=preview,
    )


def write_boxed(
    references: Sequence[Reference],
    boxes: Sequence[tuple[str, LabelledBox]],
    *,
    root: Path,
    out: Path,
    notes: Sequence[str] = (),
    preview: str | Path | None = None,
) -> str:
    """Write `NAME.csv` and `NAME.boxes.csv` beside it, and a contact sheet if asked for one.

    Raises:
        OutputError: One of the files exists already, or can't be written.
    """
    file = check_free(out.with_suffix(".boxes.csv"))
    sheet = check_free(preview, option="--preview") if preview is not None else None
    if sheet is not None and absolute(sheet) in {absolute(out), absolute(file)}:
        message = f"--preview {sheet} is where the manifest or its boxes go: name another file"
        raise OutputError(message)
    moved = relocate(references, root=root, folder=out.parent)
    places = dict(zip((row.path for row in references), (row.path for row in moved), strict=True))
    rows = [replace(row, boxes=file.name) for row in moved]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_boxes(file, [(places[path], box) for path, box in boxes])
    except OSError as error:
        message = f"{file}: can't be written ({error.strerror}): name another place"
        raise OutputError(message) from error
    images = len({path for path, _ in boxes})
    of = counted(len({row.path for row in rows}), "image", "images")
    lines = [
        write_imported(rows, root=out.parent, out=out, notes=notes),
        f"{file}: {counted(len(boxes), 'box', 'boxes')} on {images} of {of}",
    ]
    if sheet is not None:
        lines.append(_preview(sheet, rows, out.parent))
    return "\n".join(lines)


def _preview(sheet: Path, rows: Sequence[Reference], folder: Path) -> str:
    found = boxes_of_rows(rows, root=folder)
    try:
        shown = write_preview(sheet, rows, found, root=folder)
    except OSError as error:
        message = f"--preview {sheet}: can't be written ({error.strerror}): name another place"
        raise OutputError(message) from error
    images = counted(shown, "image with its", "images with their")
    return f"{sheet}: {images} boxes: look at them before anything is trained"


def _patient(pattern: str | None, root: Path) -> Callable[[str], str]:
    """By a pattern on the path, or each image's content for itself."""
    if pattern is not None:
        return to_patient_of_path(pattern)
    return lambda path: to_case_id(read_header(FoundFile(root / path, path)).identity)


def _unknown(pattern: str | None) -> list[str]:
    return [_NOBODY] if pattern is None else []


def _check_agreement(rule: MaskRule, per: BoxesPer) -> None:
    if (
        per == "volume"
        and rule.per == "slice"
        and rule.least_px > 1
        and not rule.is_smaller_unknown
    ):
        message = (
            f"--smallest {rule.least_px} makes slices at a lesion's ends negative that its "
            "--boxes volume holds: add --smaller-unknown, or take --boxes slice or --per case"
        )
        raise UsageError(message)


def _to_per(per: str) -> BoxesPer:
    match per:
        case "slice" | "volume":
            return per
        case _:
            message = f"--boxes {per}: wanted slice or volume"
            raise UsageError(message)
