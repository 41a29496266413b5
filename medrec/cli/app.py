"""The command `medrec`: one file a verb, each loading its workflow when it is called."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

import medrec
from medrec.cli import (
    acceptance,
    calibrate,
    config,
    configure,
    dataset,
    deidentify,
    doctor,
    evaluate,
    inspect,
    models,
    pretrain,
    report,
    screen,
    train,
)
from medrec.cli.console import reports_errors

app = typer.Typer(
    name="medrec",
    help="Screen X-ray and MRI scans for tumors: calibrated, explained, evaluated.",
    epilog="Research use. Not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)

app.command("inspect")(reports_errors(inspect.command))
app.command("screen")(reports_errors(screen.command))
app.command("configure")(reports_errors(configure.command))
app.command("train")(reports_errors(train.command))
app.command("pretrain")(reports_errors(pretrain.command))
app.command("calibrate")(reports_errors(calibrate.command))
app.command("evaluate")(reports_errors(evaluate.command))
app.command("acceptance")(reports_errors(acceptance.command))
app.command("report")(reports_errors(report.command))
app.command("deidentify")(reports_errors(deidentify.command))
app.add_typer(dataset.app, name="dataset")
app.add_typer(models.app, name="models")
app.add_typer(config.app, name="config")
app.command("doctor")(reports_errors(doctor.command))


def _version(value: bool) -> None:
    if value:
        typer.echo(f"medrec {medrec.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before any verb."""


def main() -> None:
    """Run the command line; being ended, or losing the terminal, cleans up as Ctrl-C does."""
    for name in ("SIGTERM", "SIGHUP"):
        ending = getattr(signal, name, None)
        if ending is not None and signal.getsignal(ending) is signal.SIG_DFL:  # nohup ignores one
            signal.signal(ending, signal.default_int_handler)
    app()
