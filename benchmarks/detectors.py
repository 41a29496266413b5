r"""A detector's config, its other head and torchvision's RetinaNet, on the same prepared pictures.

    python benchmarks/detectors.py configs/train/mri-brain-flair-boxes.yaml --out OUT \
        --set data.manifest=flair.csv [--arm retina --arm torchvision] [--folds 3]

All arms have EfficientNet-Lite0 from the same ImageNet weights, see the same pictures as often, and
are judged by their last weights on patients who didn't train them: cross-fitted in --folds where
the splits have folds, on `tune` where they haven't. The test is never opened. `retina` is the
config, `centre` the same with centre points at stride 4, `torchvision` its RetinaNet as a person
would write it first: flips, AdamW with one cycle. Differences are of the first arm and each other,
patients resampled in pairs. Finished folds are kept in --out; --fold fits one alone.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torchvision_retinanet import Boxed, fit_peer, judge_peer, make_peer

from medrec.config.base import read_config
from medrec.config.model import classes_of
from medrec.config.training import TrainConfig
from medrec.data.build import build_references, build_splits
from medrec.data.dataset import prepare_slices
from medrec.data.detection import DetectionSlices, lay_boxes
from medrec.data.splits import deal_folds
from medrec.domain.finding import Label
from medrec.domain.reference import Split
from medrec.evaluation.detection import FLAT_RULE
from medrec.evaluation.froc import RATES, bootstrap_images, froc_rounds, precision_rounds, rank
from medrec.evaluation.matching import ImageBoxes, judge, to_events
from medrec.evaluation.paired_detection import compare_detection
from medrec.preprocess.build import build_any_augmenter, build_preprocessor
from medrec.training.build import build_detection, build_network, build_settings
from medrec.training.fit import FitData, fit_network
from medrec.training.predict import predict_boxes
from medrec.workflows.anchoring import with_anchors

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDS, IOU, SEED = 2000, 0.5, 1
ARMS = ("retina", "centre", "torchvision")
Found = list[tuple[np.ndarray, np.ndarray]]


def read_slices(config: TrainConfig, folder: Path) -> tuple[DetectionSlices, list[list[int]]]:
    """Prepared slices of who is not tested, and the rows that each network is judged on."""
    references, root = build_references(config.data, labels=config.labels, folder=folder)
    plan = build_splits(config.splits, references, folder=folder)
    learning = [row for row in references if plan.place_of(row).split is not Split.TEST]
    prepared = prepare_slices(
        learning,
        root=root,
        prepare=build_preprocessor(config.preprocess),
        labels=[Label(label) for label in config.labels],
    )
    named = classes_of(config.model, config.labels)
    classes = {name: Label(label) for name, label in named.items()}
    slices = lay_boxes(prepared, root=root, classes=classes)
    slices = slices.subset(slices.known_rows())
    if plan.mode == "held_out":
        kept = plan.rows_of(slices.references, Split.TRAIN)
        tuned = plan.rows_of(slices.references, Split.TUNE)
        return slices.subset(kept + tuned), [list(range(len(kept), len(kept) + len(tuned)))]
    return slices, []


def deal(slices: DetectionSlices, folds: int) -> list[list[int]]:
    """The rows of each fold, whole patients together."""
    fold_of = deal_folds(slices.references, folds=folds, stratify_by=[], seed=SEED)
    return [
        [n for n, row in enumerate(slices.references) if fold_of[row.patient] == fold]
        for fold in range(folds)
    ]


def fit_own(
    config: TrainConfig, slices: DetectionSlices, learned: list[int], judged: list[int], out: Path
) -> Found:
    """Fit by medrec's engine: its augmentation, loss, averaging and finder."""
    config = with_anchors(config, slices, learned)
    network = build_network(
        config.model,
        label_count=len(config.labels),
        label_of=[0] * len(classes_of(config.model, config.labels)),
        size_px=config.preprocess.size_px,
        seed=SEED,
    )
    augment = build_any_augmenter(config.augment, config.preprocess, config.model)
    detection = build_detection(config.model)
    if detection is None:
        message = "wanted the config of a detector"
        raise SystemExit(message)
    result = fit_network(
        network,
        FitData(slices.subset(learned), augment=augment, detection=detection),
        settings=build_settings(config.fit, seed=SEED),
        folder=out,
        device="cpu",
        resume=True,
    )
    found = predict_boxes(result.network, slices.subset(judged).inputs(), finder=detection.finder)
    return [(one.boxes.boxes.numpy(), one.boxes.logits.numpy()) for one in found]


def fit_torchvision(
    config: TrainConfig, slices: DetectionSlices, learned: list[int], judged: list[int]
) -> Found:
    """The plain script on the same pictures; its boxes come in medrec's order, y first."""
    torch.manual_seed(SEED)
    network = make_peer(config.preprocess.size_px, imagenet=True)
    fit_peer(network, to_boxed(slices, learned), epochs=config.fit.epochs, seed=SEED)
    found = judge_peer(network, to_boxed(slices, judged))
    return [(boxes[:, [1, 0, 3, 2]], scores) for boxes, scores in found]


