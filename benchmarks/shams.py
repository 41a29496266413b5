r"""Can a network tell a sham from an untouched film? It should not; lesions it should tell.

    OMP_NUM_THREADS=1 nice -n 15 python benchmarks/shams.py FILMS --minutes 4

FILMS holds cases.csv (image, patient, use) and the images of ChestX-ray14; those with use `plant`
are taken. Two fifths of the patients are held out. The network sees cuts of 64 px at the stored
resolution, half of them around a sham, half the same places of the untouched film, in equal
numbers: an easier task than finding a sham on a whole film. It learns for --minutes a question,
counted in time of the processor, the same network and time for each:

- `tissue`, `bump`: one kind of sham, `shams`: both, half and half. Wanted: an upper bound of AUROC
  of 0.60 at most.
- `lesion`: the lesions that they stand for. It shows that the network can learn from such cuts.
- `seam`: tissue pasted without a blend. It shows that the network sees what mustn't be left.

AUROC on the patients held out with a 95 % interval from resampled patients, after a fixed schedule.
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score
from torch import nn

from medrec.errors import PlantingError
from medrec.evaluation.intervals import summarise
from medrec.lesions.build import read_film_recipe
from medrec.lesions.chest import find_chest
from medrec.lesions.films import choose_place, plant
from medrec.lesions.lesion import lesion_generator
from medrec.lesions.recipe import FilmRecipe, draw_lesion, pick
from medrec.lesions.shams import ShamKind, plant_sham

if TYPE_CHECKING:
    from medrec.lesions.terrain import Terrain

SIDE = 64
LEAST_STEPS = 30
QUESTIONS = ("shams", "tissue", "bump", "lesion", "seam")


@dataclass(frozen=True, eq=False)
class Film:
    """One film with its chest and its patient."""

    pixels: np.ndarray
    chest: Terrain
    patient: str


def read_films(folder: Path) -> list[Film]:
    """All films without a lesion whose chest is found."""
    with (folder / "cases.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["use"] == "plant"]
    films = []
    for row in rows:
        pixels = np.asarray(Image.open(folder / row["image"]).convert("L"))
        try:
            films.append(Film(pixels, find_chest(pixels), row["patient"]))
        except PlantingError:
            continue
    return films


def cut(pixels: np.ndarray, place: tuple[float, float]) -> np.ndarray:
    """A square around a place, moved onto the film where it would hang over."""
    left = int(np.clip(place[0] - SIDE / 2, 0, pixels.shape[1] - SIDE))
    top = int(np.clip(place[1] - SIDE / 2, 0, pixels.shape[0] - SIDE))
    return pixels[top : top + SIDE, left : left + SIDE].astype(np.float32)


Pair = tuple[np.ndarray, np.ndarray]


def paste(
    film: Film, place: tuple[float, float], size_px: int, rng: np.random.Generator
) -> np.ndarray:
    """Another part of the same film without a blend: what must be seen."""
    half = max(4, size_px // 2)
    x, y = (
        int(np.clip(value, half, length - half - 1))
        for value, length in zip(place, film.pixels.shape[::-1], strict=True)
    )
    shift = int(rng.integers(10, 40))
    there = int(np.clip(x + shift, half, film.pixels.shape[1] - half - 1))
    changed = film.pixels.copy()
    changed[y - half : y + half, x - half : x + half] = film.pixels[
        y - half : y + half, there - half : there + half
    ]
    return changed


def draw_pair(
    film: Film, recipe: FilmRecipe, question: str, rng: np.random.Generator
) -> Pair | None:
    """The cut of an untouched film and the same cut of a changed one, or None without room."""
    lesion, zone = draw_lesion(recipe, rng), pick(recipe.zones, rng)
    kinds = list(ShamKind) if question == "shams" else [ShamKind.BUMP]
    kind = ShamKind.TISSUE if question == "tissue" else kinds[int(rng.integers(len(kinds)))]
    try:
        place = choose_place(film.chest, lesion, rng, zone=zone)
        if question == "lesion":
            changed = plant(film.pixels, lesion, place, terrain=film.chest).pixels
        elif question == "seam":
            changed = paste(film, place, round(lesion.size * film.chest.width_px), rng)
        else:
            sham = plant_sham(film.pixels, lesion, place, rng, kind=kind, terrain=film.chest)
            changed = sham.pixels
    except PlantingError:
        return None
    return cut(film.pixels, place), cut(changed, place)


def to_batch(pairs: list[Pair], rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Cuts (2N, 1, 64, 64) around 0, each flipped at random, and their labels (2N,)."""
    cuts = np.stack([one for pair in pairs for one in pair])
    for number in range(len(cuts)):
        if rng.integers(2):
            cuts[number] = cuts[number][:, ::-1].copy()
    labels = np.tile([0.0, 1.0], len(pairs)).astype(np.float32)
    centred = (cuts - cuts.mean(axis=(1, 2), keepdims=True)) / 32
    return torch.from_numpy(centred[:, None]), torch.from_numpy(labels)


