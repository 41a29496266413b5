"""What a change of grey values comes to in a network's input: polarity and scale of a chain."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from medrec.preprocess.volumes import VolumeInput

if TYPE_CHECKING:
    from medrec.domain.box import Box
    from medrec.domain.geometry import FloatArray
    from medrec.domain.volume import Volume
    from medrec.preprocess.pipeline import ModelInput, Preprocessor
    from medrec.preprocess.volumes import VolumePreprocessor

_AROUND_PX = 2


def input_rise(
    preprocessor: Preprocessor | VolumePreprocessor, before: Volume, after: Volume, box: Box
) -> float | None:
    """The rise of the input within a box of the source, summed over source pixels.

    Divided by the sum of what grey values rose there, it is how much of the network's range a grey
    value takes: below 0 where the chain exchanges bright and dark. None where the two aren't
    prepared alike (other slices are blank).

    Raises:
        RefusedScanError: One of them is blank.
    """
    was, now = preprocessor(before), preprocessor(after)
    if isinstance(was, VolumeInput) or isinstance(now, VolumeInput):
        assert isinstance(was, VolumeInput)  # noqa: S101 (one chain gives one kind)
        assert isinstance(now, VolumeInput)  # noqa: S101
        return _volume_rise(was, now, box, slice_axis=before.slice_axis)
    return _slices_rise(was, now, box)


def _slices_rise(was: ModelInput, now: ModelInput, box: Box) -> float | None:
    if was.slices != now.slices or not np.allclose(was.to_source, now.to_source):
        return None
    change = (now.images - was.images)[:, 0].double().numpy()
    on = [row for row, number in enumerate(was.slices) if box.on_slice(number) is not None]
    x, y = _spans(np.linalg.inv(was.to_source), list(zip(box.low[:2], box.high[:2], strict=True)))
    area = abs(float(np.linalg.det(was.to_source[:2, :2])))
    return float(change[on][:, y, x].sum()) * area


def _volume_rise(was: VolumeInput, now: VolumeInput, box: Box, *, slice_axis: int) -> float | None:
    if not np.allclose(was.to_source, now.to_source) or was.voxels.shape != now.voxels.shape:
        return None
    change = (now.voxels - was.voxels)[0].double().numpy()
    ends = list(zip(box.low, box.high, strict=True))
    ends.insert(slice_axis, ends.pop())  # x, y, z as the stored axes i, j, k
    spans = _spans(np.linalg.inv(was.to_source), ends)
    return float(change[spans].sum()) * abs(float(np.linalg.det(was.to_source[:3, :3])))


def _spans(to_input: FloatArray, ends: list[tuple[float, float]]) -> tuple[slice, ...]:
    """Where a box of edges lies in the input, whose pixel centres are whole numbers."""
    corners = np.array([[*corner, 1.0] for corner in itertools.product(*ends)])
    corners[:, :-1] -= 0.5
    places = (corners @ to_input.T)[:, :-1]
    low = np.floor(places.min(axis=0)).astype(int) - _AROUND_PX
    high = np.ceil(places.max(axis=0)).astype(int) + _AROUND_PX + 1
    return tuple(slice(max(0, int(a)), max(0, int(b))) for a, b in zip(low, high, strict=True))
