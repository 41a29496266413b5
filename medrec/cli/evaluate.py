"""`medrec evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medrec.cli.console import fail, say, show_table
from medrec.cli.options import Out, Overrides, Overwrite


def command(  # noqa: PLR0913 (the options of the command)
    predictions: Annotated[
        Path, typer.Argument(help="A screened folder or its predictions.jsonl.")
    ],
    against: Annotated[Path, typer.Option("--against", help="Manifest with the truth.")],
    out: Out,
    split: Annotated[
        str | None, typer.Option("--split", help="Only the manifest's rows of this split.")
    ] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Open the manifest's scans to draw boxes on.")
    ] = False,
    overwrite: Overwrite = False,
    overrides: Overrides = [],  # noqa: B006 (typer copies it)
) -> None:
    """Hold predictions against truth: every figure with its interval, as HTML and JSON."""
    if split not in (None, "train", "tune", "calibrate", "test"):
        fail(f"--split {split} is none of train, tune, calibrate, test", code=2)
    from medrec.workflows.evaluate import evaluate, to_rows

    result = evaluate(
        predictions,
        against=against,
        out=out,
        split=split,
        pictures=pictures,
        overwrite=overwrite,
        overrides=overrides,
    )
    show_table("Evaluation", ["label", "level", "figure", "estimate"], to_rows(result))
    for note in result.notes:
        say(f"note: {note}")
    say(f"report: {out / 'report.html'}")
