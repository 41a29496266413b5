"""`medrec acceptance`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medrec.cli.console import progress, say, show_table, tell
from medrec.cli.options import Device, Out, Overwrite

if TYPE_CHECKING:
    from medrec.workflows.acceptance_outcome import AcceptanceRun


def command(  # noqa: PLR0913 (the options of the command)
    scans: Annotated[
        Path, typer.Argument(help="Scans without a lesion: a folder, a file, or a manifest (CSV).")
    ],
    model: Annotated[str, typer.Option("--model", help="A shipped model's name, or a folder.")],
    out: Out,
    require: Annotated[
        bool, typer.Option("--require", help="Exit with 1 if a line is worse than at home.")
    ] = False,
    home: Annotated[
        Path | None,
        typer.Option("--home", help="Write a copy of the model that holds these as home figures."),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", help="Lesions to plant: a YAML, or a shipped recipe's name."),
    ] = None,
    lesions: Annotated[int, typer.Option("--lesions", help="Lesions a scan, one at a time.")] = 6,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the lesions.")] = 0,
    device: Device = "auto",
    overwrite: Overwrite = False,
    hide_paths: Annotated[
        bool, typer.Option("--hide-paths", help="Write hashes in place of file paths.")
    ] = False,
) -> None:
    """Plant lesions into your own scans: what would the model miss here?"""
    from medrec.workflows.acceptance import acceptance

    with progress("planting and screening") as update:
        run = acceptance(
            scans,
            model=model,
            out=out,
            require=require,
            home=home,
            recipe=recipe,
            lesions=lesions,
            seed=seed,
            device=device,
            overwrite=overwrite,
            hide_paths=hide_paths,
            on_scan=update,
        )
    _show(run)
    raise typer.Exit(run.exit_code)


def _show(run: AcceptanceRun) -> None:
    from medrec.reporting.acceptance_view import figure_words, line_title

    rows = [
        [
            line_title(line.name),
            figure_words(line.here),
            figure_words(line.home),
            str(line.n),
            line.verdict or "",
        ]
        for line in run.result.lines
    ]
    show_table("Planted lesions", ["what", "here", "at home", "n", "verdict"], rows)
    for text in run.summary_lines():
        say(text)
    for text in run.terms:
        tell(text)
