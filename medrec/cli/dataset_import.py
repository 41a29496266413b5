"""`medrec dataset import`: one command for each way in which archives say what their scans show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medrec.cli.console import reports_errors, say

app = typer.Typer(help="Make a manifest from an archive.", no_args_is_help=True)

Source = Annotated[Path, typer.Argument(help="Folder of the archive.")]
Manifest = Annotated[Path, typer.Option("--out", help="Manifest to write (CSV).")]
Labels = Annotated[
    list[str],
    typer.Option("--label", help="NAME=COLUMN, NAME=COLUMN:VALUES or NAME=COLUMN>=NUMBER."),
]
Attributes = Annotated[
    list[str], typer.Option("--attribute", help="What to keep beside, written like a label.")
]
Patient = Annotated[
    str | None,
    typer.Option("--patient", help="Regular expression on the path; its group is the patient."),
]


@app.command("folders")
@reports_errors
def folders(  # noqa: PLR0913 (each is an option)
    source: Source,
    out: Manifest,
    label: Annotated[
        list[str],
        typer.Option("--label", help="NAME=CLASS,CLASS: 1 there, 0 elsewhere; else one a class."),
    ] = [],  # noqa: B006 (typer copies it)
    patient: Patient = None,
    patient_id: Annotated[
        bool, typer.Option("--patient-id", help="The patient is DICOM's PatientID, hashed.")
    ] = False,
    patient_unknown: Annotated[
        bool, typer.Option("--patient-unknown", help="Nothing tells patients: each scan is one.")
    ] = False,
    split: Annotated[
        list[str], typer.Option("--split", help="SPLIT=FOLDER: folders above those of classes.")
    ] = [],  # noqa: B006 (typer copies it)
) -> None:
    """Label DICOM, NIfTI, PNG and JPEG scans by the folders that they lie in."""
    from medrec.workflows.import_folders import import_folders, to_patient
    from medrec.workflows.importing import to_pairs

    text = import_folders(
        source,
        out=out,
        patient=to_patient(patient, by_id=patient_id, is_unknown=patient_unknown),
        labels=to_pairs("--label", label),
        splits=to_pairs("--split", split),
    )
    say(text)


@app.command("bids")
@reports_errors
def bids(  # noqa: PLR0913 (each is an option)
    source: Annotated[Path, typer.Argument(help="Folder of the dataset.")],
    out: Manifest,
    suffix: Annotated[str, typer.Option("--suffix", help="Which scans: T1w, FLAIR, ...")],
    label: Labels,
    attribute: Attributes = [],  # noqa: B006 (typer copies it)
    only: Annotated[
        str | None, typer.Option("--only", help="Regular expression that their paths match.")
    ] = None,
    may_lack: Annotated[
        bool, typer.Option("--may-lack", help="Leave out participants without such a scan.")
    ] = False,
) -> None:
    """Label the scans of a BIDS dataset by its participants.tsv: one row a file."""
    from medrec.data.importers_bids import BidsQuestion
    from medrec.workflows.import_bids import import_bids
    from medrec.workflows.importing import to_pairs, to_search

    question = BidsQuestion(
        suffix=suffix,
        labels=to_pairs("--label", label),
        attributes=to_pairs("--attribute", attribute),
        is_meant=to_search("--only", only) if only is not None else None,
        may_lack=may_lack,
    )
    say(import_bids(source, out=out, question=question))


@app.command("masks")
@reports_errors
def masks(  # noqa: PLR0913 (each is an option)
    source: Source,
    out: Manifest,
    images: Annotated[str, typer.Option("--images", help="Images: a glob below SOURCE.")],
    mask: Annotated[
        str,
        typer.Option("--mask", help="Mask, from its image's folder; {stem} is the image's name."),
    ],
    label: Annotated[
        str, typer.Option("--label", help="Name of what the masks outline.")
    ] = "tumor",
    per: Annotated[str, typer.Option("--per", help="A row a slice, or a case.")] = "slice",
    smallest: Annotated[
        int, typer.Option("--smallest", min=1, help="Smallest region of a slice that is positive.")
    ] = 1,
    smaller_unknown: Annotated[
        bool, typer.Option("--smaller-unknown", help="Smaller regions are unknown, not negative.")
    ] = False,
    cases: Annotated[
        Path | None, typer.Option("--cases", help="CSV of attributes, one row a patient.")
    ] = None,
    patient: Patient = None,
    boxes: Annotated[
        str | None, typer.Option("--boxes", help="Boxes of the masks too: a slice, or a volume.")
    ] = None,
    preview: Annotated[
        Path | None, typer.Option("--preview", help="PNG of images with their boxes.")
    ] = None,
) -> None:
    """Label NIfTI volumes, PNG or JPEG images by their masks: one row a slice, or a case."""
    from medrec.errors import UsageError
    from medrec.workflows.import_masks import import_masks, to_rule
    from medrec.workflows.importing_boxes import import_masks_with_boxes

    if preview is not None and boxes is None:
        message = "--preview draws boxes: say --boxes slice or --boxes volume too"
        raise UsageError(message)
    rule = to_rule(label, per=per, least_px=smallest, is_smaller_unknown=smaller_unknown)
    if boxes is not None:
        text = import_masks_with_boxes(
            source,
            out=out,
            images=images,
            mask=mask,
            rule=rule,
            per=boxes,
            cases=cases,
            patient=patient,
            preview=preview,
        )
        say(text)
        return
    text = import_masks(
        source, out=out, images=images, mask=mask, rule=rule, cases=cases, patient=patient
    )
    say(text)


@app.command("csv")
@reports_errors
def table(  # noqa: PLR0913 (each is an option)
    source: Annotated[Path, typer.Argument(help="Table of the archive (CSV or TSV).")],
    out: Manifest,
    path: Annotated[str, typer.Option("--path", help="Column of the scan's path.")],
    patient: Annotated[str, typer.Option("--patient", help="Column of the patient.")],
    label: Labels,
    attribute: Attributes = [],  # noqa: B006 (typer copies it)
    mask: Annotated[str | None, typer.Option("--mask", help="Column of the mask's path.")] = None,
    split: Annotated[str | None, typer.Option("--split", help="Column of the split.")] = None,
    root: Annotated[
        Path | None, typer.Option("--root", help="Where paths start; the table's folder if not.")
    ] = None,
    same_patient: Annotated[
        list[str], typer.Option("--same-patient", help="A=B: two names of one patient.")
    ] = [],  # noqa: B006 (typer copies it)
) -> None:
    """Label scans by the table that came with them: one row a line."""
    from medrec.data.importers_table import ColumnMapping
    from medrec.workflows.import_table import import_csv
    from medrec.workflows.importing import to_pairs

    mapping = ColumnMapping(
        path=path,
        patient=patient,
        labels=to_pairs("--label", label),
        attributes=to_pairs("--attribute", attribute),
        mask=mask,
        split=split,
    )
    say(import_csv(source, out=out, mapping=mapping, root=root, same_patient=same_patient))
