"""`medrec dataset`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medrec.cli import dataset_import, dataset_import_boxes
from medrec.cli.console import printable, progress, reports_errors, say
from medrec.cli.options import Out

app = typer.Typer(help="Make manifests of labelled scans.", no_args_is_help=True)
dataset_import_boxes.add_to(dataset_import.app)
app.add_typer(dataset_import.app, name="import")


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


@app.command("plant")
@reports_errors
def plant_command(  # noqa: PLR0913 (the options of the command)
    manifest: Annotated[Path, typer.Argument(help="Manifest of films, 0 where they are free.")],
    recipe: Annotated[
        Path, typer.Option("--recipe", help="What is planted: a YAML, or a shipped recipe's name.")
    ],
    out: Out,
    label: Annotated[
        str | None, typer.Option("--label", help="The label that becomes 1; the only one if not.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same one plants the same.")] = 1,
    lesions: Annotated[int, typer.Option("--lesions", help="How many a film gets.")] = 1,
    copies: Annotated[int, typer.Option("--copies", help="Planted copies of each film.")] = 1,
    twins: Annotated[
        bool, typer.Option("--twins", help="The untouched films stand in the manifest too.")
    ] = False,
    split: Annotated[
        list[str],
        typer.Option("--split", help="Plant into these splits alone, keep all other rows."),
    ] = [],  # noqa: B006 (typer copies it)
) -> None:
    """Plant lesions of known place and size into copies of lesion-free films.

    Exit code 3 where films were refused, each with its reason.
    """
    from medrec.workflows.plant import plant

    with progress("planting") as update:
        result = plant(
            manifest,
            recipe=recipe,
            out=out,
            label=label,
            seed=seed,
            lesions=lesions,
            copies=copies,
            twins=twins,
            splits=split,
            on_row=update,
        )
    for line in result.lines():
        say(printable(line))
    if result.refused:
        raise typer.Exit(3)
