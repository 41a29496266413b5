"""Networks from their config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from medrec.config.model import (
    AttentionPooling,
    FileWeights,
    FixedPooling,
    ModelConfig,
    NoWeights,
    PackageWeights,
    SlicesConfig,
    VolumeConfig,
)
from medrec.models.bags import BagClassifier, FixedPool, GatedAttention
from medrec.models.classifiers import TimmClassifier
from medrec.models.volumes import VolumeClassifier
from medrec.models.weights import load_file, load_packaged

if TYPE_CHECKING:
    from torch import nn


def build_any(
    config: ModelConfig | SlicesConfig | VolumeConfig,
    *,
    label_count: int,
    pretrained: bool = True,
    size_px: int | None = None,
) -> nn.Module:
    """Make a network of any kind; see `build_classifier` for the arguments and errors."""
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
        case _:
            assert_never(config)


def _build_bags(config: SlicesConfig, encoder: TimmClassifier) -> BagClassifier:
    match config.pooling:
        case FixedPooling(positions=positions, top=top):
            return BagClassifier(encoder, FixedPool(positions=positions, top=top))
        case AttentionPooling(hidden=hidden):
            return BagClassifier(encoder, GatedAttention(encoder.feature_count, hidden=hidden))
        case _:
            assert_never(config.pooling)


def build_classifier(
    config: ModelConfig | SlicesConfig,
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
