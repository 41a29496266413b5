"""`medrec models`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from medrec.cli.console import reports_errors, say, show_table
from medrec.cli.options import AsJson

app = typer.Typer(help="The models that ship with medrec, and your own.", no_args_is_help=True)
Model = Annotated[str, typer.Argument(help="A shipped model's name, or a folder.")]


@app.command("list")
@reports_errors
def list_(as_json: AsJson = False) -> None:
    """List the shipped models with their scope and terms."""
    from medrec.workflows.models import list_models

    models = list_models()
    if as_json:
        say(json.dumps(models, indent=2))
        return
    columns = ["name", "version", "input", "labels", "terms"]
    show_table("Shipped models", columns, [[model[c] for c in columns] for model in models])


@app.command("show")
@reports_errors
def show(model: Model) -> None:
    """Print a model's card."""
    from medrec.workflows.models import show_model

    say(show_model(model))


@app.command("verify")
@reports_errors
def verify(model: Model) -> None:
    """Check every file of a model against its checksums."""
    from medrec.workflows.models import verify_model

    say(verify_model(model))
