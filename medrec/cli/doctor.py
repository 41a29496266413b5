"""`medrec doctor`."""

from __future__ import annotations

import json

import typer

from medrec.cli.console import say, show_table
from medrec.cli.options import AsJson


def command(as_json: AsJson = False) -> None:
    """Check versions, decoders, devices and disk; say what is missing and how to get it."""
    from medrec.workflows.doctor import examine

    checks = examine()
    if as_json:
        say(json.dumps([check.to_json() for check in checks], indent=2))
    else:
        rows = [[check.name, check.state, check.detail, check.fix] for check in checks]
        show_table("medrec doctor", ["check", "state", "found", "what to do"], rows)
    if any(check.state == "missing" for check in checks):
        raise typer.Exit(1)
