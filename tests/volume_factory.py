"""Heads with a bright ball or none, and configs of networks that learn to tell them."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import yaml
from training_factory import a_config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SHAPE = (20, 20, 10)
AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])
KINDS: dict[str, dict[str, Any]] = {
    "fixed": {
        "kind": "classifier_slices",
        "slices": 6,
        "pooling": {"kind": "fixed", "positions": 6, "top": 2},
    },
    "attention": {
        "kind": "classifier_slices",
        "slices": 6,
        "pooling": {"kind": "attention", "hidden": 16},
    },
    "3d": {"kind": "classifier_3d", "architecture": "resnet10", "dropout": 0.0},
}


def head(
    number: int, *, has_ball: bool, shape: tuple[int, int, int] = SHAPE, rows: int | None = None
) -> np.ndarray:
    """A noisy head (i, j, k), with a bright ball at a random place or none.

    `rows` holds the ball to that j.
    """
    rng = np.random.default_rng(number)
    i, j, k = np.indices(shape)
    middle = [(side - 1) / 2 for side in shape]
    body = ((i - middle[0]) ** 2 + (j - middle[1]) ** 2) < (0.45 * shape[0]) ** 2
    voxels = np.where(body, rng.normal(90, 8, shape), 0)
    if has_ball:
        at = rng.integers(7, 13, 2)
        at[1] = rows or at[1]
        depth = rng.integers(3, shape[2] - 3)
        ball = (i - at[0]) ** 2 + (j - at[1]) ** 2 + (2 * (k - depth)) ** 2 < 16
        voxels[ball] += 110
    return voxels.clip(0, 255).astype(np.uint8)


def write_heads(root: Path, heads: Sequence[tuple[np.ndarray, Mapping[str, object]]]) -> Path:
    """Write a volume a patient, and what its row says; return the manifest."""
    rows = []
    for number, (voxels, said) in enumerate(heads):
        nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), root / f"h{number}.nii.gz")
        rows.append({"path": f"h{number}.nii.gz", "patient": f"P{number}", **said})
    with (root / "heads.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    return root / "heads.csv"


def write_volume_config(folder: Path, manifest: Path, kind: str, **changes: Any) -> Path:
    """Write a config of a small network of one of `KINDS`, and return its path."""
    model = dict(KINDS[kind])
    is_3d = model["kind"] == "classifier_3d"
    if not is_3d:
        model |= {"backbone": "test_efficientnet", "weights": {"kind": "none"}, "dropout": 0.0}
    facts = {
        "name": "ball",
        "labels": ["tumor"],
        "primary_label": "tumor",
        "splits": {"folds": 2, "test_fraction": 0.375},
        "scope": {"modality": ["MR"], "body_part": ["BRAIN"]},
        "preprocess": {"size_px": 32, **({"volume_size": [16, 32, 32]} if is_3d else {})},
        "model": model,
        "audit": {"allow": ["near_duplicates"]},  # heads out of one mould
        "fit": {
            "epochs": 16,
            "batch_size": 4,
            "optimiser": {"learning_rate": 0.003, "ema_decay": 0.5},
        },
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(a_config(manifest, **(facts | changes))), encoding="utf-8")
    return path
