"""The output folder of a verb: made, resumed or overwritten, never mixed up."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import yaml

from medrec.config.base import BAD_YAML
from medrec.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

RUN = "run.yaml"


def prepare_output(
    out: Path,
    *,
    resume: bool | None = None,
    overwrite: bool | None = None,
    inputs: Iterable[Path] = (),
) -> None:
    """Make `out`, or check that what is in it may be continued or removed.

    `resume` and `overwrite` are None for a verb that has no such option. `inputs` are what the run
    reads: a folder that holds one of them is never removed.

    Raises:
        OutputError: A file, a folder that isn't empty and wasn't named by --resume or --overwrite,
            or one to overwrite that medrec didn't make or that holds an input.
    """
    if out.exists() and not out.is_dir():
        message = f"--out {out} is a file: name a folder"
        raise OutputError(message)
    if out.is_dir() and any(out.iterdir()) and not resume:
        if not overwrite:
            options = {"--resume": resume, "--overwrite": overwrite}
            known = " or ".join(name for name, given in options.items() if given is not None)
            message = f"--out {out} isn't empty: name another folder"
            raise OutputError(f"{message}, or give {known}" if known else message)
        if not (out / RUN).is_file():
            message = f"--out {out} has no {RUN}, so medrec didn't make it and won't remove it"
            raise OutputError(message)
        _check_inputs(out, inputs)
        shutil.rmtree(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"--out {out} can't be made: {error.strerror}"
        raise OutputError(message) from error


def _check_inputs(out: Path, inputs: Iterable[Path]) -> None:
    folder = out.resolve()
    for path in inputs:
        if folder in (path.resolve(), *path.resolve().parents):
            message = f"--overwrite would remove {path}, which this run reads: name another --out"
            raise OutputError(message)


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Around what writes into `out`: a full disk, or one that is gone, is one clear error.

    Raises:
        OutputError: What the disk said, and how to go on.
    """
    try:
        yield
    except BrokenPipeError:  # a closed terminal is no disk
        raise
    except OSError as error:
        message = (
            f"--out {out} can't be written: {error.strerror or type(error).__name__}. What is "
            "finished is kept: make room, then give the same command with --resume"
        )
        raise OutputError(message) from error


def write_run(out: Path, facts: Mapping[str, Any]) -> None:
    """Write `run.yaml`, whole or not at all: what ran, with which versions, on what.

    Raises:
        OutputError: The folder can't be written.
    """
    text = yaml.safe_dump(dict(facts), sort_keys=False, width=100)
    part = out / f"{RUN}.part"
    with writing(out):
        part.write_text(text, encoding="utf-8")
        part.replace(out / RUN)


def read_run(out: Path) -> dict[str, Any]:
    """Read `run.yaml`; empty where there is none.

    Raises:
        OutputError: It is no YAML.
    """
    path = out / RUN
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, *BAD_YAML) as error:
        message = f"{path} can't be read, so what was asked there is unknown: name another --out"
        raise OutputError(message) from error
    return data if isinstance(data, dict) else {}
