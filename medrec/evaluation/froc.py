"""Lesions found against false alarms: FROC, CPM and average precision, on resampled patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from medrec.domain.geometry import FloatArray
from medrec.evaluation.estimate import MINIMUM_UNITS, TOO_FEW_UNITS, Estimate
from medrec.evaluation.intervals import resample_units, summarise
from medrec.evaluation.matching import match_greedily

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.evaluation.matching import Events, ImageBoxes
    from medrec.evaluation.samples import BoolArray, IntArray

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives an image at which sensitivity is read (LUNA16: Setio et al. 2017)."""

_ROUNDS_AT_ONCE = 64
_RECALLS = np.linspace(0.0, 1.0, 101)

Rounds = Callable[[FloatArray], FloatArray]
"""Maps weights of images (R, I) to figures (R, K), NaN where undefined."""


def froc_rounds(events: Events, *, over_empty: bool = False) -> Rounds:
    """Sensitivity at each of `RATES`, then their mean, the CPM: (R, 8).

    The curve is read by linear interpolation, as LUNA16's is, and holds its last value beyond the
    highest rate that is reached. With `over_empty`, false positives are counted on empty images
    alone and divided by their number.
    """
    counted = events.is_empty if over_empty else np.ones(len(events.is_empty), dtype=bool)
    found = np.isfinite(events.found_score)
    kept = counted[events.false_image]
    score = np.concatenate([events.found_score[found], events.false_score[kept]])
    image = np.concatenate([events.found_image[found], events.false_image[kept]])
    is_found = np.arange(len(score)) < found.sum()
    order = np.argsort(-score, kind="stable")
    score, image, is_found = score[order], image[order], is_found[order]
    part, parts = _parts(score, is_found)
    found_in = _by_part(image[is_found], part[is_found], (len(counted), parts))
    false_in = _by_part(image[~is_found], part[~is_found], (len(counted), parts))

    def rounds(weight: FloatArray) -> FloatArray:
        lesions = weight[:, events.found_image].sum(axis=1)
        images = weight @ counted
        sensitivity = _cumulated(weight @ found_in, lesions)
        rate = _cumulated(weight @ false_in, images)
        read = np.full((len(weight), len(RATES)), np.nan)
        for row in np.flatnonzero((lesions > 0) & (images > 0)):
            read[row] = np.interp(RATES, rate[row], sensitivity[row])
        return np.column_stack([read, read.mean(axis=1)])

    return rounds


def _parts(score: FloatArray, is_found: BoolArray) -> tuple[IntArray, int]:
    """Which part of the curve each event (N,) is in, scores falling, and how many parts there are.

    A part is all events of one score where one of them is a lesion, or all false alarms between
    two such scores, over which the curve is level: it need be known at the ends of parts alone.
    """
    if not len(score):
        return np.empty(0, dtype=np.intp), 0
    starts = np.flatnonzero(np.diff(score, prepend=np.nan) != 0)
    rises = np.logical_or.reduceat(is_found, starts)
    is_first = rises | np.append(True, rises[:-1])
    number = np.cumsum(is_first) - 1
    lengths = np.diff(starts, append=len(score))
    return np.repeat(number, lengths), int(number[-1]) + 1


def _by_part(image: IntArray, part: IntArray, shape: tuple[int, int]) -> csr_array:
    """How many events each part has on each image: weights of images times it are sums of parts."""
    return csr_array((np.ones(len(image)), (image, part)), shape=shape)


@dataclass(frozen=True, eq=False)
class FrocCurve:
    """Sensitivity (N,) and false positives an image (N,) at falling thresholds (N,)."""

    rate: FloatArray
    sensitivity: FloatArray
    threshold: FloatArray

    def threshold_at(self, rate: float) -> float:
        """The lowest threshold that costs at most so many false positives an image."""
        return float(self.threshold[np.flatnonzero(self.rate <= rate)[-1]])


def froc_curve(events: Events) -> FrocCurve:
    """The curve itself; its first point is (0, 0), at a threshold above all scores.

    Raises:
        ValueError: No image, or no lesion.
    """
    if not len(events.is_empty) or not len(events.found_score):
        message = "a FROC needs images and lesions"
        raise ValueError(message)
    found = np.sort(events.found_score[np.isfinite(events.found_score)])
    false = np.sort(events.false_score)
    scores = np.unique(np.concatenate([found, false]))[::-1]
    above = [len(part) - np.searchsorted(part, scores) for part in (found, false)]
    return FrocCurve(
        rate=np.append(0.0, above[1] / len(events.is_empty)),
        sensitivity=np.append(0.0, above[0] / len(events.found_score)),
        threshold=np.append(np.inf, scores),
    )


