"""`medrec config`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from medrec.cli.console import reports_errors, say, show_table

app = typer.Typer(help="Configs: list, show, check, and what they may hold.", no_args_is_help=True)


@app.command("list")
@reports_errors
def list_(
    folder: Annotated[Path, typer.Argument(help="Where to look.")] = Path("configs"),
) -> None:
    """List the configs below a folder."""
    from medrec.workflows.configs import list_configs

    show_table("Configs", ["path", "kind", "problems"], list_configs(folder))


@app.command("show")
@reports_errors
def show(file: Annotated[Path, typer.Argument(help="A config.")]) -> None:
    """Print a config with every default filled in."""
    from medrec.workflows.configs import show_config

    say(show_config(file))


@app.command("validate")
@reports_errors
def validate(files: Annotated[list[Path], typer.Argument(help="Configs to check.")]) -> None:
    """Check configs; every problem of every file is printed."""
    from medrec.workflows.configs import validate_configs

    for line in validate_configs(files):
        say(line)


@app.command("schema")
@reports_errors
def schema(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="train, pretrain, screen, rules, evaluate or lesions; all if left out."
        ),
    ] = None,
) -> None:
    """Print the JSON schema of configs."""
    from medrec.workflows.configs import config_schema

    say(json.dumps(config_schema(kind), indent=2))
