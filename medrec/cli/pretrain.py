"""`medrec pretrain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medrec.cli.console import say, tell
from medrec.cli.options import Device, Out, Overrides, Resume


def command(
    config: Annotated[Path, typer.Argument(help="A pretraining config, see configs/pretrain.")],
    out: Out,
    device: Device = "auto",
    resume: Resume = False,
    overrides: Overrides = [],  # noqa: B006 (typer copies it)
) -> None:
    """Learn first weights from scans without labels; a training begins with them."""
    from medrec.workflows.pretrain import pretrain

    result = pretrain(config, out=out, device=device, resume=resume, overrides=overrides, say=tell)
    for line in result.summary_lines():
        say(line)
