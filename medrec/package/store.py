"""Where models are found: those that ship with medrec, and folders of the user's own."""

from __future__ import annotations

from pathlib import Path

import medrec
from medrec.errors import PackageError

_ZOO = Path(medrec.__file__).parent / "zoo"


def shipped_models() -> dict[str, Path]:
    """Names and folders of the models that ship with medrec, sorted by name."""
    return {path.parent.name: path.parent for path in sorted(_ZOO.glob("*/package.yaml"))}


def find_model(model: str | Path) -> Path:
    """Turn a shipped name or a folder into the folder of a model.

    Raises:
        PackageError: Neither; the message lists the shipped names.
    """
    shipped = shipped_models()
    if str(model) in shipped:
        return shipped[str(model)]
    if Path(model).is_dir():
        return Path(model)
    names = ", ".join(shipped) or "none"
    message = f"{model} is neither a folder nor a shipped model (shipped: {names})"
    raise PackageError(message)
