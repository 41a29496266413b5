"""Whether boxes' probabilities mean what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medrec.evaluation.detection_result import BoxCalibration
from medrec.evaluation.intervals import bootstrap_units
from medrec.evaluation.reliability import brier_rounds, measure_ece, reliability_curve
from medrec.evaluation.samples import Samples

if TYPE_CHECKING:
    from medrec.evaluation.detection_set import DetectionSet


def box_samples(found: DetectionSet) -> Samples | None:
    """One row a box: true where it is the best on a lesion, false where it is on nothing.

    Second boxes on a lesion, and boxes on ignored ones, count neither way, as in fitting
    (`Hits.counts`). None without any box.
    """
    counted = [hit.counts for hit in found.hits]
    counts = [int(one.sum()) for one in counted]
    if not sum(counts):
        return None
    parts = list(zip(found.images, found.arrays, found.hits, counted, strict=True))
    logits = [np.array([region.score for region in image.regions]) for image in found.images]
    return Samples(
        truth=np.concatenate([hit.is_best[one] for _, _, hit, one in parts]),
        probability=np.concatenate([array.score[one] for _, array, _, one in parts]),
        logit=np.concatenate([own[one] for own, one in zip(logits, counted, strict=True)]),
        unit=np.repeat([image.unit for image in found.images], counts),
        weight=np.ones(sum(counts)),
    )


def measure_box_calibration(found: DetectionSet) -> BoxCalibration | None:
    """Brier score, ECE and reliability of the boxes' probabilities; None without any box."""
    samples = box_samples(found)
    if samples is None:
        return None
    settings = found.settings
    rounds, bins = settings.bootstrap_rounds, settings.ece_bins
    measured = measure_ece(
        samples, rounds=rounds, draws=settings.calibrated_draws, rng=found.rng(), bins=bins
    )
    return BoxCalibration(
        boxes=len(samples),
        true_boxes=int(samples.truth.sum()),
        brier=bootstrap_units(samples, brier_rounds, rounds=rounds, rng=found.rng()),
        ece=measured.ece,
        ece_if_calibrated=measured.if_calibrated,
        reliability=reliability_curve(samples, bins=bins, rounds=rounds, rng=found.rng()),
    )
