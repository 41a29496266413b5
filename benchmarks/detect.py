"""Detectors beside torchvision's RetinaNet, and the 3D suppression beside MONAI's, in one run.

    python benchmarks/detect.py [--size 320] [--batch 8] [--threads 2] [--processor-time]

Both networks have timm's EfficientNet-Lite0, a pyramid of 128 channels and heads of four
convolutions; torchvision's has five levels and three anchors a place, as the script that the
detectors are held against. Pictures are noise with one box: what is timed doesn't depend on them.
Each figure is the median of alternating rounds, of time on the clock or, with `--processor-time`,
of the processor's: on a machine that others use too, that is the fairer one.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import TYPE_CHECKING

import torch
from monai.data.box_utils import non_max_suppression
from torchvision_retinanet import BACKBONE, make_peer

from medrec.models.boxes import suppress
from medrec.models.classifiers import TimmClassifier
from medrec.models.detectors import Detector
from medrec.models.finder import Finder
from medrec.models.pyramids import TimmPyramid
from medrec.training.detection import DetectionLoss

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
BOXES = 3000


def own() -> Detector:
    """medrec's, as a config without options makes it."""
    pyramid = TimmPyramid(
        TimmClassifier(BACKBONE, label_count=1), finest_stride=8, levels=4, channels=128
    )
    anchors = [[(side, side)] for side in (24.0, 48.0, 96.0, 192.0)]
    return Detector(pyramid, anchors=anchors, label_of=(0,), label_count=1)


def alternate(
    first: Callable[[], object], second: Callable[[], object], clock: Callable[[], float]
) -> tuple[float, float]:
    """Median seconds of both."""
    first(), second()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for run, times in zip((first, second), seconds, strict=True):
            started = clock()
            run()
            times.append(clock() - started)
    return median(seconds[0]), median(seconds[1])


def say(what: str, ours: float, theirs: float, count: int) -> None:
    """Rates and their ratio."""
    print(
        f"{what}: medrec {count / ours:.2f} images/s, torchvision {count / theirs:.2f} images/s, "
        f"ratio {theirs / ours:.2f}"
    )


def time_networks(size: int, batch: int, clock: Callable[[], float]) -> None:
    """A step of training and a look at a batch, bf16 as on the CPU of a laptop."""
    images = torch.rand(batch, 1, size, size)
    box = torch.tensor([size * 0.3, size * 0.3, size * 0.5, size * 0.6])
    objects = torch.cat([box, torch.zeros(1)]).expand(batch, 1, 5)
    mine, theirs, loss = own(), make_peer(size), DetectionLoss()
    targets = [{"boxes": box[None], "labels": torch.ones(1, dtype=torch.long)}] * batch
    colour = [image.expand(3, -1, -1) for image in images]

    def train_mine() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(mine.train()(images), objects, torch.ones(batch, 1))
        value.backward()

    def train_theirs() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            value = sum(theirs.train()(colour, targets).values())
        value.backward()

    say("training", *alternate(train_mine, train_theirs, clock), batch)
    finder = Finder()

    @torch.inference_mode()
    def look_mine() -> None:
        finder([mine.eval()], images)

    @torch.inference_mode()
    def look_theirs() -> None:
        theirs.eval()(colour)

    say("looking", *alternate(look_mine, look_theirs, clock), batch)


def time_suppression(clock: Callable[[], float]) -> None:
    """Thousands of boxes of a volume."""
    generator = torch.Generator().manual_seed(0)
    low = 100 * torch.rand(BOXES, 3, generator=generator)
    boxes = torch.cat([low, low + 5 + 20 * torch.rand(BOXES, 3, generator=generator)], dim=1)
    scores = torch.rand(BOXES, generator=generator)
    groups = torch.zeros(BOXES, dtype=torch.long)
    ours, theirs = alternate(
        lambda: suppress(boxes, scores, groups, overlap=0.3),
        lambda: non_max_suppression(boxes, scores, 0.3),
        clock,
    )
    print(
        f"suppression of {BOXES} boxes in 3D: medrec {ours * 1e3:.0f} ms, MONAI "
        f"{theirs * 1e3:.0f} ms, ratio {theirs / ours:.1f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processor-time", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    asked_clock = time.process_time if asked.processor_time else time.perf_counter
    time_suppression(asked_clock)
    time_networks(asked.size, asked.batch, asked_clock)
