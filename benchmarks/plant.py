r"""How long planting takes: milliseconds a film, as a share of the training step of the same run.

    OMP_NUM_THREADS=1 python benchmarks/plant.py FILMS --recipe configs/lesions/xray-chest.yaml

FILMS is a folder of frontal chest films (PNG or JPEG), or one with a cases.csv (image, use), of
which those with use `plant` are taken. They are brought to --side px and held in memory: reading is
not timed. Times are those that the processor spent, whatever else runs on it. `find` is finding the
chest, done once a film and kept; `plant` one lesion into a film whose chest is known; `both` what a
film costs that was never seen before; `shown` what a training adds for a film that gets one to
three: greys from the cache, what was found in the film, lesions, and normalisation after them. The
step is forward and backward of a small network on one film, on one thread as well.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import timm
import torch
from PIL import Image

from medrec.data.grounds import Ground, film_in
from medrec.data.pictures import Pictures, PixelArray
from medrec.data.planting import Planting, PlantingRule
from medrec.domain.volume import Volume
from medrec.errors import PlantingError
from medrec.lesions.build import read_film_recipe
from medrec.lesions.chest import find_chest
from medrec.lesions.films import plant_film
from medrec.lesions.keeping import to_text
from medrec.lesions.lesion import lesion_generator
from medrec.preprocess.greys import GreyPreprocessor
from medrec.preprocess.pipeline import Preprocessor

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from medrec.lesions.recipe import FilmRecipe

LIMIT_MS = 15.0
SUFFIXES = {".png", ".jpg", ".jpeg"}


def names_of(folder: Path) -> list[Path]:
    """The films of a folder, by name."""
    table = folder / "cases.csv"
    if not table.is_file():
        return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    with table.open(encoding="utf-8", newline="") as file:
        return sorted(
            folder / row["image"] for row in csv.DictReader(file) if row["use"] == "plant"
        )


def read_films(folder: Path, *, side: int, count: int) -> list[NDArray[np.uint8]]:
    """The first films of a folder by name, the longer side `side` px."""
    films = []
    for name in names_of(folder)[:count]:
        picture = Image.open(name).convert("L")
        scale = side / max(picture.size)
        size = (round(picture.width * scale), round(picture.height * scale))
        films.append(np.asarray(picture.resize(size)))
    return films


def milliseconds(work: Callable[[], object]) -> float:
    """Time of the processor for one call."""
    started = time.process_time()
    work()
    return 1000 * (time.process_time() - started)


def warm_up() -> None:
    """Make what is made once a process, the bank of lungs, whatever film comes first."""
    with contextlib.suppress(PlantingError):
        find_chest(np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8))


def time_film(film: NDArray[np.uint8], recipe: FilmRecipe, *, number: int) -> tuple[float, float]:
    """Milliseconds to find the chest, and to plant one lesion."""
    finding = milliseconds(lambda: find_chest(film))
    chest = find_chest(film)
    rng = lesion_generator(0, number)
    return finding, milliseconds(lambda: plant_film(film, recipe, rng, terrain=chest))


def time_shown(film: NDArray[np.uint8], recipe: FilmRecipe, *, number: int) -> float:
    """Milliseconds to plant into a prepared film as a training shows it."""
    chain = Preprocessor(size_px=max(film.shape), crop="none")
    volume = Volume(film.T[None, :, :, None].astype(np.float32), None, 2, ("film",))
    greys = GreyPreprocessor(chain)(volume)
    packed = greys.images[0, 0].numpy()
    terrain = find_chest(greys.scale.unpack(packed[film_in(packed)]))
    planting = Planting(
        PlantingRule(recipe, share=1.0, lesions=(1, 3), column=0),
        GreyPreprocessor(chain),
        Pictures(
            PixelArray((greys.images * 65535).round().numpy().astype(np.uint16)), np.arange(1)
        ),
        (Ground(0, greys.scale, to_text(terrain)),),
    )
    sample = chain(volume).images[0], torch.zeros(1)
    return milliseconds(lambda: planting(sample, seed=0, row=0, epoch=number))


def time_step(backbone: str, *, side: int, rounds: int = 5) -> float:
    """Milliseconds of forward and backward on one film, the median."""
    network = timm.create_model(backbone, in_chans=1, num_classes=1)
    film = torch.zeros(2, 1, side, side)  # two: batch norm wants more than one
    times = [milliseconds(lambda: network(film).sum().backward()) / 2 for _ in range(rounds + 1)]
    return statistics.median(times[1:])


def main() -> None:
    """Print the table; exit 1 where the limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("films", type=Path)
    parser.add_argument("--recipe", type=Path, default=Path("configs/lesions/xray-chest.yaml"))
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = read_film_recipe(options.recipe)
    films = read_films(options.films, side=options.side, count=options.count)
    warm_up()
    times, refused = [], 0
    for number, film in enumerate(films):
        try:
            found = time_film(film, recipe, number=number)
            times.append((*found, time_shown(film, recipe, number=number)))
        except PlantingError:
            refused += 1
    if not times:
        parser.error(f"{options.films}: no film to time; {refused} refused, of {len(films)}")
    find, plant, both, shown = (
        statistics.median(column)
        for column in (
            [a for a, _, _ in times],
            [b for _, b, _ in times],
            [a + b for a, b, _ in times],
            [c for _, _, c in times],
        )
    )
    step = time_step(options.backbone, side=options.side)
    print(f"{len(times)} films of {options.side} px, {refused} refused, one thread")
    for name, value in (("find", find), ("plant", plant), ("both", both), ("shown", shown)):
        print(f"{name:6} {value:7.2f} ms  {value / step:6.1%} of a step of {step:.0f} ms")
    print(f"limit {LIMIT_MS:.0f} ms: {'met' if plant < LIMIT_MS else 'missed'} by plant,", end=" ")
    print(f"{'met' if both < LIMIT_MS else 'missed'} by both")
    raise SystemExit(int(plant >= LIMIT_MS))


if __name__ == "__main__":
    main()
