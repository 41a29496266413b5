"""From a volume to what a network sees: one chain for training and screening alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from monai.transforms.croppad.array import SpatialCrop, SpatialPad
from monai.transforms.spatial.array import Resize

from medrec.domain.codes import Note, NoteCode, ReasonCode
from medrec.errors import RefusedScanError
from medrec.preprocess.adapters import SliceStack, from_pictures, to_pictures, to_stack
from medrec.preprocess.films import has_bright_air, invert, largest_body
from medrec.preprocess.foreground import bounding_box, foreground_of

if TYPE_CHECKING:
    import torch
    from monai.data.meta_tensor import MetaTensor
    from numpy.typing import NDArray

    from medrec.domain.volume import Float32Array, Volume

ARITHMETIC = 2
"""Raised whenever the same file and fields give other pixels than before: what older code prepared
and kept on disk is not used again then."""

_POLARITY_NORMALISED = Note(
    NoteCode.POLARITY_NORMALISED, "the air of the film was bright: it was inverted"
)


@dataclass(frozen=True, eq=False)
class ModelInput:
    """The pictures that a network judges, and where they came from.

    `images` is (N, 1, size, size) float32, in [0, 1] when clipped. `slices` holds the source slice
    of each picture; blank slices are left out. They stand in anatomical order, so that the same
    scan gives the same input however its axes were stored: the indices may fall. `to_source` is the
    (3, 3) float64 map from an input pixel (x, y, 1) to a pixel of the source slice, x along the
    earlier stored axis and y along the later one; pixel centres are whole numbers in both. `notes`
    say what was changed beyond that.
    """

    images: torch.Tensor
    slices: tuple[int, ...]
    to_source: NDArray[np.float64]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Preprocessor:
    """Turn, scale, crop, resize and pad a volume's slices.

    Two percentiles of the foreground become 0 and 1: over the whole volume where there is geometry,
    over each picture where there is none (films).

    Args:
        size_px: Side of the square; the longer side fills it, the shorter one is padded.
        crop: `foreground` crops to the box of the body over the whole volume first.
        lower: Percentile of the foreground that becomes 0.
        upper: Percentile of the foreground that becomes 1.
        clip: Cut values off at 0 and 1.
        blank_fraction: A slice with a smaller share of foreground is left out: of what is cropped
            to in volumes, of the whole picture in films.
        foreground_fraction: See `medrec.preprocess.foreground.foreground_of`.
        crop_margin: Widens the box on each side, as a fraction of its longer side.
        polarity: `dark_air` inverts films whose air is bright.
        background: `black` blackens all of a film but its largest piece of foreground.
    """

    size_px: int
    crop: Literal["none", "foreground"] = "foreground"
    lower: float = 1.0
    upper: float = 99.0
    clip: bool = True
    blank_fraction: float = 0.01
    foreground_fraction: float = 0.1
    crop_margin: float = 0.0
    polarity: Literal["dark_air"] | None = None
    background: Literal["black"] | None = None

    def __call__(self, volume: Volume) -> ModelInput:
        """Prepare a volume.

        Raises:
            RefusedScanError: It holds values that are no numbers, or nothing but air.
        """
        if not np.isfinite(volume.voxels).all():
            raise RefusedScanError(ReasonCode.NON_FINITE, "the image holds NaN or infinite values")
        stack = to_stack(volume)
        voxels = stack.voxels
        if volume.geometry:
            return self._frame(stack, *self._scale(voxels))
        scaled, mask = np.zeros_like(voxels), np.zeros(voxels.shape, dtype=bool)
        inverted = [n for n, film in enumerate(voxels) if self._has_wrong_polarity(film)]
        for n, film in enumerate(voxels):
            scaled[n], mask[n] = self._scale_film(invert(film) if n in inverted else film)
        notes = (_POLARITY_NORMALISED,) if inverted else ()
        return replace(self._frame(stack, scaled, mask, are_films=True), notes=notes)

    def _has_wrong_polarity(self, film: Float32Array) -> bool:
        return self.polarity == "dark_air" and has_bright_air(film)

    def _scale_film(self, film: Float32Array) -> tuple[Float32Array, NDArray[np.bool_]]:
        mask = foreground_of(film, fraction=self.foreground_fraction)
        if mask is None or self.background is None:
            return self._scale(film)
        body = largest_body(mask)
        scaled, _ = self._scale(film, body & mask)
        return np.where(body, scaled, np.float32(0)), body

    def _scale(
        self, voxels: Float32Array, body: NDArray[np.bool_] | None = None
    ) -> tuple[Float32Array, NDArray[np.bool_]]:
        """Map percentiles of the foreground (`body` where it is known) to 0 and 1."""
        mask = foreground_of(voxels, fraction=self.foreground_fraction) if body is None else body
        if mask is None:
            return np.zeros_like(voxels), np.zeros(voxels.shape, dtype=bool)
        low, high = np.percentile(voxels[mask], (self.lower, self.upper))
        if not high > low:  # a picture of two values: what is not air is white
            return mask.astype(np.float32), mask
        scaled = ((voxels - np.float32(low)) / np.float32(high - low)).astype(np.float32)
        return (np.clip(scaled, 0, 1, out=scaled) if self.clip else scaled), mask

    def _frame(
        self,
        stack: SliceStack,
        scaled: Float32Array,
        mask: NDArray[np.bool_],
        *,
        are_films: bool = False,
    ) -> ModelInput:
        (left, right), (top, bottom) = self._box(mask)
        # A crop to the only specks of a black film would be full of them.
        seen = mask if are_films else mask[:, left:right, top:bottom]
        shown = seen.mean(axis=(1, 2))
        kept = np.flatnonzero((shown >= self.blank_fraction) & (shown > 0))
        if kept.size == 0:
            raise RefusedScanError(ReasonCode.BLANK_IMAGE, "no slice shows more than air")
        pictures: Any = to_pictures(scaled[kept], stack.to_source)
        pictures = SpatialCrop(roi_start=(left, top), roi_end=(right, bottom))(pictures)
        images, to_source = from_pictures(self._resize(pictures, stack.spacing))
        slices = tuple(stack.slices[index] for index in kept)
        return ModelInput(images=images, slices=slices, to_source=to_source)

    def _box(self, mask: NDArray[np.bool_]) -> tuple[tuple[int, int], tuple[int, int]]:
        _, width, height = mask.shape
        if self.crop == "none" or not mask.any():
            return (0, width), (0, height)
        (left, right), (top, bottom) = bounding_box(mask)
        margin = round(self.crop_margin * max(right - left, bottom - top))
        return (
            (max(left - margin, 0), min(right + margin, width)),
            (max(top - margin, 0), min(bottom + margin, height)),
        )

    def _resize(self, pictures: MetaTensor, spacing: tuple[float, float]) -> MetaTensor:
        """Fit the longer side, in mm where known, into the square; pad the other with 0."""
        sides = np.array(pictures.shape[1:]) * np.array(spacing)
        fitted = np.maximum(np.rint(sides * self.size_px / sides.max()).astype(int), 1)
        resize = Resize(tuple(int(side) for side in fitted), mode="bilinear", anti_aliasing=True)
        pad = SpatialPad((self.size_px, self.size_px), method="symmetric", mode="constant", value=0)
        resized: Any = pad(resize(pictures))
        framed: MetaTensor = resized
        return framed
