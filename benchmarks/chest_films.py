r"""The films of xray-chest-nodule, a plain script on the same patients, and both side by side.

    python benchmarks/chest_films.py freeze ARCHIVE > configs/splits/xray-chest-nodule.csv
    OMP_NUM_THREADS=1 taskset -c 1 python benchmarks/chest_films.py plain ARCHIVE --out plain.pt
    python benchmarks/chest_films.py judge plain.pt DATA/manifest.csv --out plain-test.csv
    python benchmarks/chest_films.py compare plain-test.csv RUN/test/predictions.jsonl \
        DATA/manifest.csv

ARCHIVE holds cases.csv (image, patient, view, use) and the films of ChestX-ray14 that it names;
DATA is made of it by `chest_manifest.py`. The patients of films with use `plant`, none of which has
a nodule or mass, are split 60 : 10 : 10 : 20 by `medrec.data.splits.plan_splits`, those seen in AP,
in PA and in both apart. Nobody of them has a film with use `calibrate`; if one had, the film would
follow its patient. All other patients of those films calibrate.

The plain script is what was tried first: EfficientNet-Lite0 from ImageNet, a top-down pyramid to
stride 8, one heat-map of centres with the focal loss of CornerNet (Law and Deng 2018), 384 px, 16
epochs over the films of train and tune, 60 % of them with one to three star-shaped blobs of random
size and contrast in the dark half of the chest. Its planting is its own and knows nothing of
medrec's. An epoch is kept as it ends, and the same command goes on from there.

`judge` opens the films of the test, untouched and planted. The real films with nodules are opened
by --real alone: do so once, when both models are final.

    python benchmarks/chest_films.py judge plain.pt DATA/manifest.csv --real --out plain-real.csv
    python benchmarks/chest_films.py compare plain-real.csv RUN/out-of-fold.csv \
        DATA/manifest.csv --real

They calibrated the exams of the model, so that what is compared is told out of fold.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from scipy import ndimage
from torch import nn
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork
from torchvision.transforms import v2
from torchvision_retinanet import BACKBONE, take_imagenet

from medrec.calibration.weighting import weights_to_prevalence
from medrec.data.boxes import boxes_of_rows, with_negatives
from medrec.data.manifest import read_manifest
from medrec.data.splits import Place, plan_splits, read_places
from medrec.domain.finding import Label
from medrec.domain.reference import Reference, Split
from medrec.evaluation.discrimination import auroc_rounds
from medrec.evaluation.froc import RATES, bootstrap_images, froc_rounds
from medrec.evaluation.intervals import Bounds, bootstrap_units, bootstrap_values, summarise
from medrec.evaluation.matching import HitKind, HitRule, ImageBoxes, judge, to_events
from medrec.evaluation.paired_detection import compare_detection
from medrec.evaluation.reliability import brier_rounds, ece_if_calibrated, ece_rounds
from medrec.evaluation.samples import Samples

SPLITS = Path(__file__).parents[1] / "configs/splits/xray-chest-nodule.csv"
SIDE, STRIDE, CHANNELS = 384, 8, 64
EPOCHS, BATCH, RATE, CLIP = 16, 8, 1e-3, 5.0
PLANTED, MOST, FLIPPED = 0.6, 3, 0.5
RADIUS, RISE = (4.0, 30.0), (0.06, 0.35)
FIELD = (slice(SIDE // 6, SIDE * 4 // 5), slice(SIDE // 7, SIDE * 6 // 7))
# Rows and columns in which the chest mostly lies.
MEAN, STD = 0.449, 0.226
PEAKS, ROUNDS, SEED, TURN = 20, 2000, 1, 2 * np.pi
PREVALENCE = 0.2
RULE = HitRule(HitKind.CENTRE_IN_BOX)
CORNERS = ("x0", "y0", "x1", "y1")
COLUMNS = ("path", "score", "x", "y")


def read_cases(archive: Path) -> list[dict[str, str]]:
    """Rows of cases.csv."""
    with (archive / "cases.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def freeze(archive: Path) -> list[tuple[str, str]]:
    """(patient, split) of all patients, in alphabetical order."""
    rows = read_cases(archive)
    own = [row for row in rows if row["use"] == "plant"]
    seen: dict[str, set[str]] = {}
    for row in own:
        seen.setdefault(row["patient"], set()).add(row["view"])
    plan = plan_splits(
        [
            Reference(row["image"], row["patient"], {}, attributes={"views": views})
            for row in own
            if (views := "+".join(sorted(seen[row["patient"]])))
        ],
        stratify_by=["views"],
        seed=SEED,
    )
    others = {row["patient"] for row in rows} - set(plan.assignment)
    places = dict.fromkeys(others, Place(Split.CALIBRATE)) | dict(plan.assignment)
    return [(patient, place.split.value) for patient, place in sorted(places.items())]


@dataclass(frozen=True)
class Blob:
    """What was planted: its middle, in px of the prepared picture."""

    x: float
    y: float


def read_film(path: Path) -> np.ndarray:
    """A film (SIDE, SIDE) float32 from 0 to 1."""
    picture = Image.open(path).convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(picture, dtype=np.float32) / 255


def draw_blob(film: np.ndarray, rng: np.random.Generator) -> Blob:
    """Brighten a star-shaped spot of the dark half of the chest, in place."""
    field = ndimage.uniform_filter(film, 9)[FIELD]
    rows, columns = np.nonzero(field < np.median(field))
    at = rng.integers(len(rows))
    y, x = rows[at] + FIELD[0].start, columns[at] + FIELD[1].start
    radius = np.exp(rng.uniform(*np.log(RADIUS)))
    part = tuple(slice(max(0, int(at - 3 * radius)), int(at + 3 * radius) + 1) for at in (y, x))
    down, across = np.ogrid[part[0].start - y : SIDE - y, part[1].start - x : SIDE - x]
    down, across = down[: part[0].stop - part[0].start], across[:, : part[1].stop - part[1].start]
    angle, edge = np.arctan2(down, across), radius
    for waves in range(2, 7):
        edge = edge * (1 + rng.uniform(0, 0.15) * np.cos(waves * angle + rng.uniform(0, TURN)))
    steep = (np.hypot(across, down) / edge - 1) * rng.uniform(4, 15)
    film[part] += (rng.uniform(*RISE) / (1 + np.exp(np.minimum(steep, 50)))).astype(np.float32)
    return Blob(float(x), float(y))


def to_target(blobs: list[Blob]) -> np.ndarray:
    """A heat-map (SIDE / STRIDE, SIDE / STRIDE): 1 in each middle's cell, falling around it."""
    cells = SIDE // STRIDE
    across, down = np.meshgrid(np.arange(cells), np.arange(cells))
    heat = np.zeros((cells, cells), dtype=np.float32)
    for blob in blobs:
        column, row = int(blob.x) // STRIDE, int(blob.y) // STRIDE
        squared = (across - column) ** 2 + (down - row) ** 2
        heat = np.maximum(heat, np.exp(-squared / 2).astype(np.float32))
    return heat


