"""`medrec dataset`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medrec.cli.console import reports_errors, say

app = typer.Typer(help="Make manifests of labelled scans.", no_args_is_help=True)
imports = typer.Typer(help="Make a manifest from an archive.", no_args_is_help=True)
app.add_typer(imports, name="import")


@imports.command("masks")
@reports_errors
def masks(
    source: Annotated[Path, typer.Argument(help="Folder of the archive.")],
    out: Annotated[Path, typer.Option("--out", help="Manifest to write (CSV).")],
    images: Annotated[str, typer.Option("--images", help="Images: a glob below SOURCE.")],
    mask: Annotated[str, typer.Option("--mask", help="Name of the mask beside each image.")],
    label: Annotated[
        str, typer.Option("--label", help="Name of what the masks outline.")
    ] = "tumor",
    cases: Annotated[
        Path | None, typer.Option("--cases", help="CSV of attributes, one row a patient.")
    ] = None,
) -> None:
    """Label each slice of NIfTI volumes by their masks: one row a slice."""
    from medrec.workflows.import_masks import import_masks

    say(import_masks(source, out=out, images=images, mask=mask, label=label, cases=cases))
