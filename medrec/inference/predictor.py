"""A volume in, logits out: one for each slice and label, one for the exam and label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from medrec.domain.codes import ReasonCode
from medrec.errors import FailedScanError
from medrec.models.exclusive import scale_to_one_array
from medrec.models.pooling import pool_exam_logit
from medrec.preprocess.volumes import VolumeInput

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from medrec.domain.box import Box
    from medrec.domain.geometry import FloatArray
    from medrec.domain.volume import Volume
    from medrec.models.exclusive import Columns
    from medrec.preprocess.pipeline import ModelInput, Preprocessor


@dataclass(frozen=True, slots=True)
class FoundBox:
    """A box that a detector found: columns of its label and its class, score and log-odds.

    `box` is in source pixels, `slice` the source slice that it lies on, or whose middle it holds.
    """

    label: int
    kind: int
    score: float
    log_odds: float
    slice: int
    box: Box


@dataclass(frozen=True, eq=False)
class VolumeLogits:
    """Logits of one volume: `image` (N, K) float64, one row a judged slice, `exam` (K,).

    `inputs` are the network's inputs; row n of `image` judges source slice `inputs.slices[n]`. A 3D
    network judges no slices, so that N is 0. `weight` (N, K) is what each slice counts, where the
    network itself weighs them; else None. `boxes` are a detector's.
    """

    image: FloatArray
    exam: FloatArray
    inputs: ModelInput | VolumeInput
    weight: NDArray[np.float64] | None = None
    boxes: tuple[FoundBox, ...] = ()

    @property
    def slices(self) -> tuple[int, ...]:
        """Source slices of the rows of `image`."""
        return () if isinstance(self.inputs, VolumeInput) else self.inputs.slices


@dataclass(frozen=True, eq=False)
class Predictor:
    """Preprocessor, network and pooling as one function.

    Classes that exclude each other (`exclusive`, by column) are pooled each for itself; then their
    exam's probabilities are scaled to sum to 1.
    """

    network: nn.Module
    preprocessor: Preprocessor
    positions: int
    top: int
    device: str
    exclusive: Columns = ()
    batch_size: int = 32
    precision: str = "32"

    def __call__(self, volume: Volume) -> VolumeLogits:
        """Judge every slice that isn't blank, and pool them.

        Raises:
            RefusedScanError: The volume is blank or not finite.
            FailedScanError: The network gave no number, or its device has no memory left.
        """
        inputs = self.preprocessor(volume)
        try:
            image = self._logits(inputs.images)
        except torch.OutOfMemoryError as error:
            detail = f"out of memory on {self.device}: lower batch_size, or use --device cpu"
            raise FailedScanError(ReasonCode.IO, detail) from error
        if not np.isfinite(image).all():
            raise FailedScanError(ReasonCode.NON_FINITE, "the network gave no number for a slice")
        exam = [
            pool_exam_logit(column, positions=self.positions, top=self.top) for column in image.T
        ]
        return VolumeLogits(
            image=image, exam=scale_to_one_array(np.array(exam), self.exclusive), inputs=inputs
        )

    def _logits(self, images: torch.Tensor) -> NDArray[np.float64]:
        with torch.inference_mode(), self._autocast():
            batches = [
                self.network(batch.to(self.device)).logits.float().cpu()
                for batch in torch.split(images, self.batch_size)
            ]
        logits: NDArray[np.float64] = torch.cat(batches).double().numpy()
        return logits

    def _autocast(self) -> torch.autocast:
        kind = torch.device(self.device).type
        return torch.autocast(kind, dtype=torch.bfloat16, enabled=self.precision == "bf16")
