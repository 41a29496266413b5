r"""The data of mri-brain-tumor-t1c, a plain detector on the same patients, and both side by side.

    python benchmarks/brain_slices.py prepare SLICES VOLUMES --out DATA
    medrec train configs/train/mri-brain-tumor-t1c.yaml --out RUN \
        --set data.manifest=DATA/manifest.csv
    python benchmarks/brain_slices.py plain DATA --out plain.csv
    python benchmarks/brain_slices.py compare plain.csv RUN/test/predictions.jsonl DATA

SLICES holds boxes.csv and images/ of figshare 1512427 (Cheng 2017), VOLUMES the folders of TCGA-LGG
with post.nii.gz and mask.nii.gz. DATA gets a manifest of

- the whole slices of SLICES, all with a tumor,
- parts of every second one at their own scale, with the tumor and without, drawn from one
  distribution of sizes, the rest black: so pictures of one archive lie on both sides,
- the tumor-free slices of VOLUMES, every second one where they train: neighbours look alike. Its
  slices with a tumor are left out: the masks outline FLAIR, and what post-contrast T1 shows of it
  is unknown.

Patients of SLICES are unknown. Neighbouring numbers can be one patient, so runs of 15 numbers stand
for a patient, and 15 numbers are dropped on either side of each border between splits. The plain
script, torchvision's RetinaNet, learns from the whole slices of train and tune.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from PIL import Image
from torchvision_retinanet import Boxed, fit_peer, judge_peer, make_peer

from medrec.evaluation.detection import FLAT_RULE
from medrec.evaluation.froc import RATES, bootstrap_images, froc_rounds, precision_rounds, rank
from medrec.evaluation.matching import ImageBoxes, judge, to_events
from medrec.evaluation.paired_detection import compare_detection

SPLITS = Path(__file__).parents[1] / "configs/splits/mri-brain-tumor-t1c.csv"
SHARES = {"train": 0.55, "tune": 0.10, "calibrate": 0.15, "test": 0.20}
GAP = RUN = 15
OF_FOLD = {"": "test", "0": "train", "1": "train", "2": "train", "3": "tune", "4": "calibrate"}
SIDES = (176, 336)
TRIES, MARGIN, HEAD, LEAST_HEAD = 40, 6, 20, 0.6
EVERY = 2
LEARNERS = ("train", "tune")
SIZE, EPOCHS, ROUNDS, IOU = 320, 8, 2000, 0.5
CORNERS = ("x0", "y0", "x1", "y1")
HEADER = ("path", "slice", "patient", "kind", "tumor", "boxes")


@dataclass(frozen=True)
class Slice:
    """A slice of the archive, by its number."""

    number: int
    image: str
    kind: str
    box: tuple[float, ...]


def read_slices(archive: Path) -> list[Slice]:
    """Slices in the order of their numbers; each has one box."""
    with (archive / "boxes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    slices = [
        Slice(
            int(Path(row["image"]).stem),
            row["image"],
            row["tumor"],
            tuple(float(row[c]) for c in CORNERS),
        )
        for row in rows
    ]
    return sorted(slices, key=lambda one: one.number)


def freeze(slices: list[Slice], volumes_splits: Path) -> list[tuple[str, str]]:
    """(patient, split): runs of numbers of each tumor type, then the patients of the volumes."""
    rows = []
    for kind in sorted({one.kind for one in slices}):
        numbers = [one.number for one in slices if one.kind == kind]
        shares = np.cumsum([0.0, *SHARES.values()])
        borders = [numbers[min(int(s * len(numbers)), len(numbers) - 1)] for s in shares]
        borders[-1] = numbers[-1] + 1
        for split, (first, stop) in zip(SHARES, pairwise(borders), strict=True):
            low = first if first == borders[0] else first + GAP
            high = stop if stop == borders[-1] else stop - GAP
            inside = [n for n in numbers if low <= n < high]
            starts = sorted({low + (n - low) // RUN * RUN for n in inside})
            rows += [(f"{kind}-{start:04d}", split) for start in starts]
    with volumes_splits.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows.append((row["patient"], OF_FOLD[row["fold"]]))
    return rows


def read_splits() -> dict[str, str]:
    """The frozen split of each patient."""
    with SPLITS.open(encoding="utf-8") as file:
        return {row["patient"]: row["split"] for row in csv.DictReader(file)}


def patient_of(one: Slice, places: dict[str, str]) -> str | None:
    """The run that a slice belongs to; None where it was dropped beside a border."""
    names = (f"{one.kind}-{n:04d}" for n in range(one.number, one.number - RUN, -1))
    return next((name for name in names if name in places), None)


def cut_parts(
    picture: np.ndarray, box: tuple[float, ...], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """A part of one size with the tumor and one without; None where the slice has no room."""
    for _ in range(TRIES):
        side = int(rng.integers(*SIDES))
        found = [place_part(picture, box, side, rng, is_free=free) for free in (False, True)]
        if all(part is not None for part in found):
            return found[0], found[1]
    return None


def place_part(
    picture: np.ndarray,
    box: tuple[float, ...],
    side: int,
    rng: np.random.Generator,
    *,
    is_free: bool,
) -> np.ndarray | None:
    """One try: all but a square that is mostly head turns black."""
    x, y = (int(rng.integers(0, length - side + 1)) for length in picture.shape[::-1])
    x0, y0, x1, y1 = box
    is_whole = x <= x0 and y <= y0 and x1 <= x + side and y1 <= y + side
    is_apart = (
        x1 + MARGIN <= x or y1 + MARGIN <= y or x + side <= x0 - MARGIN or y + side <= y0 - MARGIN
    )
    part = picture[y : y + side, x : x + side]
    if not (is_apart if is_free else is_whole) or (part > HEAD).mean() < LEAST_HEAD:
        return None
    blank = np.zeros_like(picture)
    blank[y : y + side, x : x + side] = part
    return blank


def prepare(archive: Path, volumes: Path, out: Path) -> None:
    """Write the manifest, its boxes and the parts."""
    places, rng = read_splits(), np.random.default_rng(1)
    (out / "parts").mkdir(parents=True)
    rows: list[dict[str, object]] = []
    boxes: list[dict[str, object]] = []

    def add(path: Path, patient: str, kind: str, one: Slice | None) -> None:
        rows.append(
            {
                "path": path, "patient": patient, "kind": kind, "tumor": int(one is not None),
                "boxes": "boxes.csv",
            }
        )  # fmt: skip
        if one is not None:
            corners = dict(zip(CORNERS, one.box, strict=True))
            boxes.append({"path": path, **corners, "label": "tumor", "type": one.kind})

    for one in read_slices(archive):
        patient = patient_of(one, places)
        if patient is None:
            continue
        source = (archive / one.image).resolve()
        add(source, patient, "whole", one)
        if one.number % EVERY:
            continue
        parts = cut_parts(np.asarray(Image.open(source).convert("L")), one.box, rng)
        for name, part in zip(("with", "without"), parts or (), strict=False):
            path = out / f"parts/{one.number:04d}-{name}.png"
            Image.fromarray(part).save(path)
            add(path.relative_to(out), patient, "part", one if name == "with" else None)
    rows += free_slices(volumes, places)
    write(out / "manifest.csv", HEADER, rows)
    write(out / "boxes.csv", ("path", *CORNERS, "label", "type"), boxes)
    for split in SHARES:
        own = [row for row in rows if places[str(row["patient"])] == split]
        told = Counter(f"{row['kind']} {row['tumor']}" for row in own)
        print(f"{split}: {len({row['patient'] for row in own})} patients, {dict(told)}")


def free_slices(volumes: Path, places: dict[str, str]) -> list[dict[str, object]]:
    """Rows of the slices without a mask, of all patients of the archive of volumes.

    Of those who train, those with an even number.
    """
    rows: list[dict[str, object]] = []
    for path in sorted(volumes.glob("*/post.nii.gz")):
        mask = np.asarray(nib.load(path.parent / "mask.nii.gz").dataobj)
        free = np.flatnonzero(~(mask > 0).any(axis=(0, 1)))
        if places.get(path.parent.name) in LEARNERS:
            free = free[free % EVERY == 0]
        rows += [
            {"path": path.resolve(), "slice": int(n), "patient": path.parent.name, "kind": "volume",
             "tumor": 0, "boxes": "boxes.csv"}
            for n in free if path.parent.name in places
        ]  # fmt: skip
    return rows


def write(path: Path, columns: tuple[str, ...], rows: list[dict[str, object]]) -> None:
    """Write a CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_whole(data: Path, *splits: str) -> list[tuple[dict[str, str], np.ndarray]]:
    """Rows of whole slices of some splits, each with its box (1, 4) in pixels of the source."""
    places = read_splits()
    with (data / "boxes.csv").open(encoding="utf-8") as file:
        boxes = {row["path"]: [float(row[c]) for c in CORNERS] for row in csv.DictReader(file)}
    with (data / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "whole"]
    return [
        (row, np.array([boxes[row["path"]]])) for row in rows if places[row["patient"]] in splits
    ]


