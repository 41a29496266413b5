"""How fast detectors learn on this machine: each that may be chosen is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.config.model import Anchors, DetectorConfig, NoWeights, VolumeDetectorConfig
from medrec.data.fingerprint import DetectorSpeeds
from medrec.training.build import build_detection, build_network
from medrec.training.plan_network import ARCHITECTURE_3D, BACKBONE
from medrec.training.speed import measure_detector

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

_LEVELS, _LEVELS_3D = 4, 3
_BATCH, _BATCH_OF_GPU = 4, 16
"""A GPU waits for its commands where batches are small."""
_FIRST_SIDE = 4.0
"""Sides of anchors in cells of their level."""


def read_detector_speeds(
    device: str, *, size_px: int, box: Sequence[int], is_solid: bool
) -> DetectorSpeeds:
    """Measure heads and strides at `size_px`, and in volumes of `box` where they may be chosen."""
    plain = _speed("retina", 8, size_px, device, is_half=False)
    half = _speed("retina", 8, size_px, device, is_half=True)
    gain = half / plain
    is_half = gain > 1
    return DetectorSpeeds(
        retina_8=round(max(plain, half), 2),
        retina_4=round(_speed("retina", 4, size_px, device, is_half=is_half), 2),
        centre_4=round(_speed("centre", 4, size_px, device, is_half=is_half), 2),
        half_gain=round(gain, 2),
        volumes=round(_solid(box, device, is_half=is_half), 3) if is_solid else None,
    )


def _speed(
    head: Literal["retina", "centre"],
    stride: Literal[4, 8],
    size_px: int,
    device: str,
    *,
    is_half: bool,
) -> float:
    levels = 1 if head == "centre" else _LEVELS
    config = DetectorConfig(
        kind="detector_2d",
        backbone=BACKBONE,
        weights=NoWeights(),
        head=head,
        finest_stride=stride,
        levels=_LEVELS,
        anchors=[[(_FIRST_SIDE * stride * 2**n,) * 2] for n in range(levels)],
    )
    batch = _BATCH_OF_GPU if device.startswith("cuda") else _BATCH
    return _measure(config, (size_px, size_px), device, is_half=is_half, batch_size=batch)


def _solid(box: Sequence[int], device: str, *, is_half: bool) -> float:
    anchors: Anchors = [[(_FIRST_SIDE * 4 * 2**n,) * 3] for n in range(_LEVELS_3D)]
    config = VolumeDetectorConfig(
        kind="detector_3d", architecture=ARCHITECTURE_3D, levels=_LEVELS_3D, anchors=anchors
    )
    return _measure(config, tuple(box), device, is_half=is_half, batch_size=2)


def _measure(
    config: DetectorConfig | VolumeDetectorConfig,
    shape: tuple[int, ...],
    device: str,
    *,
    is_half: bool,
    batch_size: int,
) -> float:
    network = build_network(config, label_count=1, label_of=[0], size_px=shape[-1], seed=1)
    detection = build_detection(config)
    assert detection is not None  # noqa: S101 (of a detector's config)
    return measure_detector(
        network, detection.loss, shape=shape, device=device, is_half=is_half, batch_size=batch_size
    )
