"""`medrec models`: what ships, what a card says, whether a folder is unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.package.package import CARD, open_package
from medrec.package.store import find_model, shipped_models

if TYPE_CHECKING:
    from pathlib import Path


def list_models() -> list[dict[str, str]]:
    """Name, version, input, labels and terms of each shipped model."""
    return [_row(folder) for folder in shipped_models().values()]


def show_model(model: str | Path) -> str:
    """The card of a model, after its checksums were verified."""
    package = open_package(find_model(model))
    card = (package.folder / CARD).read_text(encoding="utf-8")
    return f"{card}\nDigest: {package.digest}"


def verify_model(model: str | Path) -> str:
    """Verify a model and say so.

    Raises:
        PackageError: It was changed, is foreign or incomplete.
    """
    package = open_package(find_model(model))
    return f"{package.manifest.name} {package.manifest.version} is unchanged: {package.digest}"


def _row(folder: Path) -> dict[str, str]:
    manifest = open_package(folder).manifest
    scope = [*manifest.input.modality, *manifest.input.body_part[:1], *manifest.input.sequence]
    return {
        "name": manifest.name,
        "version": manifest.version,
        "input": " ".join(scope),
        "labels": ", ".join(manifest.labels),
        "terms": manifest.license,
    }
