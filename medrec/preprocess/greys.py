"""Films as a network sees them, but in the grey values of their files: what lesions go into.

A lesion is planted before intensities are normalised, and normalisation follows. So that it needn't
start again at the file, a film's greys are kept beside its prepared picture, in the same frame, and
what a change of greys does to the picture is reckoned from both. Without a change the picture is
the prepared one, to the bit: a film with a lesion and one without came the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.codes import ReasonCode
from medrec.errors import RefusedScanError
from medrec.preprocess.films import invert
from medrec.preprocess.foreground import foreground_of
from medrec.preprocess.pipeline import finite_stack

if TYPE_CHECKING:
    import torch

    from medrec.domain.volume import Float32Array, Volume
    from medrec.preprocess.pipeline import Preprocessor

STEPS = 65535
"""Greys are kept as whole numbers: 0 is beside the film, 1 its least grey value, this the most."""
_SAMPLED = 128
"""Percentiles of greys that change are of every n-th pixel, about so many along a side."""
_DARK = 0.02
"""Of the scale from 0 to 1: darker pixels are taken to be shown."""


@dataclass(frozen=True, slots=True)
class GreyScale:
    """How the grey values of one film became intensities.

    `least` and `greatest` are the ends of the film's greys as stored. `low` and `high` are the
    greys that became 0 and 1, of the film with bright and dark exchanged where it `is_inverted`.
    """

    least: float
    greatest: float
    low: float
    high: float
    is_inverted: bool

    def upright(self, greys: Float32Array) -> Float32Array:
        """Greys of the polarity that the network sees."""
        turned: Float32Array = np.float32(self.least + self.greatest) - greys
        return turned if self.is_inverted else greys

    def pack(self, greys: Float32Array) -> Float32Array:
        """Greys as values above 0 to 1, so that 0 is free to say what lies beside the film."""
        share = (greys - np.float32(self.least)) / np.float32(self.greatest - self.least)
        packed: Float32Array = ((1 + (STEPS - 1) * share) / STEPS).astype(np.float32)
        return packed

    def unpack(self, packed: Float32Array) -> Float32Array:
        """The way back; what lies beside the film comes out below `least`."""
        span = self.greatest - self.least
        greys: Float32Array = np.float32(self.least) + (packed * STEPS - 1) * np.float32(
            span / (STEPS - 1)
        )
        return greys


@dataclass(frozen=True, eq=False)
class GreyInput:
    """The greys (1, 1, size, size) float32 of a film, see `GreyScale.pack`, and their scale.

    They lie as the picture that `Preprocessor` makes of the film.
    """

    images: torch.Tensor
    slices: tuple[int, ...]
    to_source: tuple[float, ...]
    scale: GreyScale


@dataclass(frozen=True)
class GreyPreprocessor:
    """Turn, crop, resize and pad a film as `chain` does, and leave its grey values as they are."""

    chain: Preprocessor

    def __call__(self, volume: Volume) -> GreyInput:
        """Prepare the greys of a film.

        Raises:
            RefusedScanError: What `chain` refuses; or several images, or one without a scale.
        """
        stack = finite_stack(volume)
        if len(stack.voxels) != 1:
            detail = f"a file of {len(stack.voxels)} images is no film"
            raise RefusedScanError(ReasonCode.BAD_GEOMETRY, detail)
        film = stack.voxels[0]
        is_inverted = volume.geometry is None and self.chain.has_wrong_polarity(film)
        upright = invert(film) if is_inverted else film
        measured, shown = self.chain.masks_of(upright)
        limits = (0.0, 0.0) if measured is None else self.chain.limits(upright, measured)
        low, high = (float(value) for value in limits)
        if shown is None or not high > low:
            raise RefusedScanError(ReasonCode.BLANK_IMAGE, "the film holds fewer than three greys")
        scale = GreyScale(float(film.min()), float(film.max()), low, high, bool(is_inverted))
        packed = scale.pack(stack.voxels)
        framed = self.chain.frame(stack, packed, shown[None], are_films=volume.geometry is None)
        place = tuple(framed.to_source.ravel().tolist())
        return GreyInput(framed.images, framed.slices, place, scale)

    def repaint(
        self, picture: Float32Array, before: Float32Array, after: Float32Array, scale: GreyScale
    ) -> Float32Array:
        """What becomes of a prepared picture (h, w) where greys (h, w) change.

        The limits of normalisation move by as much as percentiles of the greys do. Clipping follows
        resizing here, where `chain` clips first: the difference is that of greys beyond the limits,
        and none where nothing changes.
        """
        old, new = scale.upright(before), scale.upright(after)
        low, high = self._limits(old, new, scale)
        first = self._clipped((old - np.float32(scale.low)) / np.float32(scale.high - scale.low))
        then = self._clipped((new - np.float32(low)) / np.float32(high - low))
        rise = then - first
        if self.chain.background is not None:  # what was blackened stays black
            shown = np.clip(picture / np.maximum(first, np.float32(_DARK)), 0, 1)
            rise = np.where(first > _DARK, rise * shown, rise)
        return self._clipped(picture + rise)

    def _clipped(self, values: Float32Array) -> Float32Array:
        return np.clip(values, 0, 1) if self.chain.clip else values

    def _limits(
        self, old: Float32Array, new: Float32Array, scale: GreyScale
    ) -> tuple[float, float]:
        """The limits after a change: those of the film, moved."""
        step = max(1, min(old.shape) // _SAMPLED)
        was, is_now = old[::step, ::step], new[::step, ::step]
        body = foreground_of(was, fraction=self.chain.foreground_fraction)
        if body is None:
            return scale.low, scale.high
        moved = [
            float(now - then)
            for now, then in zip(
                self.chain.limits(is_now, body), self.chain.limits(was, body), strict=True
            )
        ]
        low, high = scale.low + moved[0], scale.high + moved[1]
        return (low, high) if high > low else (scale.low, scale.high)
