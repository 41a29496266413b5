"""`medrec deidentify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medrec.cli.console import progress, say, tell
from medrec.cli.options import Out, Overwrite


def command(
    scans: Annotated[Path, typer.Argument(help="A folder of scans, or one file.")],
    out: Out,
    overwrite: Overwrite = False,
    linking_table: Annotated[
        Path | None,
        typer.Option("--linking-table", help="CSV to write: which copy is of which file."),
    ] = None,
) -> None:
    """Copy images without names: headers cleaned, pixels untouched, files numbered."""
    from medrec.domain.counting import counted
    from medrec.workflows.deidentify import deidentify

    with progress("de-identifying") as update:
        result = deidentify(
            scans, out=out, overwrite=overwrite, linking_table=linking_table, on_file=update
        )
    for line in result.summary_lines():
        say(line)
    if result.flagged:
        files = counted(result.flagged, "file", "files")
        tell(f"{files} may have text in their pixels: see burned_in_annotation")
    tell("Pixels are not changed: look at the pictures before you pass them on.")
    raise typer.Exit(result.exit_code)
