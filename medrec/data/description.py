"""What an audit keeps of a file: small pictures, digests and a few numbers of each slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medrec.data.leakage import digest_of
from medrec.data.named_slices import rows_by_slice
from medrec.data.probe import intensity_statistics
from medrec.data.thumbnails import to_thumbnail
from medrec.domain.codes import ReasonCode
from medrec.errors import RefusedScanError
from medrec.preprocess.foreground import bounding_box, foreground_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from medrec.domain.reference import Reference
    from medrec.domain.volume import Volume

_BODY = 0.1
_FEWEST = 0.01
"""Share of a slice that is body, below which it is blank: those of strangers look alike."""


@dataclass(frozen=True, eq=False)
class Description:
    """What is known of N slices of one file that rows of a manifest name; about 18 KB a slice.

    `thumbnails` is (N, 2, 96, 96) uint8, `digests` are of the stored values, `statistics` holds
    numbers by name, one mapping a slice. `shape` is that of the file as stored. `blank` counts
    slices that were named and are left out.
    """

    references: tuple[Reference, ...]
    thumbnails: NDArray[np.uint8]
    digests: tuple[str, ...]
    statistics: tuple[Mapping[str, float], ...]
    shape: tuple[int, ...]
    blank: int = 0


def describe_volume(volume: Volume, rows: Sequence[Reference]) -> Description:
    """Describe the slices of one file that rows name.

    Raises:
        RefusedScanError: Values that are no numbers, slices that don't exist, or nothing but air.
    """
    if not np.isfinite(volume.voxels).all():
        raise RefusedScanError(ReasonCode.NON_FINITE, "the image holds NaN or infinite values")
    try:
        named = rows_by_slice(rows, volume.slice_count)
    except ValueError as error:
        raise RefusedScanError(ReasonCode.OUT_OF_SCOPE, str(error)) from error
    body = _body_of(volume)
    kept = [number for number in sorted(named) if body[number] >= _FEWEST]
    if not kept:
        raise RefusedScanError(ReasonCode.BLANK_IMAGE, "no slice shows more than air")
    pictures = [volume.slice_px(number) for number in kept]
    return Description(
        references=tuple(named[number] for number in kept),
        thumbnails=np.stack([to_thumbnail(picture) for picture in pictures]),
        digests=tuple(digest_of(picture) for picture in pictures),
        statistics=tuple(intensity_statistics(picture) for picture in pictures),
        shape=volume.voxels.shape[1:],
        blank=len(named) - len(kept),
    )


def _body_of(volume: Volume) -> NDArray[np.float64]:
    """The share of body in each slice, of the box that holds the body of all of them."""
    mask = foreground_of(volume.voxels[0], fraction=_BODY)
    if mask is None:
        return np.zeros(volume.slice_count)
    slices = np.moveaxis(mask, volume.slice_axis, 0)
    (left, right), (top, bottom) = bounding_box(slices)
    box = slices[:, left:right, top:bottom]
    return np.asarray(box.mean(axis=(1, 2), dtype=np.float64))