class PlainNetwork(nn.Module):
    """Lite0, a pyramid to stride 8, and a heat-map of logits (N, SIDE / 8, SIDE / 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = timm.create_model(
            BACKBONE, pretrained=False, features_only=True, out_indices=(2, 3, 4), in_chans=3
        )
        take_imagenet(self.body)
        self.pyramid = FeaturePyramidNetwork(self.body.feature_info.channels(), CHANNELS)
        self.head = nn.Sequential(
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.ReLU(), nn.Conv2d(CHANNELS, 1, 1)
        )
        nn.init.normal_(self.head[-1].weight, std=0.001)
        nn.init.constant_(self.head[-1].bias, -2.19)  # a tenth everywhere, as CornerNet begins

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of films (N, 1, SIDE, SIDE) from 0 to 1."""
        scaled = ((images - MEAN) / STD).expand(-1, 3, -1, -1)
        levels = self.pyramid(dict(enumerate(self.body(scaled))))
        logits: torch.Tensor = self.head(levels[0])[:, 0]
        return logits


def focal_loss(logits: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """CornerNet's: cells beside a middle cost less the nearer they are."""
    found = logits.sigmoid()
    hit = -nn.functional.logsigmoid(logits) * (1 - found) ** 2 * (heat == 1)
    false = -nn.functional.logsigmoid(-logits) * found**2 * (1 - heat) ** 4 * (heat < 1)
    return (hit.sum() + false.sum()) / (heat == 1).sum().clamp(min=1)


def make_example(film: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A film of another look, lesions in six of ten, and its heat-map."""
    seen = torch.from_numpy(film)[None]
    affine = v2.functional.affine(
        seen,
        angle=rng.uniform(-7, 7),
        translate=[int(n) for n in rng.integers(-19, 20, 2)],
        scale=rng.uniform(0.9, 1.15),
        shear=[0.0],
        interpolation=v2.InterpolationMode.BILINEAR,
    )
    looked = affine[0].numpy().copy()
    if rng.random() < FLIPPED:
        looked = looked[:, ::-1].copy()
    looked = np.clip(looked, 0, 1) ** np.float32(rng.uniform(0.7, 1.4))
    count = int(rng.integers(1, MOST + 1)) if rng.random() < PLANTED else 0
    blobs = [draw_blob(looked, rng) for _ in range(count)]
    looked = (looked - 0.5) * np.float32(rng.uniform(0.85, 1.15)) + 0.5
    return np.clip(looked, 0, 1)[None], to_target(blobs)


class Fit:
    """The network, its optimiser and its one cycle; an epoch can be kept and taken up again."""

    def __init__(self, films: list[np.ndarray], epochs: int) -> None:
        torch.manual_seed(SEED)
        self.films, self.steps, self.epoch = films, len(films) // BATCH, 0
        self.network = PlainNetwork().to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=RATE)
        self.cycle = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, RATE, total_steps=self.steps * epochs
        )
        self.parts = {"network": self.network, "optimiser": self.optimiser, "cycle": self.cycle}

    def load(self, path: Path) -> None:
        """Go on from a kept epoch."""
        kept = torch.load(path, weights_only=True)  # noqa: TID251 (tensors and numbers alone)
        for name, part in self.parts.items():
            part.load_state_dict(kept[name])
        self.epoch = int(kept["epoch"])

    def keep(self, path: Path) -> None:
        """Keep the epoch, whole or not at all."""
        state = {name: part.state_dict() for name, part in self.parts.items()}
        unfinished = path.with_name(f"{path.name}.part")
        torch.save({**state, "epoch": self.epoch}, unfinished)
        unfinished.replace(path)

    def run_epoch(self) -> float:
        """Learn from each film once; returns the mean loss."""
        rng, losses = np.random.default_rng([SEED, self.epoch]), []
        self.network.train()
        order = rng.permutation(len(self.films))[: self.steps * BATCH]
        for chosen in order.reshape(self.steps, BATCH):
            looks, heats = zip(*(make_example(self.films[n], rng) for n in chosen), strict=True)
            logits = self.network(torch.from_numpy(np.stack(looks)))
            loss = focal_loss(logits, torch.from_numpy(np.stack(heats)))
            self.optimiser.zero_grad()
            loss.backward()
            parameters = self.network.parameters()
            nn.utils.clip_grad_norm_(parameters, CLIP, error_if_nonfinite=True)
            self.optimiser.step()
            self.cycle.step()
            losses.append(loss.item())
        self.epoch += 1
        return float(np.mean(losses))


def run_plain(archive: Path, out: Path, epochs: int) -> None:
    """Fit on the films of train and tune; goes on from the last whole epoch."""
    places = read_places(SPLITS)
    learned = [
        read_film(archive / row["image"])
        for row in read_cases(archive)
        if row["use"] == "plant" and places[row["patient"]].split in (Split.TRAIN, Split.TUNE)
    ]
    fit = Fit(learned, epochs)
    if out.exists():
        fit.load(out)
    print(f"{len(learned)} films, {fit.epoch} of {epochs} epochs done", flush=True)
    while fit.epoch < epochs:
        started = time.perf_counter()
        loss = fit.run_epoch()
        fit.keep(out)
        seconds = time.perf_counter() - started
        print(f"epoch {fit.epoch}: loss {loss:.3f}, {seconds:.0f} s", flush=True)


def find_peaks(heat: np.ndarray, size: tuple[int, int]) -> list[tuple[float, float, float]]:
    """(score, x, y) of the highest peaks of logits, in px of a source of `size` (width, height)."""
    rows, columns = np.nonzero(heat == ndimage.maximum_filter(heat, 3))
    order = np.argsort(-heat[rows, columns], kind="stable")[:PEAKS]
    across, down = (length / heat.shape[0] for length in size)
    return [
        (float(heat[r, c]), (c + 0.5) * across, (r + 0.5) * down)
        for r, c in zip(rows[order], columns[order], strict=True)
    ]


def is_real(row: Reference) -> bool:
    """Whether a row is a real film whose reports tell of nodules or masses."""
    return row.attributes["role"] == "real"


def rows_of(manifest: Path, *, real: bool) -> list[Reference]:
    """The real films with and without nodules, or the films of the test."""
    places = read_places(SPLITS)
    return [
        row
        for row in read_manifest(manifest, labels=["nodule"])
        if is_real(row) == real and (real or places[row.patient].split is Split.TEST)
    ]


def run_judge(weights: Path, manifest: Path, out: Path, *, real: bool) -> None:
    """Write the peaks of each film, highest first."""
    network = PlainNetwork().to(memory_format=torch.channels_last)
    kept = torch.load(weights, weights_only=True)  # noqa: TID251 (tensors and numbers alone)
    network.load_state_dict(kept["network"])
    network.eval()
    with out.open("x", encoding="utf-8", newline="") as file, torch.inference_mode():
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows_of(manifest, real=real):
            path = manifest.parent / row.path
            heat = network(torch.from_numpy(read_film(path))[None, None])[0].numpy()
            size = Image.open(path).size
            writer.writerows((row.path, *peak) for peak in find_peaks(heat, size))


Found = dict[str, list[tuple[list[float], float]]]


def read_peaks(path: Path) -> Found:
    """Peaks by film, each as a box of one pixel around it."""
    found: Found = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            x, y = float(row["x"]), float(row["y"])
            box = [x - 0.5, y - 0.5, x + 0.5, y + 0.5]
            found.setdefault(name_of(row["path"]), []).append((box, float(row["score"])))
    return found


def read_predictions(path: Path) -> tuple[Found, dict[str, float]]:
    """Boxes by film, and the logit of each film, of a predictions.jsonl."""
    found: Found = {}
    exams: dict[str, float] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if case["status"] != "scored":
            continue
        name = name_of(case["source"])
        exams[name] = case["findings"][0]["logit"]
        found[name] = [
            ([region["box_px"][c] for c in CORNERS], region["score"])
            for region in case.get("regions", [])
        ]
    return found, exams


def name_of(path: str) -> str:
    """The last folder and the name of a film, which tell it from all others of one split."""
    return "/".join(Path(path).parts[-2:])


def compare_planted(both: dict[str, Found], rows: list[Reference], manifest: Path) -> None:
    """FROC of both on the planted films and their untouched twins, and the paired difference."""
    truth = with_negatives(rows, boxes_of_rows(rows, root=manifest.parent))
    images: dict[str, list[ImageBoxes]] = {}
    for name, found in both.items():
        images[name] = []
        for row, known in zip(rows, truth, strict=True):
            own = found.get(name_of(row.path), [])
            boxes = np.array([box for box, _ in own]).reshape(-1, 4)
            there = np.array([(*one.box.low, *one.box.high) for one in known or ()]).reshape(-1, 4)
            score = np.array([score for _, score in own])
            one = ImageBoxes(row.patient, there, np.zeros(len(there), bool), boxes, score)
            images[name].append(one)
        code = np.unique([one.unit for one in images[name]], return_inverse=True)[1]
        events = to_events(images[name], [judge(one, RULE) for one in images[name]])
        for where, over_empty in (("", False), (", FP over untouched films", True)):
            rng = np.random.default_rng(SEED)
            rounds = froc_rounds(events, over_empty=over_empty)
            estimates = bootstrap_images(rounds, code, count=ROUNDS, rng=rng)
            names = [*(f"sensitivity at {rate:g} FP/film" for rate in RATES), "CPM"]
            for what, estimate in zip(names, estimates, strict=True):
                print(f"{name}: {what}{where} {say(estimate)}")
    gain = compare_detection(images["medrec"], images["plain script"], rule=RULE, rounds=ROUNDS)
    print(f"medrec minus plain script: CPM {say(gain.cpm)}")


def read_out_of_fold(path: Path) -> dict[str, tuple[float, float]]:
    """Logit and probability of each film in an out-of-fold.csv."""
    with path.open(encoding="utf-8") as file:
        return {
            name_of(row["path"]): (float(row["logit"]), float(row["probability"]))
            for row in csv.DictReader(file)
        }


def to_samples(rows: list[Reference], scores: dict[str, float]) -> Samples:
    """Films with one model's scores.

    One that it refused has the score below all others: no finding.
    """
    least = min(scores.values()) - 1
    return Samples.from_logits(
        [row.labels[Label("nodule")] for row in rows],
        [scores.get(name_of(row.path), least) for row in rows],
        [row.patient for row in rows],
    )


def compare_films(both: dict[str, dict[str, float]], rows: list[Reference], what: str) -> None:
    """AUROC of both on some films, and the difference over resampled patients."""
    drawn, values = {}, {}
    for name, scores in both.items():
        samples = to_samples(rows, scores)
        missing = sum(name_of(row.path) not in scores for row in rows)
        if not samples.positive_units or not samples.negative_units:
            print(f"{name}: {len(rows)} films, {what}, are all of one kind: no AUROC")
            return
        rng = np.random.default_rng(SEED)
        one = bootstrap_units(samples, auroc_rounds, rounds=ROUNDS, rng=rng)
        print(f"{name}: AUROC on {len(rows)} films, {what}: {say(one)}, {missing} not scored")
        # The same seed draws the same patients for both: the differences are paired.
        rng = np.random.default_rng(SEED)
        drawn[name] = bootstrap_values(samples, auroc_rounds, rounds=ROUNDS, rng=rng)
        values[name] = one.value
    gain = summarise(
        values["medrec"] - values["plain script"], drawn["medrec"] - drawn["plain script"]
    )
    print(f"medrec minus plain script: AUROC, {what}: {say(gain)}")


def tell_probabilities(rows: list[Reference], told: dict[str, tuple[float, float]]) -> None:
    """How far the probabilities of PA films, out of fold and at the stored prevalence, are right.

    The films hold other shares of positives than the prevalence that is stored: they are weighted.
    """
    films = [row for row in rows if name_of(row.path) in told]
    truth = np.array([row.labels[Label("nodule")] for row in films], dtype=bool)
    samples = Samples.from_logits(
        truth,
        [told[name_of(row.path)][0] for row in films],
        [row.patient for row in films],
        weight=weights_to_prevalence(truth, ["PA"] * len(films), prevalence=PREVALENCE),
    ).with_probability(np.array([told[name_of(row.path)][1] for row in films]))
    for name, statistic, bounds in (
        ("AUROC out of fold", auroc_rounds, Bounds.PERCENTILE),
        ("Brier score", brier_rounds, Bounds.PERCENTILE),
        ("ECE", ece_rounds, Bounds.REFLECTED),
    ):
        rng = np.random.default_rng(SEED)
        found = bootstrap_units(samples, statistic, rounds=ROUNDS, rng=rng, bounds=bounds)
        print(f"medrec: {name} on {len(films)} PA films: {say(found)}")
    rng = np.random.default_rng(SEED)
    print(f"a calibrated ECE: {say(ece_if_calibrated(samples, draws=1000, rng=rng))}")


def compare_real(plain: dict[str, float], path: Path, rows: list[Reference]) -> None:
    """Both on the real films, by view and age."""
    told = read_out_of_fold(path)
    both = {"medrec": {name: logit for name, (logit, _) in told.items()}, "plain script": plain}
    for view in ("PA", "AP"):
        own = [row for row in rows if row.attributes["view"] == view]
        compare_films(both, own, view)
        for age in ("adult", "child"):
            aged = [row for row in own if row.attributes["age_group"] == age]
            compare_films(both, aged, f"{view}, {age}")
    tell_probabilities([row for row in rows if row.attributes["view"] == "PA"], told)


def run_compare(plain: Path, predictions: Path, manifest: Path, *, real: bool) -> None:
    """All figures of both on the films that `judge` opened."""
    rows, peaks = rows_of(manifest, real=real), read_peaks(plain)
    highest = {name: max(score for _, score in own) for name, own in peaks.items()}
    if real:
        compare_real(highest, predictions, rows)
        return
    boxes, exams = read_predictions(predictions)
    compare_planted({"medrec": boxes, "plain script": peaks}, rows, manifest)
    for view in ("AP", "PA"):
        own = [row for row in rows if row.attributes["view"] == view]
        compare_films({"medrec": exams, "plain script": highest}, own, view)


def say(one: object) -> str:
    """A value and its interval."""
    if one is None:
        return "none"
    if one.low is None:
        return f"{one.value:.3f}"
    return f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]"


def main() -> None:
    """Freeze, fit the plain script, let it judge, or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    frozen = verbs.add_parser("freeze", help="print the splits, which stand in configs/splits")
    frozen.add_argument("archive", type=Path)
    plain = verbs.add_parser("plain", help="fit the plain script, or go on")
    plain.add_argument("archive", type=Path)
    plain.add_argument("--out", type=Path, required=True)
    plain.add_argument("--epochs", type=int, default=EPOCHS)
    judged = verbs.add_parser("judge", help="write the plain script's peaks")
    judged.add_argument("weights", type=Path)
    judged.add_argument("manifest", type=Path)
    judged.add_argument("--out", type=Path, required=True)
    compared = verbs.add_parser("compare")
    compared.add_argument("plain", type=Path)
    compared.add_argument("predictions", type=Path)
    compared.add_argument("manifest", type=Path)
    for verb in (judged, compared):
        verb.add_argument("--real", action="store_true", help="open the real films, not the test")
    asked = parser.parse_args()
    match asked.verb:
        case "freeze":
            rows = freeze(asked.archive)
            print("\n".join(["patient,split,fold", *(f"{p},{s}," for p, s in rows)]))
        case "plain":
            run_plain(asked.archive, asked.out, asked.epochs)
        case "judge":
            run_judge(asked.weights, asked.manifest, asked.out, real=asked.real)
        case "compare":
            run_compare(asked.plain, asked.predictions, asked.manifest, real=asked.real)


if __name__ == "__main__":
    main()
