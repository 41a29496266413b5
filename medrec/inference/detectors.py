"""Detectors as functions of a volume: boxes in source pixels, and logits that agree with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from medrec.calibration.boxes import joint_logits, log_odds_of
from medrec.domain.box import Box
from medrec.domain.codes import ReasonCode
from medrec.errors import FailedScanError
from medrec.evaluation.joining import box_around, join_slices
from medrec.inference.predictor import FoundBox, VolumeLogits
from medrec.models.ensemble import members_of
from medrec.preprocess.places import to_source_slice, to_source_volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from medrec.calibration.boxes import BoxCalibration
    from medrec.domain.geometry import FloatArray
    from medrec.domain.volume import Volume
    from medrec.models.detectors import Detector
    from medrec.models.finder import Finder, Found
    from medrec.preprocess.pipeline import Preprocessor
    from medrec.preprocess.volumes import VolumePreprocessor


@dataclass(frozen=True, eq=False)
class BoxJudge:
    """A detector, or several that vote, and what their scores mean.

    `calibrations` holds one for each of `label_count` labels, or none.
    """

    network: nn.Module
    finder: Finder
    calibrations: Sequence[BoxCalibration]
    label_count: int
    device: str
    precision: str = "32"

    def __call__(self, images: torch.Tensor) -> list[Found]:
        """Look at images (B, 1, ...); the answers come on the CPU.

        Raises:
            FailedScanError: The network gave no number, or its device has no memory left.
        """
        detectors = cast("Sequence[Detector]", members_of(self.network))
        kind, is_half = torch.device(self.device).type, self.precision == "bf16"
        try:
            with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=is_half):
                found = self.finder(detectors, images.to(self.device))
        except torch.OutOfMemoryError as error:
            detail = f"out of memory on {self.device}: lower batch_size, or use --device cpu"
            raise FailedScanError(ReasonCode.IO, detail) from error
        looked = [one.to("cpu") for one in found]
        if not all(one.is_finite for one in looked):
            raise FailedScanError(ReasonCode.NON_FINITE, "the network gave no number for a slice")
        return looked

    def odds(self, found: Found) -> FloatArray:
        """Log-odds (N,) of its boxes; their scores where nothing is calibrated."""
        boxes = found.boxes
        return log_odds_of(
            boxes.boxes.double().numpy(),
            boxes.logits.double().numpy(),
            boxes.labels.numpy(),
            self.calibrations,
        )

    def joint(self, found: Found) -> FloatArray:
        """The logits (K,) of a picture, never below those of its boxes."""
        heads = found.image_logits
        return joint_logits(
            self.odds(found),
            found.boxes.labels.numpy(),
            None if heads is None else heads.double().numpy(),
            calibrations=self.calibrations,
            count=self.label_count,
        )


@dataclass(frozen=True, eq=False)
class _Detector:
    """What detectors of slices and of volumes share: who judges, and where."""

    judge: BoxJudge

    @property
    def network(self) -> nn.Module:
        """What judges."""
        return self.judge.network

    @property
    def device(self) -> str:
        """Where it computes."""
        return self.judge.device


@dataclass(frozen=True, eq=False)
class SliceDetector(_Detector):
    """Preprocessor and 2D detector: boxes on each slice, or, joined, through the stack.

    The exam's logits are those of its highest slice.
    """

    preprocessor: Preprocessor
    joins: bool = False
    batch_size: int = 8

    def __call__(self, volume: Volume) -> VolumeLogits:
        """Judge every slice that isn't blank.

        Raises:
            RefusedScanError: The volume is blank or not finite.
            FailedScanError: The network gave no number, or its device has no memory left.
        """
        inputs = self.preprocessor(volume)
        batches = torch.split(inputs.images, self.batch_size)
        found = [one for batch in batches for one in self.judge(batch)]
        image = np.stack([self.judge.joint(one) for one in found])
        boxes = [
            box
            for number, one in zip(inputs.slices, found, strict=True)
            for box in self._to_boxes(one, number, inputs.to_source)
        ]
        boxes = _inside(boxes, volume)
        if self.joins and volume.slice_count > 1:
            boxes = _join(boxes)
        return VolumeLogits(image, image.max(axis=0), inputs, boxes=tuple(boxes))

    def _to_boxes(self, found: Found, number: int, to_source: FloatArray) -> list[FoundBox]:
        corners = to_source_slice(found.boxes.boxes.double().numpy(), to_source)
        places = [(Box(*row), number) for row in corners.tolist()]
        return _found_boxes(found, self.judge.odds(found), places)


@dataclass(frozen=True, eq=False)
class VolumeDetector(_Detector):
    """Preprocessor and 3D detector: boxes through the volume; there are no logits of slices."""

    preprocessor: VolumePreprocessor

    def __call__(self, volume: Volume) -> VolumeLogits:
        """Judge the exam.

        Raises:
            RefusedScanError: The volume is blank or not finite.
            FailedScanError: The network gave no number, or its device has no memory left.
        """
        inputs = self.preprocessor(volume)
        (found,) = self.judge(inputs.voxels[None])
        corners = to_source_volume(
            found.boxes.boxes.double().numpy(), inputs.to_source, slice_axis=volume.slice_axis
        )
        places = [
            (Box(x0, y0, x1, y1, z0, z1), int((z0 + z1) // 2))
            for x0, y0, z0, x1, y1, z1 in corners.tolist()
        ]
        boxes = _inside(_found_boxes(found, self.judge.odds(found), places), volume)
        exam = self.judge.joint(found)
        return VolumeLogits(np.zeros((0, len(exam))), exam, inputs, boxes=tuple(boxes))


def _found_boxes(
    found: Found, odds: FloatArray, places: Sequence[tuple[Box, int]]
) -> list[FoundBox]:
    boxes = found.boxes
    return [
        FoundBox(label, kind, score, float(one), number, box)
        for label, kind, score, one, (box, number) in zip(
            boxes.labels.tolist(),
            boxes.classes.tolist(),
            boxes.logits.tolist(),
            odds,
            places,
            strict=True,
        )
    ]


def _inside(boxes: Sequence[FoundBox], volume: Volume) -> list[FoundBox]:
    """What of the boxes lies in the source image; padding of the input has none of it."""
    rows, columns = volume.slice_px(0).shape
    ends = (columns, rows, volume.slice_count)
    kept = []
    for one in boxes:
        low = [max(value, 0.0) for value in one.box.low]
        high = [min(value, float(end)) for value, end in zip(one.box.high, ends, strict=False)]
        if all(a < b for a, b in zip(low, high, strict=True)):
            box = Box(low[0], low[1], high[0], high[1], *(low[2:] + high[2:]))
            number = min(max(one.slice, 0), volume.slice_count - 1)
            kept.append(replace(one, box=box, slice=number))
    return kept


def _join(boxes: Sequence[FoundBox]) -> list[FoundBox]:
    """Boxes of neighbouring slices as one, with z0 and z1; each is as likely as its likeliest."""
    corners = np.array([[*one.box.low, *one.box.high] for one in boxes]).reshape(-1, 4)
    slices = np.array([one.slice for one in boxes], dtype=np.int64)
    odds = np.array([one.log_odds for one in boxes])
    labels = np.array([one.label for one in boxes], dtype=np.int64)
    joined = []
    for rows in join_slices(corners, slices, odds, labels):
        (x0, y0, x1, y1), (z0, z1) = box_around(corners[rows], slices[rows], odds[rows])
        first = boxes[int(rows[0])]
        joined.append(replace(first, box=Box(x0, y0, x1, y1, float(z0), float(z1))))
    return joined
