"""What pretraining without labels gives when a tenth of the patients have labels.

Fits one classifier on each of five draws of labelled patients, from ImageNet weights and from
ImageNet weights that went on learning by `medrec pretrain` on the patients of `train`, and compares
their AUROC on the patients of `tune`. The patients of `calibrate` and `test` are never opened.

    python benchmarks/pretraining.py ARCHIVE --out FOLDER [--figure docs/images/pretraining.svg]

ARCHIVE holds `cases.csv` (image, patient, cancer) and the pictures. What is finished in FOLDER is
kept: a run that was cut goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np

from medrec.config.base import read_config
from medrec.config.model import FileWeights, ModelConfig, PackageWeights
from medrec.config.preprocess import AugmentConfig
from medrec.config.pretraining import PretrainConfig
from medrec.data.dataset import SliceDataset, prepare_slices
from medrec.data.splits import read_splits
from medrec.domain.reference import Reference, Split
from medrec.evaluation.discrimination import auroc
from medrec.io.tables import write_rows
from medrec.preprocess.build import build_augmenter, build_preprocessor
from medrec.training.build import build_network
from medrec.training.fit import FitData, fit_network
from medrec.training.predict import predict_logits
from medrec.training.settings import FitSettings
from medrec.workflows.pretrain import pretrain

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs/pretrain/xray-mammography.yaml"
LABEL = "cancer"
DRAWS = 5
SHARE = 0.1
ROUNDS = 2000
ARMS = ("ImageNet", "ImageNet + pretraining")
# One schedule for both, fixed before either was run.
FIT = {"epochs": 20, "batch_size": 16, "learning_rate": 1e-3, "weight_decay": 0.02}


@dataclass(frozen=True)
class Scored:
    """Logits of the tune pictures by one classifier."""

    draw: int
    arm: str
    patients: np.ndarray
    truth: np.ndarray
    logits: np.ndarray

    def auroc(self, rows: np.ndarray | None = None) -> float:
        """AUROC of some rows, or all."""
        rows = np.arange(len(self.truth)) if rows is None else rows
        return float(auroc(self.truth[rows], self.logits[rows]))


def main() -> None:
    """Pretrain, fit, compare, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--figure", type=Path)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    references = read_archive(asked.archive)
    config = read_config(CONFIG, PretrainConfig)
    plan = read_splits(CONFIG.parent / str(config.splits), references)
    of = {split: [references[n] for n in plan.rows_of(references, split)] for split in Split}
    learned = pretrain_once(asked.archive, references, asked.out)
    weights = {
        ARMS[0]: PackageWeights(),
        ARMS[1]: FileWeights(kind="file", path=str(learned[0]), sha256=learned[1]),
    }
    results = fit_all(asked.archive, of, config, weights, asked.out)
    print(f"{(time.perf_counter() - started) / 60:.0f} minutes in this run")
    figures = compare(results)
    (asked.out / "comparison.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))
    if asked.figure:
        draw(figures, asked.figure)


def read_archive(archive: Path) -> list[Reference]:
    """One row a picture."""
    with (archive / "cases.csv").open(encoding="utf-8", newline="") as file:
        return [
            Reference(row["image"], row["patient"], labels={LABEL: row[LABEL] == "1"})
            for row in csv.DictReader(file)
        ]


def pretrain_once(archive: Path, references: list[Reference], out: Path) -> tuple[Path, str]:
    """The weights and their SHA-256; labels are not even in the manifest."""
    manifest = out / "manifest.csv"
    rows = [{"path": str(archive.resolve() / r.path), "patient": r.patient} for r in references]
    write_rows(manifest, ["path", "patient"], rows)
    result = pretrain(
        CONFIG,
        out=out / "pretrained",
        resume=True,
        overrides=[f"data.manifest={manifest.resolve()}"],
        say=print,
    )
    print("\n".join(result.summary_lines()))
    return result.weights, result.sha256


def fit_all(
    archive: Path,
    of: dict[Split, list[Reference]],
    config: PretrainConfig,
    weights: dict[str, PackageWeights | FileWeights],
    out: Path,
) -> list[Scored]:
    """Fit each draw from each first weights, unless its logits are in `out` already."""
    results: list[Scored] = []
    slices: dict[Split, SliceDataset] = {}
    for number in range(1, DRAWS + 1):
        for arm in ARMS:
            file = out / f"draw-{number}-{ARMS.index(arm)}.csv"
            if not file.exists():
                for split in (Split.TRAIN, Split.TUNE) if not slices else ():
                    slices[split] = prepare_slices(
                        of[split],
                        root=archive,
                        prepare=build_preprocessor(config.preprocess),
                        labels=[LABEL],
                    )
                fit_one(number, weights[arm], slices, config.preprocess.size_px, file)
            results.append(read_scored(number, arm, file))
            print(f"draw {number}, {arm}: AUROC {results[-1].auroc():.3f}", flush=True)
    return results


def fit_one(
    number: int,
    weights: PackageWeights | FileWeights,
    slices: dict[Split, SliceDataset],
    size_px: int,
    file: Path,
) -> None:
    """Fit one classifier on one draw of labelled patients; write its logits of `tune`."""
    train, tune = slices[Split.TRAIN], slices[Split.TUNE]
    patients = sorted({row.patient for row in train.references})
    rng = np.random.default_rng([1, number])
    drawn = set(rng.choice(patients, round(SHARE * len(patients)), replace=False))
    rows = [n for n, row in enumerate(train.references) if row.patient in drawn]
    network = build_network(
        ModelConfig(weights=weights), label_count=1, size_px=size_px, seed=number
    )
    started = time.perf_counter()
    result = fit_network(
        network,
        FitData(train.subset(rows), augment=build_augmenter(AugmentConfig(), size_px=size_px)),
        settings=FitSettings(seed=number, **FIT),
        folder=file.with_suffix(""),
        resume=True,
    )
    logits = predict_logits(result.network, tune)[:, 0]
    positives = int((train.targets[rows] == 1).sum())
    print(
        f"{len(drawn)} patients, {len(rows)} pictures, {positives} with cancer, "
        f"{time.perf_counter() - started:.0f} s",
        flush=True,
    )
    part = file.with_suffix(".part")
    write_rows(
        part,
        ["patient", "truth", "logit"],
        [
            {"patient": row.patient, "truth": int(row.labels[LABEL]), "logit": float(logit)}
            for row, logit in zip(tune.references, logits, strict=True)
        ],
    )
    part.replace(file)


def read_scored(number: int, arm: str, file: Path) -> Scored:
    """Read logits back."""
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    return Scored(
        number,
        arm,
        patients=np.array([row["patient"] for row in rows]),
        truth=np.array([row["truth"] == "1" for row in rows]),
        logits=np.array([float(row["logit"]) for row in rows]),
    )


def compare(results: list[Scored]) -> dict[str, object]:
    """AUROC by draw, and the mean paired difference with the interval of 2,000 patient bootstraps.

    The patients of `tune` are drawn with replacement, the same for all ten classifiers of a round.
    """
    by_arm = {arm: [r for r in results if r.arm == arm] for arm in ARMS}

    def differences(rows: np.ndarray | None = None) -> np.ndarray:
        plain, more = ([r.auroc(rows) for r in by_arm[arm]] for arm in ARMS)
        return np.array(more) - np.array(plain)

    rng = np.random.default_rng(1)
    patients = results[0].patients
    rows_of = [np.flatnonzero(patients == name) for name in np.unique(patients)]
    means = [
        differences(
            np.concatenate([rows_of[n] for n in rng.integers(len(rows_of), size=len(rows_of))])
        ).mean()
        for _ in range(ROUNDS)
    ]
    low, high = np.percentile(means, (2.5, 97.5))
    found = differences()
    return {
        "auroc": {arm: [round(r.auroc(), 4) for r in rows] for arm, rows in by_arm.items()},
        "differences": found.round(4).tolist(),
        "mean_difference": round(float(found.mean()), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "tune": {
            "patients": len(rows_of),
            "pictures": len(patients),
            "with_cancer": int(results[0].truth.sum()),
        },
    }


def draw(figures: dict, path: Path) -> None:
    """One line a draw, and the mean difference."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "medrec"
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(7.5, 3.4), width_ratios=[2, 1], layout="constrained"
    )
    for pair in zip(*figures["auroc"].values(), strict=True):
        left.plot([0, 1], pair, "o-", color="tab:blue", alpha=0.7)
    left.axhline(0.5, color="grey", linestyle=":", linewidth=1)
    left.set_xticks([0, 1], ["ImageNet", "ImageNet +\npretraining"])
    left.set_xlim(-0.3, 1.3)
    left.set_ylabel("AUROC on the patients of tune")
    left.set_title("Five draws of 10 % of the patients", fontsize=10)
    low, high = figures["interval"]
    mean = figures["mean_difference"]
    right.errorbar([0], [mean], [[mean - low], [high - mean]], fmt="o", color="black", capsize=4)
    right.plot(np.full(DRAWS, 0.25), figures["differences"], "o", color="tab:blue", alpha=0.7)
    right.axhline(0, color="grey", linestyle=":", linewidth=1)
    right.set_xticks([0, 0.25], ["mean", "draws"])
    right.set_xlim(-0.2, 0.45)
    right.set_ylabel("difference of AUROC")
    right.set_title("95 %, by patient", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
