"""Networks from their config."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from medrec.config.model import (
    AnyModel,
    AttentionPooling,
    DetectorConfig,
    FileWeights,
    FixedPooling,
    ModelConfig,
    NoWeights,
    PackageWeights,
    SlicesConfig,
    VolumeConfig,
    VolumeDetectorConfig,
)
from medrec.models.bags import BagClassifier, FixedPool, GatedAttention
from medrec.models.boxes import BoxRules
from medrec.models.classifiers import TimmClassifier
from medrec.models.detectors import Detector
from medrec.models.finder import Finder
from medrec.models.pyramids import TimmPyramid, VolumePyramid
from medrec.models.volumes import VolumeClassifier
from medrec.models.weights import load_file, load_packaged
from medrec.models.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from medrec.models.pyramids import Pyramid


def build_any(
    config: AnyModel,
    *,
    label_count: int,
    label_of: Sequence[int] = (),
    pretrained: bool = True,
    size_px: int | None = None,
) -> nn.Module:
    """Make a network of any kind; see `build_classifier` for the arguments and errors.

    `label_of` is the column of the label of each class of a detector's boxes.
    """
    match config:
        case ModelConfig() | SlicesConfig():
            network = build_classifier(
                config, label_count=label_count, pretrained=pretrained, size_px=size_px
            )
            return network if isinstance(config, ModelConfig) else _build_bags(config, network)
        case VolumeConfig():
            volumes = VolumeClassifier(
                config.architecture, label_count=label_count, dropout=config.dropout
            )
            if pretrained and isinstance(config.weights, FileWeights):
                volumes.load_encoder(Path(config.weights.path), sha256=config.weights.sha256)
            return volumes
        case DetectorConfig() | VolumeDetectorConfig():
            return build_detector(
                config, label_of=label_of, label_count=label_count, pretrained=pretrained
            )
        case _:
            assert_never(config)


def build_detector(
    config: DetectorConfig | VolumeDetectorConfig,
    *,
    label_of: Sequence[int],
    label_count: int,
    pretrained: bool = True,
) -> Detector:
    """Make a detector whose anchors are known; arguments and errors as for `build_any`."""
    if config.anchors is None:
        message = "anchors are fitted before a detector is made"
        raise ValueError(message)
    pyramid: Pyramid
    match config:
        case DetectorConfig():
            pyramid = TimmPyramid(
                build_classifier(config, label_count=label_count, pretrained=pretrained),
                finest_stride=config.finest_stride,
                levels=config.levels,
                channels=config.channels,
            )
        case VolumeDetectorConfig():
            pyramid = VolumePyramid(
                config.architecture,
                depth_stride=config.depth_stride,
                first_stage=config.first_stage,
                levels=config.levels,
                channels=config.channels,
            )
            if pretrained and isinstance(config.weights, FileWeights):
                pyramid.load_encoder(Path(config.weights.path), sha256=config.weights.sha256)
    return Detector(
        pyramid,
        anchors=config.anchors,
        label_of=label_of,
        label_count=label_count,
        image_dropout=config.dropout if config.image_head else None,
        reads_finest=config.head == "centre",
    )


def build_finder(config: DetectorConfig | VolumeDetectorConfig) -> Finder:
    """How boxes are looked for, in validation, calibration and screening alike."""
    boxes = config.boxes
    rules = BoxRules(
        lowest_logit=math.log(boxes.lowest_score / (1 - boxes.lowest_score)),
        candidates=boxes.candidates,
        overlap=boxes.overlap,
        most=boxes.most,
    )
    is_flat = isinstance(config, DetectorConfig)
    mirrors = (1 if is_flat else 2,) if boxes.mirror else ()
    window = config.window
    windows = None if window is None else Windows(window.sides, overlap=window.overlap)
    return Finder(rules, windows, mirrors, boxes.fusion_overlap)


def _build_bags(config: SlicesConfig, encoder: TimmClassifier) -> BagClassifier:
    match config.pooling:
        case FixedPooling(positions=positions, top=top):
            return BagClassifier(encoder, FixedPool(positions=positions, top=top))
        case AttentionPooling(hidden=hidden):
            return BagClassifier(encoder, GatedAttention(encoder.feature_count, hidden=hidden))
        case _:
            assert_never(config.pooling)


def build_classifier(
    config: ModelConfig | SlicesConfig | DetectorConfig,
    *,
    label_count: int,
    pretrained: bool = True,
    size_px: int | None = None,
) -> TimmClassifier:
    """Make a classifier; with `pretrained` it gets the first weights that the config names.

    A model package fills the network with its own weights and asks for `pretrained=False`.
    `size_px` is the side of the pictures, which transformers of fixed input size need.

    Raises:
        WeightsError: An unknown backbone, or weights that are missing, changed or don't fit.
    """
    network = TimmClassifier(
        config.backbone,
        label_count=label_count,
        dropout=config.dropout,
        drop_path=config.drop_path,
        size_px=size_px,
        mirror_average=isinstance(config, ModelConfig) and config.mirror_average,
    )
    if pretrained:
        match config.weights:
            case NoWeights():
                pass
            case PackageWeights(package=package):
                load_packaged(network, package, backbone=config.backbone)
            case FileWeights(path=path, sha256=sha256):
                load_file(network, Path(path), sha256=sha256)
            case _:
                assert_never(config.weights)
    return network
