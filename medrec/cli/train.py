"""`medrec train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medrec.cli.console import say, tell
from medrec.cli.options import Device, Out, Overrides, Resume


def command(
    config: Annotated[Path, typer.Argument(help="A training config, see configs/train.")],
    out: Out,
    device: Device = "auto",
    resume: Resume = False,
    overrides: Overrides = [],  # noqa: B006 (typer copies it)
) -> None:
    """Train, calibrate and test a model; the run folder holds the package."""
    from medrec.workflows.train import lead_or_take_part

    result = lead_or_take_part(
        config, out=out, device=device, resume=resume, overrides=overrides, say=tell
    )
    for line in result.summary_lines() if result else []:
        say(line)
