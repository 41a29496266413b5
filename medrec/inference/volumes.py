"""Networks of whole exams as functions of a volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from medrec.domain.codes import ReasonCode
from medrec.errors import FailedScanError
from medrec.inference.detectors import SliceDetector, VolumeDetector
from medrec.inference.predictor import Predictor, VolumeLogits
from medrec.models.ensemble import members_of
from medrec.models.exclusive import log_odds, scale_to_one_array

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import nn

    from medrec.domain.volume import Volume
    from medrec.models.bags import BagClassifier
    from medrec.models.exclusive import Columns
    from medrec.models.outputs import ClassifierOutput
    from medrec.preprocess.pipeline import Preprocessor
    from medrec.preprocess.volumes import VolumePreprocessor

    Logits = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class BagPredictor:
    """Preprocessor and a network that weighs slices, as one function."""

    network: nn.Module
    preprocessor: Preprocessor
    device: str
    precision: str = "32"
    exclusive: Columns = ()

    def __call__(self, volume: Volume) -> VolumeLogits:
        """Judge the exam by all slices that aren't blank; those of an ensemble's members are means.

        Raises:
            RefusedScanError: The volume is blank or not finite.
            FailedScanError: The network gave no number, or its device has no memory left.
        """
        inputs = self.preprocessor(volume)
        image, weight, exam = _compute(self, lambda: self._judge(inputs.images))
        return VolumeLogits(image=image, exam=exam, inputs=inputs, weight=weight)

    def _judge(self, images: torch.Tensor) -> Logits:
        images = images.to(self.device)
        found = [cast("BagClassifier", one).judge(images) for one in members_of(self.network)]
        return (
            _mean([log_odds(one.image, self.exclusive) for one in found]),
            _mean([one.weight for one in found]),
            # As a call of the network does it: see medrec.models.exclusive.
            scale_to_one_array(
                _mean([log_odds(one.exam, self.exclusive) for one in found]), self.exclusive
            ),
        )


@dataclass(frozen=True, eq=False)
class BoxPredictor:
    """Preprocessor and a 3D network, as one function."""

    network: nn.Module
    preprocessor: VolumePreprocessor
    device: str
    precision: str = "32"

    def __call__(self, volume: Volume) -> VolumeLogits:
        """Judge the exam; there are no logits of slices.

        Raises:
            RefusedScanError: The volume is blank or not finite.
            FailedScanError: The network gave no number, or its device has no memory left.
        """
        inputs = self.preprocessor(volume)
        none, _, exam = _compute(self, lambda: self._judge(inputs.voxels))
        return VolumeLogits(image=none, exam=exam, inputs=inputs)

    def _judge(self, voxels: torch.Tensor) -> Logits:
        output = cast("ClassifierOutput", self.network(voxels[None].to(self.device)))
        exam = _mean([output.logits[0]])
        none = np.zeros((0, len(exam)))
        return none, none, exam


AnyPredictor = Predictor | BagPredictor | BoxPredictor | SliceDetector | VolumeDetector


def _compute(predictor: BagPredictor | BoxPredictor, judge: Callable[[], Logits]) -> Logits:
    device = predictor.device
    kind, is_half = torch.device(device).type, predictor.precision == "bf16"
    try:
        with torch.inference_mode(), torch.autocast(kind, dtype=torch.bfloat16, enabled=is_half):
            logits = judge()
    except torch.OutOfMemoryError as error:
        detail = f"out of memory on {device}: use --device cpu"
        raise FailedScanError(ReasonCode.IO, detail) from error
    if not all(np.isfinite(part).all() for part in logits):
        raise FailedScanError(ReasonCode.NON_FINITE, "the network gave no number for the exam")
    return logits


def _mean(parts: list[torch.Tensor]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = torch.stack(parts).mean(dim=0).float().cpu().double().numpy()
    return mean
