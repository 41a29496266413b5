r"""Size and contrast of planted nodules beside those of outlined ones, in a picture.

    python benchmarks/lesion_distributions.py FILMS NODULES --out distributions.png

FILMS holds cases.csv (image, use) and the images of ChestX-ray14; those with use `plant` are
taken. NODULES holds cases.csv, images and masks of frontal projections of LIDC-IDRI, whose nodules
of 3 mm and more radiologists outlined in CT (Armato et al., Medical Physics 2011); patients of the
frozen test split are left out. Both are measured alike:

- size: the diameter of a disc as large as the mask, as a share of the chest's inner width,
- contrast: mean grey value in the mask less that in a ring around it, as wide as the radius, in the
  film's steps from lung to mediastinum. What lies behind a nodule is in it: it may be negative.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from PIL import Image
from scipy import ndimage

from medrec.errors import PlantingError
from medrec.lesions.build import read_film_recipe
from medrec.lesions.chest import find_chest
from medrec.lesions.films import plant_film
from medrec.lesions.lesion import lesion_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.lesions.recipe import FilmRecipe
    from medrec.lesions.terrain import Terrain

mpl.use("Agg")
from matplotlib import pyplot as plt

SPLITS = Path(__file__).parents[1] / "configs" / "splits" / "xray-chest-nodules.csv"
LEAST_PX = 12


@dataclass(frozen=True, slots=True)
class Measured:
    """One nodule: its size in chest widths and its contrast in steps of the film."""

    size: float
    contrast: float


def measure(pixels: NDArray[np.uint8], mask: NDArray[np.bool_], chest: Terrain) -> Measured:
    """Size and contrast of a mask on a film."""
    diameter = 2 * np.sqrt(mask.sum() / np.pi)
    away = ndimage.distance_transform_edt(~mask)
    ring = (away > 1) & (away <= max(3.0, diameter / 2))
    rise = float(pixels[mask].mean()) - float(pixels[ring].mean())
    sign = -1 if chest.is_inverted else 1
    return Measured(float(diameter) / chest.width_px, sign * rise / chest.tone.step)


def outlined(folder: Path) -> list[Measured]:
    """Nodules of at least 12 px of the projections outside the test split."""
    with SPLITS.open(encoding="utf-8", newline="") as file:
        held = {row["patient"] for row in csv.DictReader(file) if row["split"] == "test"}
    with (folder / "cases.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["patient"] not in held]
    found = []
    for row in rows:
        pixels = np.asarray(Image.open(folder / row["image"]).convert("L"))
        pieces, count = ndimage.label(np.asarray(Image.open(folder / row["mask"]).convert("L")) > 0)
        try:
            chest = find_chest(pixels)
        except PlantingError:
            continue
        masks = [pieces == number for number in range(1, count + 1)]
        found += [measure(pixels, mask, chest) for mask in masks if mask.sum() >= LEAST_PX]
    return found


def planted(folder: Path, recipe: FilmRecipe) -> list[Measured]:
    """Two lesions of the recipe in each film."""
    with (folder / "cases.csv").open(encoding="utf-8", newline="") as file:
        names = [row["image"] for row in csv.DictReader(file) if row["use"] == "plant"]
    found = []
    for number, name in enumerate(names):
        pixels = np.asarray(Image.open(folder / name).convert("L"))
        try:
            chest = find_chest(pixels)
            film = plant_film(pixels, recipe, lesion_generator(5, number), count=2, terrain=chest)
        except PlantingError:
            continue
        masks = [one.full_mask(pixels.shape) for one in film.lesions]
        found += [measure(film.pixels, mask, chest) for mask in masks if mask.sum() >= LEAST_PX]
    return found


def draw(groups: dict[str, list[Measured]], out: Path) -> None:
    """Two cumulative distributions and the two together."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for (name, found), colour in zip(groups.items(), ("#d1495b", "#00798c"), strict=True):
        shares = np.linspace(0, 1, len(found))
        axes[0].plot(np.sort([100 * one.size for one in found]), shares, color=colour, label=name)
        axes[1].plot(np.sort([one.contrast for one in found]), shares, color=colour)
        sizes, contrasts = ([100 * one.size for one in found], [one.contrast for one in found])
        axes[2].plot(sizes, contrasts, ".", color=colour, alpha=0.35, markersize=4)
    axes[0].set(xlabel="diameter, % of the chest's width", ylabel="share of nodules", xscale="log")
    axes[1].set(xlabel="contrast, steps from lung to mediastinum", xlim=(-0.6, 0.9))
    axes[2].set(xlabel="diameter, % of the chest's width", ylabel="contrast", ylim=(-0.6, 0.9))
    axes[0].legend(frameon=False)
    figure.savefig(out, dpi=110)


def main() -> None:
    """Write the picture and print quartiles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("films", type=Path)
    parser.add_argument("nodules", type=Path)
    parser.add_argument("--recipe", type=Path, default=Path("configs/lesions/xray-chest.yaml"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    groups = {
        "outlined (LIDC-IDRI)": outlined(options.nodules),
        "planted": planted(options.films, read_film_recipe(options.recipe)),
    }
    for name, found in groups.items():
        for what in ("size", "contrast"):
            values = np.quantile(
                [getattr(one, what) for one in found], [0.05, 0.25, 0.5, 0.75, 0.95]
            )
            print(f"{name:21} {what:9} n {len(found):4}  " + "  ".join(f"{v:6.3f}" for v in values))
    draw(groups, options.out)


if __name__ == "__main__":
    main()
