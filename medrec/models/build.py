"""Networks from their config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from medrec.config.model import FileWeights, NoWeights, PackageWeights
from medrec.models.classifiers import TimmClassifier
from medrec.models.weights import load_file, load_packaged

if TYPE_CHECKING:
    from medrec.config.model import ModelConfig


def build_classifier(
    config: ModelConfig, *, label_count: int, pretrained: bool = True, size_px: int | None = None
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
        mirror_average=config.mirror_average,
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
