"""Films with bright discs and the boxes around them, and a config whose detector finds them."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from PIL import Image
from training_factory import a_config

if TYPE_CHECKING:
    from pathlib import Path

SIDE_PX = 96
_COLUMNS = ("path", "x0", "y0", "x1", "y1", "label", "type")


def write_lesion_films(root: Path, count: int, *, seed: int = 0) -> Path:
    """Write one film a patient, every third one without a disc; return the manifest."""
    root.mkdir(parents=True, exist_ok=True)
    rows, boxes = [], []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        name = f"f{number}.png"
        kind = None if number % 3 == 2 else ("round", "square")[number % 2]
        film, box = a_lesion_film(kind, rng)
        Image.fromarray(film).save(root / name)
        label = int(kind is not None)
        rows.append(
            {"path": name, "patient": f"P{number}", "boxes": "boxes.csv", "lesion": label,
             "archive": "AB"[number // 3 % 2]}
        )  # fmt: skip
        if box is not None:
            boxes.append((name, *box, "lesion", kind))
    _write(root / "boxes.csv", [_COLUMNS, *boxes])
    manifest = root / "films.csv"
    _write(manifest, [[*rows[0]], *([*row.values()] for row in rows)])
    return manifest


def a_lesion_film(
    kind: str | None, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[int, int, int, int] | None]:
    """A film (96, 96) and the box (x0, y0, x1, y1) of what was planted in it."""
    y, x = np.indices((SIDE_PX, SIDE_PX))
    values = rng.normal(90, 10, (SIDE_PX, SIDE_PX))
    if kind is None:
        return values.clip(0, 255).astype(np.uint8), None
    radius = int(rng.integers(6, 12))
    row, column = rng.integers(14, SIDE_PX - 14, 2)
    inside = (
        (y - row) ** 2 + (x - column) ** 2 <= radius**2
        if kind == "round"
        else (abs(y - row) <= radius) & (abs(x - column) <= radius)
    )
    values[inside] += 90
    box = (column - radius, row - radius, column + radius + 1, row + radius + 1)
    return values.clip(0, 255).astype(np.uint8), tuple(map(int, box))


def a_detector_config(manifest: Path, **changes: Any) -> dict[str, Any]:
    """A config of the smallest detector that finds them."""
    model = {
        "kind": "detector_2d",
        "backbone": "test_efficientnet",
        "weights": {"kind": "none"},
        "classes": {"round": "lesion", "square": "lesion"},
        "levels": 2,
        "channels": 16,
        **changes.pop("model", {}),
    }
    facts = {
        "labels": ["lesion"],
        "primary_label": "lesion",
        "preprocess": {"size_px": 96, "crop": "none"},
        "model": model,
        "fit": {
            "epochs": 12,
            "batch_size": 4,
            "optimiser": {"learning_rate": 0.004, "ema_decay": 0.8},
        },
    }
    return a_config(manifest, **{**facts, **changes})


def _write(path: Path, rows: list[Any]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)


def write_lesion_volumes(root: Path, count: int, *, seed: int = 0, vary: bool = False) -> Path:
    """Write one NIfTI volume a patient, every third one without a ball; return the manifest.

    `vary` gives every other scan twice as many slices, half as thick, and more air around it.
    """
    root.mkdir(parents=True, exist_ok=True)
    rows, boxes = [], []
    for number in range(count):
        rng = np.random.default_rng([seed, number, 3])
        name, has_lesion = f"v{number}.nii", number % 3 != 2
        voxels, box = _lesion_volume(rng, has_lesion=has_lesion)
        thickness = 2.0
        if vary and number % 2:
            thickness = 1.0
            voxels = np.pad(voxels.repeat(2, axis=2), ((4, 4), (0, 0), (0, 0)))
            box = (box[0] + 4, box[1], box[2] + 4, box[3], 2 * box[4], 2 * box[5])
        nib.Nifti1Image(voxels, np.diag([1.0, 1.0, thickness, 1.0])).to_filename(root / name)
        row = {"path": name, "patient": f"P{number}", "boxes": "boxes.csv"}
        rows.append({**row, "lesion": int(has_lesion)})
        if has_lesion:
            boxes.append((name, *box, "lesion"))
    columns = ("path", "x0", "y0", "x1", "y1", "z0", "z1", "label")
    _write(root / "boxes.csv", [columns, *boxes])
    manifest = root / "volumes.csv"
    _write(manifest, [[*rows[0]], *([*row.values()] for row in rows)])
    return manifest


def _lesion_volume(
    rng: np.random.Generator, *, has_lesion: bool
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Voxels (40, 40, 20) and the box (x0, y0, x1, y1, z0, z1) of the ball in them."""
    i, j, k = np.indices((40, 40, 20))
    values = rng.normal(90, 10, (40, 40, 20))
    radius = int(rng.integers(4, 7))
    x, y, z = rng.integers((8, 8, 5), (32, 32, 15))
    inside = (i - x) ** 2 + (j - y) ** 2 + (2 * (k - z)) ** 2 <= radius**2
    if has_lesion:
        values[inside] += 90
    deep = radius // 2
    box = (x - radius, y - radius, x + radius + 1, y + radius + 1, z - deep, z + deep + 1)
    return values.clip(0, 255).astype(np.int16), tuple(map(int, box))