def read_boxed(data: Path, *splits: str) -> tuple[list[dict[str, str]], list[Boxed], list[float]]:
    """The same at SIZE, and by what each was scaled."""
    rows, boxed, scales = [], [], []
    for row, box in read_whole(data, *splits):
        picture = Image.open(data / row["path"]).convert("L")
        scale = SIZE / picture.width
        rows.append(row)
        boxed.append(Boxed(np.asarray(picture.resize((SIZE, SIZE))), box * scale))
        scales.append(scale)
    return rows, boxed, scales


def run_plain(data: Path, out: Path, epochs: int) -> None:
    """Fit on the whole slices of train and tune, write the boxes of the whole test slices."""
    torch.manual_seed(1)
    network = make_peer(SIZE, imagenet=True)
    fit_peer(network, read_boxed(data, *LEARNERS)[1], epochs=epochs, seed=1)
    rows, tested, scales = read_boxed(data, "test")
    judged = judge_peer(network, tested)
    found = [
        {"path": row["path"], **dict(zip(CORNERS, box / scale, strict=True)), "score": score}
        for row, scale, (boxes, scores) in zip(rows, scales, judged, strict=True)
        for box, score in zip(boxes, scores, strict=True)
    ]
    write(out, ("path", *CORNERS, "score"), found)


