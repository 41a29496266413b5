"""`medrec inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medrec.cli.console import say, show_table
from medrec.cli.options import AsJson


def command(
    scans: Annotated[Path, typer.Argument(help="A folder of scans, or one file.")],
    rules: Annotated[
        str | None, typer.Option("--rules", help="A rules file, or a model: how series are chosen.")
    ] = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="Read every image: shape, range and digest.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a folder holds: cases, series, what would be screened or refused, and why."""
    from medrec.workflows.inspect import open_report

    with open_report(scans, rules=rules, decode=decode) as report:
        if as_json:
            for line in report.json_lines():
                say(line)
            return
        columns = ["case", "source", "format", "modality", "sequence", "images", "spacing"]
        columns += ["verdict", "decoded"] if decode else ["verdict"]
        show_table("Series", columns, report.series_rows())
        if report.other_files:
            show_table("Other files", ["path", "status", "code", "detail"], report.file_rows())
        say(report.summary())
