"""Films of bright discs and a config that learns to tell them in seconds."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SIDE_PX = 40
PLACES_PX = {"high": (11, 20), "middle": (20, 20), "low": (29, 20)}
"""Where the disc of each class lies, (row, column)."""


def write_films(
    root: Path, classes: Sequence[str | None], *, splits: Sequence[str] = ("",)
) -> Path:
    """Write one film a patient with the disc of its class (None: no disc); return the manifest.

    Films come in the order of `classes`, their splits in turn.
    """
    root.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, name in enumerate(classes):
        Image.fromarray(_film(name, np.random.default_rng(number))).save(root / f"f{number}.png")
        labels = {label: int(label == name) for label in PLACES_PX}
        split = splits[number % len(splits)]
        rows.append({"path": f"f{number}.png", "patient": f"P{number}", "split": split, **labels})
    manifest = root / "films.csv"
    with manifest.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    return manifest


def _film(name: str | None, rng: np.random.Generator) -> np.ndarray:
    y, x = np.indices((SIDE_PX, SIDE_PX))
    values = rng.normal(90, 10, (SIDE_PX, SIDE_PX))
    if name is not None:
        row, column = PLACES_PX[name] + rng.integers(-2, 3, 2)
        values[(y - row) ** 2 + (x - column) ** 2 < 30] += 80
    return values.clip(0, 255).astype(np.uint8)


def a_config(manifest: Path, **changes: Any) -> dict[str, Any]:
    """A config for these films on the smallest EfficientNet of timm."""
    return {
        "kind": "train",
        "name": "disc",
        "labels": ["high"],
        "primary_label": "high",
        "data": {"kind": "manifest", "manifest": str(manifest)},
        "splits": {"folds": 2},
        "scope": {"modality": ["CR"], "body_part": ["CHEST"], "dimensionality": "image"},
        "preprocess": {"size_px": 32, "crop": "none"},
        "augment": {"flip_left_right": 0.0, "affine": 0.0},
        "model": {"backbone": "test_efficientnet", "weights": {"kind": "none"}, "dropout": 0.0},
        "fit": {
            "epochs": 8,
            "batch_size": 4,
            "optimiser": {"learning_rate": 0.003, "ema_decay": 0.5},
        },
        "calibration": {"bootstrap_rounds": 50},
        "card": {
            "summary": "Finds discs.",
            "intended_use": "Tests.",
            "limits": ["It was made by a test."],
            "training_data": "Discs.",
            "license": "CC0-1.0",
        },
        **changes,
    }


def write_config(folder: Path, manifest: Path, **changes: Any) -> Path:
    """Write a config and return its path."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(a_config(manifest, **changes)), encoding="utf-8")
    return path
