"""Versions and digests that make a run traceable."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

    from medrec.config.training import TrainConfig

Without = dict[str, bool | dict[str, bool]]

_PACKAGES = (
    "medrec",
    "torch",
    "torchvision",
    "timm",
    "monai",
    "lightning",
    "numpy",
    "scipy",
    "scikit-learn",
    "pydicom",
    "highdicom",
    "nibabel",
)


def versions(packages: Iterable[str] = _PACKAGES) -> dict[str, str]:
    """Installed versions by distribution name, Python's own included."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def digest_of(config: BaseModel, *, without: Without | None = None) -> str:
    """`sha256:` and the digest of a resolved config's JSON, keys sorted, some fields left out.

    What is not asked for (None) counts as absent: an option that a later version adds doesn't
    change the digest of a config that doesn't use it.
    """
    asked = config.model_dump(mode="json", exclude=without, exclude_none=True)
    text = json.dumps(asked, sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def digest_of_fit(config: TrainConfig) -> str:
    """Digest of what shaped the weights.

    Not the words of the card, nor what was overruled of the audit, nor where data or cache lay, nor
    where losses were logged.
    """
    cache = config.cache
    without: Without = {
        "card": True,
        "audit": True,
        "data": {"root": True, "manifest": True},
        "fit": {"logger": True},
    }
    if cache is None or cache.dtype in {None, "float16"}:
        without |= {"cache": True}
    else:
        without |= {"cache": {"folder": True}}
    return digest_of(config, without=without)
