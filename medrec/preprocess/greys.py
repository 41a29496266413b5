"""Scans as a network sees them, but in the grey values of their files: what lesions go into.

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
from medrec.preprocess.volumes import VolumePreprocessor

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

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
    """How the grey values of one scan became intensities.

    `least` and `greatest` are the ends of its greys as stored. `low` and `high` are the
    greys that became 0 and 1, of a film with bright and dark exchanged where it `is_inverted`.
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
    """The greys of a scan, see `GreyScale.pack`, in the frame of what a chain makes of it.

    `images` is (N, 1, size, size) float32, or (1, 1, D, H, W) of a 3D network. `spacing_mm` are the
    sides of a voxel in them: from slice to slice, down and across; None of a film.
    """

    images: torch.Tensor
    slices: tuple[int, ...]
    scale: GreyScale
    spacing_mm: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class GreyPreprocessor:
    """Turn, crop, resize and pad a scan as `chain` does, and leave its grey values as they are."""

    chain: Preprocessor | VolumePreprocessor

    def __call__(self, volume: Volume) -> GreyInput:
        """Prepare the greys of a film, of the slices of a volume, or of a volume as a whole.

        Raises:
            RefusedScanError: What `chain` refuses; or several films, or a scan without a scale.
        """
        if isinstance(self.chain, VolumePreprocessor):
            return self._solid(volume, self.chain)
        return (
            self._slices(volume, self.chain) if volume.geometry else self._film(volume, self.chain)
        )

    def _film(self, volume: Volume, chain: Preprocessor) -> GreyInput:
        stack = finite_stack(volume)
        if len(stack.voxels) != 1:
            detail = f"{len(stack.voxels)} images without geometry are neither a film nor a volume"
            raise RefusedScanError(ReasonCode.BAD_GEOMETRY, detail)
        film = stack.voxels[0]
        is_inverted = chain.has_wrong_polarity(film)
        upright = invert(film) if is_inverted else film
        measured, shown = chain.masks_of(upright)
        scale = self._scale(film, upright, measured, is_inverted=is_inverted)
        assert shown is not None  # noqa: S101 (else there were no scale)
        framed = chain.frame(stack, scale.pack(stack.voxels), shown[None], are_films=True)
        return GreyInput(framed.images, framed.slices, scale)

    def _slices(self, volume: Volume, chain: Preprocessor) -> GreyInput:
        stack = finite_stack(volume)
        assert volume.geometry is not None  # noqa: S101 (else it were a film)
        mask = foreground_of(stack.voxels, fraction=chain.foreground_fraction)
        scale = self._scale(stack.voxels, stack.voxels, mask)
        framed = chain.frame(stack, scale.pack(stack.voxels), mask)
        steps = np.linalg.norm(framed.to_source[:2, :2], axis=0)
        across, down = (float(s * mm) for s, mm in zip(steps, stack.spacing, strict=True))
        thick = float(volume.geometry.spacing_mm[volume.slice_axis])
        return GreyInput(framed.images, framed.slices, scale, (thick, down, across))

    def _solid(self, volume: Volume, chain: VolumePreprocessor) -> GreyInput:
        turned, mask = chain.turn(volume)
        scale = self._scale(turned.voxels, turned.voxels, mask)
        fitted = chain.fit(turned, scale.pack(turned.voxels), mask)
        steps = np.abs(np.linalg.solve(turned.to_stored, fitted.to_source))[:3, :3].sum(axis=0)
        sides = [float(s * mm) for s, mm in zip(steps, turned.spacing, strict=True)]
        return GreyInput(fitted.voxels[None], (0,), scale, (sides[0], sides[1], sides[2]))

    def _scale(
        self,
        stored: Float32Array,
        upright: Float32Array,
        mask: NDArray[np.bool_] | None,
        *,
        is_inverted: bool = False,
    ) -> GreyScale:
        limits = (0.0, 0.0) if mask is None else self.chain.limits(upright, mask)
        low, high = (float(value) for value in limits)
        if not high > low:
            raise RefusedScanError(ReasonCode.BLANK_IMAGE, "the scan holds fewer than three greys")
        return GreyScale(float(stored.min()), float(stored.max()), low, high, bool(is_inverted))

    def repaint(
        self, picture: Float32Array, before: Float32Array, after: Float32Array, scale: GreyScale
    ) -> Float32Array:
        """What becomes of a prepared picture (h, w), or volume (d, h, w), where its greys change.

        The limits of normalisation move by as much as percentiles of the greys do. Clipping follows
        resizing here, where `chain` clips first: the difference is that of greys beyond the limits,
        and none where nothing changes.
        """
        old, new = scale.upright(before), scale.upright(after)
        low, high = self._limits(old, new, scale)
        first = self._clipped((old - np.float32(scale.low)) / np.float32(scale.high - scale.low))
        then = self._clipped((new - np.float32(low)) / np.float32(high - low))
        rise = then - first
        if getattr(self.chain, "background", None) is not None:  # what was blackened stays black
            shown = np.clip(picture / np.maximum(first, np.float32(_DARK)), 0, 1)
            rise = np.where(first > _DARK, rise * shown, rise)
        return self._clipped(picture + rise)

    def _clipped(self, values: Float32Array) -> Float32Array:
        return np.clip(values, 0, 1) if self.chain.clip else values

    def _limits(
        self, old: Float32Array, new: Float32Array, scale: GreyScale
    ) -> tuple[float, float]:
        """The limits after a change: those of the film, moved."""
        every = (..., *(slice(None, None, max(1, min(old.shape[-2:]) // _SAMPLED)),) * 2)
        was, is_now = old[every], new[every]
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


def scan_in(packed: NDArray[np.float32]) -> tuple[slice, ...]:
    """What of packed greys (H, W), or (D, H, W), is scan and no padding beside it, which is 0."""
    axes = range(packed.ndim)
    lines = [
        np.flatnonzero(packed.any(axis=tuple(other for other in axes if other != axis)))
        for axis in axes
    ]
    return tuple(slice(int(line[0]), int(line[-1]) + 1) for line in lines)
