"""`medrec configure`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from medrec.cli.console import say, show_table
from medrec.cli.options import AsJson, Device


def command(  # noqa: PLR0913
    manifest: Annotated[Path, typer.Argument(help="Manifest with scans and labels.")],
    out: Annotated[Path, typer.Option("--out", help="Config to write; mustn't exist.")],
    name: Annotated[str | None, typer.Option("--name", help="Name of the model.")] = None,
    label: Annotated[
        list[str], typer.Option("--label", help="A label column; repeatable. All if left out.")
    ] = [],  # noqa: B006 (typer copies it)
    primary: Annotated[
        str | None, typer.Option("--primary", help="The label that decides; the first if left out.")
    ] = None,
    modality: Annotated[
        str | None, typer.Option("--modality", help="Where headers name none: MR, DX, MG ...")
    ] = None,
    body_part: Annotated[
        str | None, typer.Option("--body-part", help="Where headers name none: BRAIN, CHEST ...")
    ] = None,
    sequence: Annotated[
        str | None, typer.Option("--sequence", help="Of MR where headers name none: flair, t1c ...")
    ] = None,
    budget_minutes: Annotated[
        float, typer.Option("--budget-minutes", help="How long training may take here.")
    ] = 60.0,
    device: Device = "auto",
    splits: Annotated[
        Path | None, typer.Option("--splits", help="Frozen splits by patient to keep to.")
    ] = None,
    sample: Annotated[int, typer.Option("--sample", help="Scans whose pixels are read.")] = 200,
    detect: Annotated[
        bool, typer.Option("--detect", help="A detector, from boxes or masks; else a classifier.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a complete training config for an archive; every choice carries its reason."""
    from medrec.workflows.configure import configure, to_rows

    result = configure(
        manifest,
        out=out,
        name=name,
        labels=label,
        primary=primary,
        modality=modality,
        body_part=body_part,
        sequence=sequence,
        budget_minutes=budget_minutes,
        device=device,
        splits=splits,
        sample=sample,
        detect=detect,
    )
    if as_json:
        say(json.dumps(result.to_json(), indent=2))
        return
    show_table("Fingerprint", ["fact", "found"], to_rows(result.fingerprint))
    for note in result.notes:
        say(note)
    say(f"{result.path}: written; read its comments and its TODO lines before training")
