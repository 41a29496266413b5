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
        stack = finite_stack(volume)
        voxels = stack.voxels
        if volume.geometry:
            mask = foreground_of(voxels, fraction=self.foreground_fraction)
            return self.frame(stack, self._scale(voxels, mask), mask)
        scaled, shown = np.zeros_like(voxels), np.zeros(voxels.shape, dtype=bool)
        inverted = [n for n, film in enumerate(voxels) if self.has_wrong_polarity(film)]
        for n, film in enumerate(voxels):
            scaled[n], shown[n] = self._scale_film(invert(film) if n in inverted else film)
        notes = (_POLARITY_NORMALISED,) if inverted else ()
        return replace(self.frame(stack, scaled, shown, are_films=True), notes=notes)

    def has_wrong_polarity(self, film: Float32Array) -> bool:
        """Whether a film (W, H) is inverted before anything else."""
        return self.polarity == "dark_air" and has_bright_air(film)

    def masks_of(
        self, film: Float32Array
    ) -> tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None]:
        """What of a film (W, H) percentiles are of, and what of it is shown; None: nothing."""
        mask = foreground_of(film, fraction=self.foreground_fraction)
        if mask is None or self.background is None:
            return mask, mask
        body = largest_body(mask)
        return body & mask, body

    def limits(
        self, voxels: Float32Array, mask: NDArray[np.bool_]
    ) -> tuple[np.floating, np.floating]:
        """The grey values that become 0 and 1."""
        low, high = np.percentile(voxels[mask], (self.lower, self.upper))
        return low, high

    def _scale_film(self, film: Float32Array) -> tuple[Float32Array, NDArray[np.bool_]]:
        measured, shown = self.masks_of(film)
        scaled = self._scale(film, measured)
        if shown is None:
            return scaled, np.zeros(film.shape, dtype=bool)
        return (
            scaled if self.background is None else np.where(shown, scaled, np.float32(0))
        ), shown

    def _scale(self, voxels: Float32Array, mask: NDArray[np.bool_] | None) -> Float32Array:
        """Map percentiles of what lies in a mask to 0 and 1."""
        if mask is None:
            return np.zeros_like(voxels)
        low, high = self.limits(voxels, mask)
        if not high > low:  # a picture of two values: what is not air is white
            return mask.astype(np.float32)
        scaled = ((voxels - np.float32(low)) / np.float32(high - low)).astype(np.float32)
        return np.clip(scaled, 0, 1, out=scaled) if self.clip else scaled

    def frame(
        self,
        stack: SliceStack,
        scaled: Float32Array,
        mask: NDArray[np.bool_] | None,
        *,
        are_films: bool = False,
    ) -> ModelInput:
        """Crop to what a mask shows, leave out blank slices, resize and pad with 0.

        Raises:
            RefusedScanError: Every slice is blank.
        """
        mask = np.zeros(scaled.shape, dtype=bool) if mask is None else mask
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


def finite_stack(volume: Volume) -> SliceStack:
    """The slices of a volume that holds numbers.

    Raises:
        RefusedScanError: It holds values that are none.
    """
    if not np.isfinite(volume.voxels).all():
        raise RefusedScanError(ReasonCode.NON_FINITE, "the image holds NaN or infinite values")
    return to_stack(volume)