def make_network() -> nn.Module:
    """Four convolutions, 41,000 weights: the mean and the peak of what they see."""

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers, channels = [], 1
            for width, stride in ((12, 1), (24, 2), (48, 2), (64, 2)):
                layers += [
                    nn.Conv2d(channels, width, 3, stride, 1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                ]
                channels = width
            self.body = nn.Sequential(*layers)
            self.head = nn.Linear(2 * channels, 1)

        def forward(self, cuts: torch.Tensor) -> torch.Tensor:
            seen = self.body(cuts)
            return self.head(torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], 1))[:, 0]

    return Network()


def fit(
    films: list[Film], recipe: FilmRecipe, question: str, *, minutes: float, seed: int
) -> tuple[nn.Module, int]:
    """Learn for some minutes of the processor; 24 pairs a step, fresh each time."""
    torch.manual_seed(seed)
    network, rng = make_network(), lesion_generator(seed, 1)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    started, step, seconds = time.process_time(), 0, 60 * minutes
    while (spent := time.process_time() - started) < seconds or step < LEAST_STEPS:
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * max(0.02, 1 - spent / seconds)
        chosen = rng.integers(len(films), size=24)
        pairs = [draw_pair(films[number], recipe, question, rng) for number in chosen]
        cuts, labels = to_batch([pair for pair in pairs if pair is not None], rng)
        loss = nn.functional.binary_cross_entropy_with_logits(network(cuts), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
    return network.eval(), step


def judge(network: nn.Module, films: list[Film], recipe: FilmRecipe, question: str) -> str:
    """AUROC on films that were held out, two pairs each, and its interval by patients."""
    scores, labels, patients = [], [], []
    for number, film in enumerate(films):
        rng = lesion_generator(77, number)
        drawn = [draw_pair(film, recipe, question, rng) for _ in range(2)]
        pairs = [pair for pair in drawn if pair is not None]
        if pairs:
            cuts, truth = to_batch(pairs, rng)
            with torch.no_grad():
                scores += network(cuts).tolist()
            labels += truth.tolist()
            patients += [film.patient] * len(truth)
    score, label, patient = np.array(scores), np.array(labels), np.array(patients)
    rng, names = np.random.default_rng(0), np.unique(patient)
    rows = [np.flatnonzero(patient == name) for name in names]
    values = []
    for _ in range(1000):
        chosen = np.concatenate([rows[one] for one in rng.integers(len(rows), size=len(rows))])
        values.append(roc_auc_score(label[chosen], score[chosen]))
    found = summarise(float(roc_auc_score(label, score)), np.array(values))
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}], {len(names)} patients"


def main() -> None:
    """Print one line a question."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("films", type=Path)
    parser.add_argument("--recipe", type=Path, default=Path("configs/lesions/xray-chest.yaml"))
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--questions", nargs="+", choices=QUESTIONS, default=QUESTIONS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe, films = read_film_recipe(options.recipe), read_films(options.films)
    patients = sorted({film.patient for film in films})
    held = set(np.random.default_rng(1).permutation(patients)[: 2 * len(patients) // 5].tolist())
    train = [film for film in films if film.patient not in held]
    test = [film for film in films if film.patient in held]
    print(f"{len(train)} films to learn from, {len(test)} held out", flush=True)
    for question in options.questions:
        network, steps = fit(train, recipe, question, minutes=options.minutes, seed=options.seed)
        print(f"{question:7} {judge(network, test, recipe, question)}, {steps} steps", flush=True)


if __name__ == "__main__":
    main()
