"""Images with lesions and boxes, by hand and drawn at random."""

from __future__ import annotations

import numpy as np

from medrec.evaluation.matching import ImageBoxes


def an_image(*, truth=(), boxes=(), score=(), ignored=(), unit="p"):
    """Lesions `truth`, boxes with their scores; `ignored` are numbers of lesions."""
    wide = len((*truth, *boxes)[0]) if (*truth, *boxes) else 4
    is_ignored = np.isin(np.arange(len(truth)), ignored)
    return ImageBoxes(
        unit=unit,
        truth=np.array(truth, dtype=float).reshape(-1, wide),
        is_ignored=is_ignored,
        boxes=np.array(boxes, dtype=float).reshape(-1, wide),
        score=np.array(score, dtype=float),
    )


def random_images(count=60, *, seed=0, patients=30, skill=1.0):
    """Lesions on most images, a jittered box on most of them, some twice, and false alarms."""
    rng = np.random.default_rng(seed)
    images = []
    for number in range(count):
        truth = [_corners(rng) for _ in range(rng.integers(0, 4))]
        boxes, score = [], []
        for lesion in truth:
            for _ in range(rng.integers(0, 3)):
                boxes.append(np.add(lesion, rng.normal(0, 2.0, 4)))
                score.append(rng.normal(skill))
        for _ in range(rng.integers(0, 4)):
            boxes.append(_corners(rng))
            score.append(rng.normal())
        images.append(an_image(truth=truth, boxes=boxes, score=score, unit=f"p{number % patients}"))
    return images


def _corners(rng):
    low, side = rng.uniform(0, 200, 2), rng.uniform(12, 40, 2)
    return (*low, *(low + side))
