"""All images of one label, judged by one rule: what every figure of boxes is computed on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.finding import Region
from medrec.evaluation.froc import bootstrap_images, froc_curve
from medrec.evaluation.matching import judge, to_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.evaluation.detection_images import DetectionImage
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.froc import FrocCurve, Rounds
    from medrec.evaluation.matching import Events, HitRule, Hits, ImageBoxes
    from medrec.evaluation.samples import IntArray
    from medrec.evaluation.settings import EvaluationSettings

AT_RATE = 1.0
"""False positives an image at which sizes and localisation are looked at."""


@dataclass(frozen=True, eq=False)
class DetectionSet:
    """The images of one label; one seed for every figure: all see the same resamples."""

    images: Sequence[DetectionImage]
    rule: HitRule
    settings: EvaluationSettings
    is_solid: bool

    @cached_property
    def has_probabilities(self) -> bool:
        """Whether a calibrator made a probability of every region's score."""
        regions = [region for image in self.images for region in image.regions]
        return bool(regions) and all(isinstance(region, Region) for region in regions)

    @cached_property
    def arrays(self) -> list[ImageBoxes]:
        """The images as numbers."""
        return [image.to_arrays(by_probability=self.has_probabilities) for image in self.images]

    @cached_property
    def hits(self) -> list[Hits]:
        """Each image judged."""
        return [judge(image, self.rule) for image in self.arrays]

    @cached_property
    def events(self) -> Events:
        """All images judged together."""
        return to_events(self.arrays, self.hits)

    @cached_property
    def curve(self) -> FrocCurve:
        """The FROC; there must be a lesion."""
        return froc_curve(self.events)

    @property
    def lesion_count(self) -> int:
        """How many lesions there are that count."""
        return len(self.events.found_score)

    @cached_property
    def threshold(self) -> float:
        """The lowest score that costs at most `AT_RATE` false positives an image."""
        return self.curve.threshold_at(AT_RATE)

    def rng(self) -> np.random.Generator:
        """The same numbers each time."""
        return np.random.default_rng(self.settings.seed)

    def bootstrap(self, rounds: Rounds) -> list[Estimate | None]:
        """Figures with their intervals from resampled patients."""
        count = self.settings.bootstrap_rounds
        return bootstrap_images(rounds, self.events.unit_code, count=count, rng=self.rng())

    def count_by_image(self, numbers: IntArray) -> IntArray:
        """How often each image (I,) is among numbers of images."""
        return np.bincount(numbers, minlength=len(self.images))
