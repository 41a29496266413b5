"""The output folder of a verb: made, resumed or overwritten, never mixed up."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import yaml

from medrec.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RUN = "run.yaml"


def prepare_output(out: Path, *, resume: bool = False, overwrite: bool = False) -> None:
    """Make `out`, or check that what is in it may be continued or removed.

    Raises:
        OutputError: A file, a folder that isn't empty and wasn't named by --resume or --overwrite,
            or one to overwrite that medrec didn't make.
    """
    if out.exists() and not out.is_dir():
        message = f"--out {out} is a file: name a folder"
        raise OutputError(message)
    if out.is_dir() and any(out.iterdir()) and not resume:
        if not overwrite:
            message = (
                f"--out {out} isn't empty: name another folder, or give --resume or --overwrite"
            )
            raise OutputError(message)
        if not (out / RUN).is_file():
            message = f"--out {out} has no {RUN}, so medrec didn't make it and won't remove it"
            raise OutputError(message)
        shutil.rmtree(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"--out {out} can't be made: {error.strerror}"
        raise OutputError(message) from error


def write_run(out: Path, facts: Mapping[str, Any]) -> None:
    """Write `run.yaml`: what ran, with which versions, on what."""
    text = yaml.safe_dump(dict(facts), sort_keys=False, width=100)
    (out / RUN).write_text(text, encoding="utf-8")


def read_run(out: Path) -> dict[str, Any]:
    """Read `run.yaml`; empty where there is none."""
    path = out / RUN
    data = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return data if isinstance(data, dict) else {}
