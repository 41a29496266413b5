"""`medrec dataset import` of boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medrec.cli.console import reports_errors, say

Manifest = Annotated[
    Path, typer.Option("--out", help="Manifest to write (NAME.csv, and NAME.boxes.csv beside it).")
]
Patient = Annotated[
    str | None,
    typer.Option("--patient", help="Regular expression on the path; its group is the patient."),
]
PatientUnknown = Annotated[
    bool, typer.Option("--patient-unknown", help="Nothing tells patients: each image is one.")
]
AsLabel = Annotated[
    str | None,
    typer.Option("--as", help="One label for all classes; the class becomes the box's type."),
]
Root = Annotated[
    Path | None, typer.Option("--root", help="Where paths start; the file's own folder if not.")
]
Corners = Annotated[
    str, typer.Option("--box", help="Columns: x0,y0,x1,y1[,z0,z1], or one of polygons.")
]
IsSize = Annotated[bool, typer.Option("--size", help="The columns are x,y,width,height[,z,depth].")]
LabelColumn = Annotated[
    str | None,
    typer.Option("--label-column", help="Column of what a box shows; its type beside --label."),
]
Attributes = Annotated[
    list[str], typer.Option("--attribute", help="NAME=COLUMN: what to keep of a box.")
]
Counts = Annotated[
    str | None, typer.Option("--counts", help="COLUMN>=NUMBER: other boxes count neither way.")
]
PatientColumn = Annotated[
    str | None, typer.Option("--patient-column", help="Column of the patient.")
]
Images = Annotated[
    str | None, typer.Option("--images", help="A glob: images without a line are empty.")
]
Preview = Annotated[Path | None, typer.Option("--preview", help="PNG of images with their boxes.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to `medrec dataset import`."""
    app.command("coco")(coco)
    app.command("yolo")(yolo)
    app.command("seg")(seg)
    app.command("boxes")(boxes)


@reports_errors
def coco(  # noqa: PLR0913 (each is an option)
    source: Annotated[Path, typer.Argument(help="COCO's JSON.")],
    out: Manifest,
    root: Root = None,
    patient: Patient = None,
    patient_unknown: PatientUnknown = False,
    as_label: AsLabel = None,
    preview: Preview = None,
) -> None:
    """Boxes of a COCO file: one row an image, those without an annotation empty."""
    from medrec.workflows.importing_boxes import import_coco

    _check_patient(patient, is_unknown=patient_unknown)
    text = import_coco(
        source, out=out, root=root, patient=patient, as_label=as_label, preview=preview
    )
    say(text)


@reports_errors
def yolo(
    source: Annotated[Path, typer.Argument(help="Folder with images/, labels/ and data.yaml.")],
    out: Manifest,
    patient: Patient = None,
    patient_unknown: PatientUnknown = False,
    as_label: AsLabel = None,
    preview: Preview = None,
) -> None:
    """Boxes in YOLO's text files: one row an image, those without a line empty."""
    from medrec.workflows.importing_boxes import import_yolo

    _check_patient(patient, is_unknown=patient_unknown)
    say(import_yolo(source, out=out, patient=patient, as_label=as_label, preview=preview))


@reports_errors
def seg(  # noqa: PLR0913 (each is an option)
    source: Annotated[Path, typer.Argument(help="Folder of DICOM series and segmentations.")],
    out: Manifest,
    patient: Patient = None,
    patient_id: Annotated[
        bool, typer.Option("--patient-id", help="The patient is DICOM's PatientID, hashed.")
    ] = False,
    patient_unknown: Annotated[
        bool, typer.Option("--patient-unknown", help="Nothing tells patients: each study is one.")
    ] = False,
    boxes_of: Annotated[
        str, typer.Option("--boxes", help="Boxes of a slice, or of a volume.")
    ] = "volume",
    as_label: AsLabel = None,
    smallest: Annotated[
        int, typer.Option("--smallest", min=1, help="Smaller pieces have no box.")
    ] = 1,
    preview: Preview = None,
) -> None:
    """Boxes of the segments of DICOM segmentations: one row a series that one was drawn on."""
    from medrec.workflows.import_folders import to_patient
    from medrec.workflows.importing_boxes import import_seg

    text = import_seg(
        source,
        out=out,
        patient=to_patient(patient, by_id=patient_id, is_unknown=patient_unknown),
        per=boxes_of,
        as_label=as_label,
        smallest=smallest,
        preview=preview,
    )
    say(text)


@reports_errors
def boxes(  # noqa: PLR0913 (each is an option)
    source: Annotated[Path, typer.Argument(help="Table with one line a box (CSV or TSV).")],
    out: Manifest,
    path: Annotated[str, typer.Option("--path", help="Column of the image's path.")],
    box: Corners = "x0,y0,x1,y1",
    size: IsSize = False,
    label: Annotated[str | None, typer.Option("--label", help="What all boxes show.")] = None,
    label_column: LabelColumn = None,
    attribute: Attributes = [],  # noqa: B006 (typer copies it)
    counts: Counts = None,
    patient_column: PatientColumn = None,
    patient: Patient = None,
    patient_unknown: PatientUnknown = False,
    images: Images = None,
    root: Root = None,
    preview: Preview = None,
) -> None:
    """Boxes in a table of somebody else's columns: one row an image."""
    from medrec.data.importers_boxes import BoxColumns
    from medrec.errors import UsageError
    from medrec.workflows.importing import to_pairs
    from medrec.workflows.importing_boxes import import_boxes

    _check_patient(patient or patient_column, is_unknown=patient_unknown)
    if label is None and label_column is None:
        message = "say what boxes show: --label NAME, or --label-column COLUMN"
        raise UsageError(message)
    columns = BoxColumns(
        path=path,
        box=tuple(name.strip() for name in box.split(",")),
        label=label,
        label_column=label_column,
        is_size=size,
        patient=patient_column,
        attributes=to_pairs("--attribute", attribute),
        counts=counts,
    )
    text = import_boxes(
        source, out=out, columns=columns, root=root, patient=patient, images=images,
        preview=preview,
    )  # fmt: skip
    say(text)


def _check_patient(told: str | None, *, is_unknown: bool) -> None:
    from medrec.errors import UsageError

    if (told is not None) == is_unknown:
        message = (
            "say once how patients are told, or scans of one person end up in training and test: "
            "--patient REGEX on the path, a column where there is one, or --patient-unknown"
        )
        raise UsageError(message)
