"""Chest films without a lesion, files with a planted one, and configs that plant lesions."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from chest_factory import a_chest_film
from PIL import Image
from training_factory import a_config

from medrec.lesions.build import read_film_recipe
from medrec.lesions.chest import find_chest
from medrec.lesions.films import plant_film
from medrec.lesions.lesion import lesion_generator

if TYPE_CHECKING:
    from medrec.lesions.recipe import FilmRecipe

RECIPES = Path(__file__).parents[1] / "configs" / "lesions"
RECIPE = RECIPES / "xray-chest.yaml"
DETECTOR = {
    "kind": "detector_2d",
    "backbone": "test_efficientnet",
    "weights": {"kind": "none"},
    "levels": 2,
    "channels": 16,
}
OBVIOUS = {
    "kind": "lesions",
    "name": "obvious",
    "chest_film": {
        "shapes": {"round": 1},
        "zones": {"upper": 1, "middle": 1, "lower": 1},
        "size": {"low": 0.25, "high": 0.3},
        "gain": {"low": 9, "high": 9},
        "most_strength": 1.5,
    },
}
_BOXES = ("path", "x0", "y0", "x1", "y1", "label")


def write_chest_films(
    root: Path,
    splits: dict[str, int],
    *,
    planted: tuple[str, ...] = ("test", "calibrate"),
    recipe: FilmRecipe | None = None,
) -> Path:
    """Write so many films of each split, one a patient; return the manifest.

    Every second film of the splits that are `planted` holds a lesion in its file, with label and
    boxes.
    """
    root.mkdir(parents=True, exist_ok=True)
    recipe = recipe or read_film_recipe(RECIPE)
    rows, boxes = [], []
    for number, split in enumerate([name for name, count in splits.items() for _ in range(count)]):
        film, name = a_chest_film(128, seed=number), f"f{number}.png"
        has_lesion = split in planted and number % 2 == 0
        if has_lesion:
            rng = lesion_generator(9, number)
            made = plant_film(film, recipe, rng, terrain=find_chest(film))
            film = made.pixels
            boxes += [
                (name, one.box.x0, one.box.y0, one.box.x1, one.box.y1, "nodule")
                for one in made.lesions
            ]
        Image.fromarray(film).save(root / name)
        rows.append((name, f"P{number}", split, int(has_lesion), "boxes.csv"))
    _write(root / "boxes.csv", [_BOXES, *boxes])
    _write(root / "films.csv", [("path", "patient", "split", "nodule", "boxes"), *rows])
    return root / "films.csv"


def a_planting_config(manifest: Path, **changes: Any) -> dict[str, Any]:
    """A config of a tiny classifier that learns from planted lesions alone."""
    facts = {
        "labels": ["nodule"],
        "primary_label": "nodule",
        "scope": {
            "modality": ["CR"],
            "body_part": ["CHEST"],
            "dimensionality": "image",
            "lesions": "planted",
        },
        "preprocess": {"size_px": 64, "crop": "none"},
        "plant": {"recipe": str(RECIPE)},
        "audit": {"allow": ["near_duplicates"]},
    }
    return a_config(manifest, **{**facts, **changes})


def _write(path: Path, rows: list[tuple[Any, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)


def noise(side: int = 128, *, seed: int = 0) -> np.ndarray:
    """No film at all: even noise (side, side) uint8."""
    return np.random.default_rng(seed).integers(0, 255, (side, side)).astype(np.uint8)
