"""`medrec report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from medrec.cli.console import fail, say


def command(
    out: Annotated[Path, typer.Argument(help="A folder that `medrec screen` wrote.")],
    case: Annotated[str | None, typer.Option("--case", help="One case, by its id.")] = None,
    form: Annotated[str, typer.Option("--format", help="html or json.")] = "html",
) -> None:
    """Draw the reports again from saved predictions."""
    if form not in ("html", "json"):
        fail(f"--format {form} is none of html, json", code=2)
    from medrec.workflows.report import report

    for path in report(out, case=case, format=cast("Literal['html', 'json']", form)):
        say(str(path))
