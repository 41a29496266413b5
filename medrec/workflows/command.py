"""The command on a card that runs a training again."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.config.training import TrainConfig

_PLACES = ("data.root=", "data.manifest=", "cache.folder=")


def to_command(path: Path, config: TrainConfig, overrides: Sequence[str]) -> str:
    """What runs this again; neither where the data lay nor any other folder of this machine."""
    shown = [_shown(text) for text in overrides if not text.startswith(_PLACES)]
    if config.data.kind != "manifest":
        shown.append("data.root=FOLDER")
    elif any(text.startswith("data.manifest=") for text in overrides):
        shown.append("data.manifest=MANIFEST")
    words = ["medrec", "train", _name(path), "--out", "RUN"]
    return shlex.join([*words, *(word for text in shown for word in ("--set", text))])


def _name(path: Path) -> str:
    """A shipped config by its place in the project, another as given, an absolute one by name."""
    if path.parent.parts[-2:] == ("configs", "train"):
        return f"configs/train/{path.name}"
    return path.name if path.is_absolute() else path.as_posix()


def _shown(override: str) -> str:
    key, _, value = override.partition("=")
    return f"{key}={Path(value).name}" if Path(value).is_absolute() else override
