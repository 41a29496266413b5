"""`medrec dataset`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from medrec.cli.console import printable, progress, reports_errors, say

app = typer.Typer(help="Make manifests of labelled scans.", no_args_is_help=True)
imports = typer.Typer(help="Make a manifest from an archive.", no_args_is_help=True)
app.add_typer(imports, name="import")

_PATIENT = typer.Option(
    "--patient", help="Regular expression for paths; its one group is the patient."
)


@imports.command("masks")
@reports_errors
def masks(  # noqa: PLR0913 (each is an option)
    source: Annotated[Path, typer.Argument(help="Folder of the archive.")],
    out: Annotated[Path, typer.Option("--out", help="Manifest to write (CSV).")],
    images: Annotated[str, typer.Option("--images", help="Images: a glob below SOURCE.")],
    mask: Annotated[
        str, typer.Option("--mask", help="The mask, from each image's folder; may hold {stem}.")
    ],
    label: Annotated[
        str, typer.Option("--label", help="Name of what the masks outline.")
    ] = "tumor",
    cases: Annotated[
        Path | None, typer.Option("--cases", help="CSV of attributes, one row a patient.")
    ] = None,
    per: Annotated[Literal["slice", "case"], typer.Option("--per", help="What a row is.")] = (
        "slice"
    ),
    smallest: Annotated[
        int, typer.Option("--smallest", min=1, help="Outlined voxels that make a row positive.")
    ] = 1,
    patient: Annotated[str | None, _PATIENT] = None,
) -> None:
    """Label NIfTI volumes, or pictures, by their masks: one row a slice or a case."""
    from medrec.data.importers import MaskReading
    from medrec.data.patients import patient_pattern
    from medrec.workflows.import_masks import import_masks

    find = patient_pattern(patient) if patient else None
    reading = MaskReading(images, mask, label, per, smallest, find)
    say(import_masks(source, out=out, reading=reading, cases=cases))


@imports.command("folders")
@reports_errors
def folders(
    source: Annotated[Path, typer.Argument(help="Folder that holds a folder for each class.")],
    out: Annotated[Path, typer.Option("--out", help="Manifest to write (CSV).")],
    label: Annotated[
        str | None, typer.Option("--label", help="One label; needs --positive.")
    ] = None,
    positive: Annotated[
        list[str], typer.Option("--positive", help="Folder that has the label; repeatable.")
    ] = [],  # noqa: B006 (typer copies it)
    patient: Annotated[str | None, _PATIENT] = None,
) -> None:
    """Label scans by the folder that they lie in: one row a scan."""
    from medrec.workflows.import_folders import import_folders

    for line in import_folders(source, out=out, label=label, positive=positive, patient=patient):
        say(line)


@imports.command("bids")
@reports_errors
def bids(
    source: Annotated[Path, typer.Argument(help="Folder of the dataset, with participants.tsv.")],
    out: Annotated[Path, typer.Option("--out", help="Manifest to write (CSV).")],
    suffix: Annotated[str, typer.Option("--suffix", help="Which scans: T1w, FLAIR ...")],
    label: Annotated[
        list[str],
        typer.Option("--label", help="NAME=COLUMN, NAME=COLUMN:VALUES or NAME=COLUMN>=NUMBER."),
    ],
    attribute: Annotated[
        list[str], typer.Option("--attribute", help="What to keep beside, written like a label.")
    ] = [],  # noqa: B006 (typer copies it)
) -> None:
    """Label the scans of a BIDS dataset by its participants: one row a scan."""
    from medrec.workflows.import_bids import import_bids
    from medrec.workflows.import_table import to_pairs

    labels, attributes = to_pairs("--label", label), to_pairs("--attribute", attribute)
    for line in import_bids(source, out=out, suffix=suffix, labels=labels, attributes=attributes):
        say(line)


@imports.command("csv")
@reports_errors
def table(  # noqa: PLR0913 (each is an option)
    source: Annotated[Path, typer.Argument(help="Table of the archive (CSV or TSV).")],
    out: Annotated[Path, typer.Option("--out", help="Manifest to write (CSV).")],
    path: Annotated[str, typer.Option("--path", help="Column of the scan's path.")],
    patient: Annotated[str, typer.Option("--patient", help="Column of the patient.")],
    label: Annotated[
        list[str],
        typer.Option("--label", help="NAME=COLUMN, NAME=COLUMN:VALUES or NAME=COLUMN>=NUMBER."),
    ],
    attribute: Annotated[
        list[str], typer.Option("--attribute", help="What to keep beside, written like a label.")
    ] = [],  # noqa: B006 (typer copies it)
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
    from medrec.workflows.import_table import import_csv, to_pairs

    mapping = ColumnMapping(
        path=path,
        patient=patient,
        labels=to_pairs("--label", label),
        attributes=to_pairs("--attribute", attribute),
        mask=mask,
        split=split,
    )
    say(import_csv(source, out=out, mapping=mapping, root=root, same_patient=same_patient))


@app.command("audit")
@reports_errors
def audit_command(
    manifest: Annotated[Path, typer.Argument(help="Manifest of labelled scans.")],
    splits: Annotated[Path | None, typer.Option("--splits", help="Frozen splits (CSV).")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the report.")] = None,
    without: Annotated[
        list[str],
        typer.Option("--without", help="An attribute made from the labels themselves; repeatable."),
    ] = [],  # noqa: B006 (typer copies it)
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look for leaks, duplicates, imbalance and labels that metadata tell.

    Exit code 1 where a training would stop, 3 where files couldn't be read.
    """
    import json

    from medrec.workflows.audit import audit

    with progress("auditing") as update:
        report = audit(manifest, splits=splits, out=out, without=without, on_progress=update)
    if as_json:
        say(json.dumps(report.to_json(), indent=2))
    for line in () if as_json else [*report.lines(), *report.problem_lines()]:
        say(printable(line))
    if report.blocking or report.faults:
        raise typer.Exit(1)
    if report.unreadable:
        raise typer.Exit(3)