Found = dict[str, list[tuple[list[float], float]]]


def read_plain(path: Path) -> Found:
    """Boxes with scores by image name."""
    found: Found = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            box = [float(row[c]) for c in CORNERS]
            found.setdefault(Path(row["path"]).name, []).append((box, float(row["score"])))
    return found


def read_predictions(path: Path) -> Found:
    """The same of a predictions.jsonl."""
    found: Found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        for region in json.loads(line).get("regions", []):
            box = [region["box_px"][c] for c in CORNERS]
            found.setdefault(Path(region["source"]).name, []).append((box, region["score"]))
    return found


def to_images(found: Found, rows: list[tuple[dict[str, str], np.ndarray]]) -> list[ImageBoxes]:
    """What one detector found on each of the test's whole slices."""
    images = []
    for row, truth in rows:
        own = found.get(Path(row["path"]).name, [])
        boxes = np.array([box for box, _ in own]).reshape(-1, 4)
        score = np.array([score for _, score in own])
        images.append(ImageBoxes(row["patient"], truth, np.zeros(1, bool), boxes, score))
    return images


def run_compare(plain: Path, predictions: Path, data: Path) -> None:
    """AP at 0.5 and FROC of both on whole test slices, and the paired differences."""
    rows = read_whole(data, "test")
    both = {
        "medrec": to_images(read_predictions(predictions), rows),
        "plain script": to_images(read_plain(plain), rows),
    }
    for name, images in both.items():
        code = np.unique([image.unit for image in images], return_inverse=True)[1]
        events = to_events(images, [judge(image, FLAT_RULE) for image in images])
        for figures, names in (
            (precision_rounds(rank(images, iou=IOU)), [f"AP at IoU {IOU}"]),
            (froc_rounds(events), [*(f"sensitivity at {r:g} FP/image" for r in RATES), "CPM"]),
        ):
            rng = np.random.default_rng(1)
            estimates = bootstrap_images(figures, code, count=ROUNDS, rng=rng)
            for what, one in zip(names, estimates, strict=True):
                print(f"{name}: {what} {say(one)}")
    gain = compare_detection(*both.values(), rule=FLAT_RULE, iou=IOU, rounds=ROUNDS)
    print(f"medrec minus plain script: AP {say(gain.average_precision)}, CPM {say(gain.cpm)}")


def say(one: object) -> str:
    """A value and its interval."""
    return "none" if one is None else f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]"


def main() -> None:
    """Freeze, prepare, fit the plain script, or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    frozen = verbs.add_parser("freeze", help="print the splits, which stand in configs/splits")
    frozen.add_argument("archive", type=Path)
    prepared = verbs.add_parser("prepare")
    prepared.add_argument("archive", type=Path)
    prepared.add_argument("volumes", type=Path)
    prepared.add_argument("--out", type=Path, required=True)
    plain = verbs.add_parser("plain")
    plain.add_argument("data", type=Path)
    plain.add_argument("--out", type=Path, required=True)
    plain.add_argument("--epochs", type=int, default=EPOCHS)
    compared = verbs.add_parser("compare")
    compared.add_argument("plain", type=Path)
    compared.add_argument("predictions", type=Path)
    compared.add_argument("data", type=Path)
    asked = parser.parse_args()
    match asked.verb:
        case "freeze":
            rows = freeze(read_slices(asked.archive), SPLITS.with_name("mri-brain-volumes.csv"))
            print("\n".join(["patient,split,fold", *(f"{p},{s}," for p, s in rows)]))
        case "prepare":
            prepare(asked.archive, asked.volumes, asked.out)
        case "plain":
            run_plain(asked.data, asked.out, asked.epochs)
        case "compare":
            run_compare(asked.plain, asked.predictions, asked.data)


if __name__ == "__main__":
    main()