def to_boxed(slices: DetectionSlices, rows: Sequence[int]) -> list[Boxed]:
    """Pictures in 8 bits, and their boxes with x first."""
    return [
        Boxed(
            (slices.images[n][0].float().clamp(0, 1) * 255).round().byte().numpy(),
            truth_of(slices, n)[:, [1, 0, 3, 2]],
        )
        for n in rows
    ]


def truth_of(slices: DetectionSlices, row: int) -> np.ndarray:
    """Boxes (M, 4) of a row, y first."""
    objects = slices.objects[row]
    return objects[objects[:, -1] >= 0][:, :-1].double().numpy().reshape(-1, 4)


def run_arm(
    arm: str, config: TrainConfig, slices: DetectionSlices, judged: list[int], out: Path
) -> None:
    """Fit one network and write what it finds; kept if it is there."""
    target = out / "found.json"
    if target.exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    left = set(judged)
    learned = [n for n in range(len(slices)) if n not in left]
    if arm == "torchvision":
        found = fit_torchvision(config, slices, learned, judged)
    else:
        found = fit_own(with_head(config, arm), slices, learned, judged, out)
    seconds = time.perf_counter() - started
    print(f"{out.name}: {len(learned)} pictures x {config.fit.epochs}, {seconds:.0f} s", flush=True)
    boxes = [{"boxes": b.tolist(), "scores": s.tolist()} for b, s in found]
    target.write_text(json.dumps({"rows": judged, "found": boxes}), encoding="utf-8")


def with_head(config: TrainConfig, arm: str) -> TrainConfig:
    """The config with another head."""
    changes = {"head": "centre", "finest_stride": 4} if arm == "centre" else {}
    return config.model_copy(update={"model": config.model.model_copy(update=changes)})


def read_images(out: Path, slices: DetectionSlices, folds: int, arm: str) -> list[ImageBoxes]:
    """What an arm found in all judged rows, beside the truth."""
    images = []
    for fold in range(folds):
        content = json.loads((out / f"{arm}-{fold}" / "found.json").read_text("utf-8"))
        for row, one in zip(content["rows"], content["found"], strict=True):
            truth = truth_of(slices, row)
            boxes, score = np.array(one["boxes"]).reshape(-1, 4), np.array(one["scores"])
            unit = slices.references[row].resampling_unit
            images.append(ImageBoxes(unit, truth, np.zeros(len(truth), bool), boxes, score))
    return images


def table(of_arms: dict[str, list[ImageBoxes]]) -> None:
    """AP, CPM, sensitivities on all slices and over the empty ones; differences to the first."""
    for arm, images in of_arms.items():
        code = np.unique([image.unit for image in images], return_inverse=True)[1]
        events = to_events(images, [judge(image, FLAT_RULE) for image in images])
        rates = [f"sensitivity at {rate:g} FP/image" for rate in RATES]
        for where, names, rounds in (
            ("", [f"AP at IoU {IOU}"], precision_rounds(rank(images, iou=IOU))),
            ("", [*rates, "CPM"], froc_rounds(events)),
            ("FP over empty slices alone: ", [*rates, "CPM"], froc_rounds(events, over_empty=True)),
        ):
            rng = np.random.default_rng(SEED)
            found = bootstrap_images(rounds, code, count=ROUNDS, rng=rng)
            for name, one in zip(names, found, strict=True):
                print(f"{arm}: {where}{name} {say(one)}")
    first, *others = of_arms
    for other in others:
        gain = compare_detection(of_arms[first], of_arms[other], rule=FLAT_RULE, iou=IOU)
        print(f"{first} minus {other}: AP {say(gain.average_precision)}, CPM {say(gain.cpm)}")


def say(one: object) -> str:
    """A value and its interval."""
    if one is None:
        return "none"
    return (
        f"{one.value:.3f}"
        if one.low is None
        else f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]"
    )


def main() -> None:
    """Fit what is not there yet; print the table once all is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--arm", action="append", choices=ARMS)
    parser.add_argument("--folds", type=int, default=3, help="where the splits have folds")
    parser.add_argument("--fold", type=int, help="fit this one alone, and print no table")
    asked = parser.parse_args()
    config = read_config(asked.config, TrainConfig, overrides=asked.set)
    slices, judged = read_slices(config, asked.config.parent)
    judged = judged or deal(slices, asked.folds)
    arms = asked.arm or [*ARMS]
    for fold in range(len(judged)) if asked.fold is None else [asked.fold]:
        for arm in arms:
            run_arm(arm, config, slices, judged[fold], asked.out / f"{arm}-{fold}")
    if asked.fold is None:
        table({arm: read_images(asked.out, slices, len(judged), arm) for arm in arms})


if __name__ == "__main__":
    main()
