"""Which slice a report shows, and where in it the network looked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from medrec.errors import WeightsError
from medrec.inference.explain import (
    box_to_source_slice,
    gradcam,
    gradcam_box,
    source_slice_of,
    to_source_pixels,
)
from medrec.preprocess.volumes import VolumeInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import nn

    from medrec.domain.geometry import Geometry
    from medrec.domain.volume import Volume
    from medrec.inference.predictor import VolumeLogits

Heat = tuple["NDArray[np.float64] | None", str]


@dataclass(frozen=True, eq=False)
class KeySlice:
    """The slice that a report shows: picture and heat map (rows, columns).

    It is the one with the highest logit of the primary label; for detectors that of the likeliest
    box, without a heat map, since boxes say where; for networks that weigh slices by
    attention the one with the highest weight; for 3D networks the one through the hottest place of
    the heat map, or the middle one where there is no map. Both are as stored (`Volume.slice_px`);
    `geometry` and `slice_axis` tell how to turn them. `why_no_heat` says why there is no heat map
    though one was wanted.
    """

    slice: int
    picture: NDArray[np.float32]
    heat: NDArray[np.float64] | None
    window: tuple[float, float] | None
    geometry: Geometry | None
    slice_axis: int
    why_no_heat: str = ""
    source: str = ""
    """The slice's file."""


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains the logit of the label number `label` of one network on one device."""

    network: nn.Module
    device: str
    label: int
    heatmap: bool

    def __call__(self, volume: Volume, logits: VolumeLogits) -> KeySlice:
        """Choose the slice and explain it; the case is judged without a heat map too."""
        if logits.boxes:
            number, heat, why = self._of_regions(logits), None, ""
        elif isinstance(logits.inputs, VolumeInput):
            number, heat, why = self._of_box(volume, logits.inputs)
        else:
            number, heat, why = self._of_slices(volume, logits)
        picture = volume.slice_px(number)
        return KeySlice(
            slice=number,
            picture=picture,
            heat=heat,
            window=volume.window,
            geometry=volume.geometry,
            slice_axis=volume.slice_axis,
            why_no_heat=why,
            source=volume.slice_sources[number],
        )

    def _of_regions(self, logits: VolumeLogits) -> int:
        """The slice of the likeliest box of the label, or of any where there is none."""
        own = [box for box in logits.boxes if box.label == self.label]
        return max(own or logits.boxes, key=lambda box: box.log_odds).slice

    def _of_slices(
        self, volume: Volume, logits: VolumeLogits
    ) -> tuple[int, NDArray[np.float64] | None, str]:
        inputs = logits.inputs
        assert not isinstance(inputs, VolumeInput)  # noqa: S101 (the caller's own branch)
        scores = logits.image if logits.weight is None else logits.weight
        ranked = np.lexsort((logits.image[:, self.label], scores[:, self.label]))
        row = int(ranked[-1]) if logits.weight is not None else int(scores[:, self.label].argmax())
        number = inputs.slices[row]
        height, width = volume.slice_px(number).shape
        heat, why = self._try(
            lambda: to_source_pixels(
                gradcam(self.network, inputs.images[row].to(self.device), label=self.label),
                inputs.to_source,
                (height, width),
            )
        )
        return number, heat, why

    def _of_box(
        self, volume: Volume, inputs: VolumeInput
    ) -> tuple[int, NDArray[np.float64] | None, str]:
        box, why = self._try(
            lambda: gradcam_box(self.network, inputs.voxels.to(self.device), label=self.label)
        )
        number = source_slice_of(box, inputs.to_source, volume)
        if box is None:
            return number, None, why
        return number, box_to_source_slice(box, inputs.to_source, volume, number), why

    def _try(self, explain: Callable[[], NDArray[np.float64]]) -> Heat:
        """The heat map, or why there is none."""
        if not self.heatmap:
            return None, ""
        try:
            return explain(), ""
        except WeightsError as error:
            return None, f"none: {error}"
        except (torch.OutOfMemoryError, MemoryError):
            return None, f"none: out of memory on {self.device}"
