"""The config that `medrec configure` writes, against three that a person would choose by hand.

Every config gets the same compute, counted and not timed, so that other programs don't matter:
pictures shown x pixels of each, for EfficientNet-Lite0, where --minutes are those of one core that
learns 13 pictures a second at 192 px. A ResNet-18 is charged by its own multiply-adds. Epochs are
whole: what each config used of its budget is printed. All share manifest, splits and seed. Judged
by the last, averaged weights on the `tune` patients, or on logits out of fold where the splits have
folds; the test is never opened. Differences are paired: the same resampled patients for both.
Finished fits are kept in --out, and a second call goes on from there, in the epoch where it was
cut. --config NAME fits one config alone: a process for each, once --config none has written the
default.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import roc_auc_score

from medrec.config.base import read_config
from medrec.config.training import TrainConfig
from medrec.data.build import build_references, build_splits
from medrec.data.dataset import SliceDataset, prepare_slices
from medrec.domain.finding import Label
from medrec.domain.reference import Split
from medrec.evaluation.intervals import summarise
from medrec.preprocess.build import build_augmenter, build_preprocessor
from medrec.training.build import build_network, build_settings
from medrec.training.fit import FitData, fit_network
from medrec.training.predict import predict_logits
from medrec.workflows import fingerprinting
from medrec.workflows.configure import configure

if TYPE_CHECKING:
    from medrec.data.splits import SplitPlan
    from medrec.evaluation.estimate import Estimate

PICTURES_A_SECOND, AT_PX = 13.0, 192
RESNET_OVER_LITE = 4.5  # multiply-adds: 1.8e9 over 0.4e9 at 224 px
ROUNDS = 2000
PLAIN = {
    "augment": {
        "affine": 0.5, "rotate_degrees": 10, "scale": 0.1, "shift": 0.05, "shear": 0.0,
        "gamma": 0.0, "intensity": 0.0, "bias_field": 0.0, "noise": 0.0, "blur": 0.0,
        "low_resolution": 0.0,
    },
    "optimiser": {"learning_rate": 3e-4, "weight_decay": 0.01, "warmup_fraction": 0.3},
}  # fmt: skip


def arms(default: TrainConfig) -> dict[str, tuple[TrainConfig, float]]:
    """Each config, before its epochs are set, and what a pixel costs relative to Lite0."""
    flip = default.augment.flip_left_right

    def by_hand(size: int, **model: object) -> TrainConfig:
        data = default.model_dump(mode="json")
        data["preprocess"] = {"size_px": size, "crop": "none"}
        data["augment"] = {**PLAIN["augment"], "flip_left_right": flip}
        data["model"] = {"backbone": "tf_efficientnet_lite0", **model}
        data["fit"] = {"batch_size": 32, "optimiser": PLAIN["optimiser"]}
        return TrainConfig.model_validate(data)

    scratch = {"backbone": "resnet18", "weights": {"kind": "none"}}
    return {
        "default": (default, 1.0),
        "plain_224": (by_hand(224), 1.0),
        "large_320": (by_hand(320), 1.0),
        "resnet18_scratch_224": (by_hand(224, **scratch), RESNET_OVER_LITE),
    }


def run_arm(name: str, config: TrainConfig, cost: float, options: argparse.Namespace) -> Path:
    """Fit and judge; the logits of all judged rows in a file."""
    folder = options.out / name
    found = folder / "judged.json"
    if found.exists():
        return found
    folder.mkdir(parents=True, exist_ok=True)
    references, root = build_references(config.data, labels=config.labels, folder=options.out)
    plan = build_splits(config.splits, references, folder=options.out)
    references = [row for row in references if plan.place_of(row).split is not Split.TEST]
    slices = prepare_slices(
        references,
        root=root,
        prepare=build_preprocessor(config.preprocess),
        labels=[Label(label) for label in config.labels],
    )
    jobs = folds_of(slices, plan)[: options.folds]
    shown = sum(len(learned) for learned, _ in jobs)
    size = config.preprocess.size_px
    budget = options.minutes * 60 * PICTURES_A_SECOND * AT_PX**2
    an_epoch = shown * size**2 * cost
    epochs = max(1, round(budget / an_epoch))
    # The last weights are judged, not the best on those who judge: nothing may stop early.
    fit = config.fit.model_copy(update={"epochs": epochs, "early_stop": None})
    rows, logits = [], []
    for number, (learned, judged) in enumerate(jobs):
        network = build_network(
            config.model, label_count=len(config.labels), size_px=size, seed=1000 + number
        )
        result = fit_network(
            network,
            FitData(slices.subset(learned), augment=build_augmenter(config.augment, size_px=size)),
            settings=build_settings(fit, seed=1000 + number),
            folder=folder / f"fit-{number}",
            device=options.device,
            resume=True,
        )
        column = config.labels.index(config.primary_label)
        rows += judged
        logits += predict_logits(result.network, slices.subset(judged))[:, column].tolist()
    primary = Label(config.primary_label)
    content = {
        "size_px": size,
        "epochs": epochs,
        "budget_used": epochs * an_epoch / budget,
        "rows": [
            {"key": f"{row.path}#{row.slice}", "patient": row.patient,
             "truth": row.labels.get(primary), "logit": logit}
            for row, logit in zip((slices.references[n] for n in rows), logits, strict=True)
        ],
    }  # fmt: skip
    part = found.with_suffix(".part")
    part.write_text(json.dumps(content), encoding="utf-8")
    part.replace(found)
    return found


def folds_of(slices: SliceDataset, plan: SplitPlan) -> list[tuple[list[int], list[int]]]:
    """Rows to learn from and rows to judge, for each network."""
    train = plan.rows_of(slices.references, Split.TRAIN)
    if plan.mode == "held_out":
        return [(train, plan.rows_of(slices.references, Split.TUNE))]
    fold = {n: plan.place_of(slices.references[n]).fold for n in train}
    return [
        ([n for n in train if fold[n] != held], [n for n in train if fold[n] == held])
        for held in plan.folds
    ]


def table(found: dict[str, dict]) -> list[str]:
    """AUROC of each, and the default's lead over it, with intervals from resampled patients."""
    keys = sorted(
        set.intersection(
            *(
                {row["key"] for row in one["rows"] if row["truth"] is not None}
                for one in found.values()
            )
        )
    )
    by_key = {name: {row["key"]: row for row in one["rows"]} for name, one in found.items()}
    first = next(iter(by_key.values()))
    truth = np.array([first[key]["truth"] for key in keys])
    patient = np.array([first[key]["patient"] for key in keys])
    score = {name: np.array([own[key]["logit"] for key in keys]) for name, own in by_key.items()}
    _, unit = np.unique(patient, return_inverse=True)
    count = unit.max() + 1
    rng = np.random.default_rng(1)
    draws = rng.multinomial(count, np.full(count, 1 / count), size=ROUNDS)[:, unit]
    values = {name: np.array([auroc(truth, own, w) for w in draws]) for name, own in score.items()}
    lines = [f"{len(keys)} rows of {count} patients, {int(truth.sum())} positive",
             "| config | px | epochs | budget used | AUROC | default minus it |",
             "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for name, one in found.items():
        plain = roc_auc_score(truth, score[name])
        own = summarise(plain, values[name])
        lead = roc_auc_score(truth, score["default"]) - plain
        gap = summarise(lead, values["default"] - values[name])
        told = "" if name == "default" else shown(gap)
        used = f"{one['budget_used']:.2f}"
        lines.append(
            f"| {name} | {one['size_px']} | {one['epochs']} | {used} | {shown(own)} | {told} |"
        )
    return lines


def auroc(truth: np.ndarray, score: np.ndarray, weight: np.ndarray) -> float:
    """Weighted; NaN where the resample holds one class."""
    if not (weight[truth].sum() and weight[~truth].sum()):
        return np.nan
    return roc_auc_score(truth, score, sample_weight=weight)


def shown(estimate: Estimate) -> str:
    """A value and its interval."""
    if estimate.low is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def main() -> None:
    """Configure, fit all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=3.0, help="of one core, for each config")
    parser.add_argument("--splits", type=Path)
    parser.add_argument(
        "--folds", type=int, default=5, help="networks to fit where there are folds"
    )
    parser.add_argument("--label", action="append", default=[], help="all if left out")
    parser.add_argument("--config", help="fit this one alone; none: write the default and stop")
    parser.add_argument("--modality")
    parser.add_argument("--body-part")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "default.yaml"
    if not path.exists():
        configure_default(path, options)
    known = arms(read_config(path, TrainConfig))
    if options.config not in {None, "none", *known}:
        parser.error(f"--config {options.config}: wanted none or one of {', '.join(known)}")
    found = {}
    for name, (config, cost) in known.items():
        if options.config in {None, name}:
            print(f"{name} ...", flush=True)
            found[name] = json.loads(run_arm(name, config, cost, options).read_text("utf-8"))
    if options.config is None:
        print("\n".join(table(found)))


def configure_default(path: Path, options: argparse.Namespace) -> None:
    """Write the default config, for the speed in which budgets are counted."""
    fingerprinting.measure_speed = lambda *_, **__: PICTURES_A_SECOND
    configure(
        options.manifest,
        out=path,
        labels=options.label,
        modality=options.modality,
        body_part=options.body_part,
        splits=options.splits,
        budget_minutes=options.minutes,
        device=options.device,
    )


if __name__ == "__main__":
    main()