@dataclass(frozen=True, eq=False)
class RankedBoxes:
    """The boxes of all images, highest score first: `is_true` (P,), `image` (P,).

    `lesions` (I,) is how many lesions each image has.
    """

    is_true: BoolArray
    image: IntArray
    score: FloatArray
    lesions: IntArray


def rank(images: Sequence[ImageBoxes], *, iou: float) -> RankedBoxes:
    """Match each image's boxes and rank them all; boxes that count neither way are left out."""
    judged = [match_greedily(image, iou=iou) for image in images]
    none = np.empty(0)
    score = np.concatenate(
        [none, *(image.score[one.counts] for image, one in zip(images, judged, strict=True))]
    )
    is_true = np.concatenate([none, *(one.is_true[one.counts] for one in judged)]).astype(bool)
    image = np.repeat(np.arange(len(images)), [int(one.counts.sum()) for one in judged])
    order = np.argsort(-score, kind="stable")
    lesions = np.array([int((~one.is_ignored).sum()) for one in images], dtype=int)
    return RankedBoxes(is_true[order], image[order], score[order], lesions)


def precision_rounds(ranked: RankedBoxes) -> Rounds:
    """Average precision as COCO computes it: precision at 101 recalls, made monotone; (R, 1)."""
    # Recall rises at true boxes alone, and what lies between two of them only lowers precision.
    part = np.append(0, np.cumsum(ranked.is_true)[:-1]) if len(ranked.is_true) else ranked.image
    shape = len(ranked.lesions), int(ranked.is_true.sum())
    is_kept = part < shape[1]
    drawn_in = _by_part(ranked.image[is_kept], part[is_kept], shape)

    def rounds(weight: FloatArray) -> FloatArray:
        total = weight @ ranked.lesions
        true = np.cumsum(weight[:, ranked.image[ranked.is_true]], axis=1)
        drawn = np.cumsum(weight @ drawn_in, axis=1)
        precision = np.divide(true, drawn, out=np.zeros_like(true), where=drawn > 0)
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        values = np.full(len(weight), np.nan)
        for row in np.flatnonzero(total > 0):
            at = np.searchsorted(true[row] / total[row], _RECALLS)
            values[row] = np.append(precision[row], 0.0)[at].mean()
        return values[:, np.newaxis]

    return rounds


def bootstrap_images(
    rounds: Rounds, unit_code: IntArray, *, count: int, rng: np.random.Generator
) -> list[Estimate | None]:
    """Figures (K) with intervals from resampled patients, each with all its images.

    None for a figure that is undefined on the images themselves.
    """
    value = rounds(np.ones((1, len(unit_code))))[0]
    units = int(unit_code.max()) + 1 if len(unit_code) else 0
    if units < MINIMUM_UNITS:
        return [_lone(one, TOO_FEW_UNITS) for one in value]
    values = resampled(rounds, unit_code, count=count, rng=rng)
    return [
        None if np.isnan(one) else summarise(float(one), column)
        for one, column in zip(value, values.T, strict=True)
    ]


def resampled(
    rounds: Rounds, unit_code: IntArray, *, count: int, rng: np.random.Generator
) -> FloatArray:
    """Figures on `count` resamples of the patients, (count, K)."""
    units = int(unit_code.max()) + 1
    parts = []
    for first in range(0, count, _ROUNDS_AT_ONCE):
        size = min(_ROUNDS_AT_ONCE, count - first)
        drawn = resample_units(units, rounds=size, rng=rng).astype(np.float64)
        parts.append(rounds(drawn[:, unit_code]))
    return np.concatenate(parts)


def _lone(value: float, why: str) -> Estimate | None:
    return None if np.isnan(value) else Estimate(float(value), None, None, "value only", note=why)


def _cumulated(sums: FloatArray, total: FloatArray) -> FloatArray:
    """Cumulative shares (R, N + 1) of sums (R, N), from 0."""
    below = np.maximum(total, np.finfo(np.float64).tiny)[:, np.newaxis]
    return np.column_stack([np.zeros(len(sums)), np.cumsum(sums, axis=1) / below])
