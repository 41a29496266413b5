"""`medrec calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medrec.cli.console import fail, progress, say
from medrec.cli.options import Device, Out


def command(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a folder.")],
    manifest: Annotated[Path, typer.Option("--on", help="Manifest of scans with known labels.")],
    out: Out,
    method: Annotated[str, typer.Option("--method", help="auto, temperature or platt.")] = "auto",
    prevalence: Annotated[
        float | None, typer.Option("--prevalence", help="Share of positives where it is used.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Fit a model's probabilities and thresholds to your own labelled scans."""
    if method not in ("auto", "temperature", "platt"):
        fail(f"--method {method} is none of auto, temperature, platt", code=2)
    from medrec.workflows.calibrate import calibrate

    with progress("scoring") as update:
        result = calibrate(
            model,
            on=manifest,
            out=out,
            method=method,
            prevalence=prevalence,
            device=device,
            on_case=update,
        )
    for line in result.summary_lines():
        say(line)
