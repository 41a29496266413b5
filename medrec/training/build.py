"""Fits from their config."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medrec.config.model import ModelConfig
from medrec.config.pretraining import MaskedConfig, VolumeEncoderConfig
from medrec.models.build import build_classifier
from medrec.models.encoders import PictureEncoder, VolumeEncoder
from medrec.preprocess.build import build_augmenter
from medrec.training.contrastive import Contrast
from medrec.training.masked import Masking, to_blocks
from medrec.training.settings import FitSettings
from medrec.training.views import Views

if TYPE_CHECKING:
    from medrec.config.pretraining import EncoderConfig, PretrainConfig, PretrainFitConfig
    from medrec.config.training import FitConfig
    from medrec.data.dataset import SliceDataset
    from medrec.models.classifiers import TimmClassifier


def build_settings(config: FitConfig | PretrainFitConfig, *, seed: int) -> FitSettings:
    """Flatten the schedule and the optimiser."""
    return FitSettings(
        seed=seed, **config.model_dump(exclude={"optimiser"}), **config.optimiser.model_dump()
    )


def build_network(
    config: ModelConfig, *, label_count: int, size_px: int, seed: int
) -> TimmClassifier:
    """Make a network with first weights; what is random in it depends on the seed alone.

    Raises:
        WeightsError: An unknown backbone, or weights that are missing, changed or don't fit.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_classifier(config, label_count=label_count, size_px=size_px)


def build_encoder(
    config: EncoderConfig | VolumeEncoderConfig, *, size_px: int, seed: int
) -> PictureEncoder | VolumeEncoder:
    """Make a network without a last layer, with first weights.

    Raises:
        WeightsError: An unknown backbone, or weights that are missing, changed or don't fit.
    """
    if isinstance(config, VolumeEncoderConfig):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return VolumeEncoder(config.architecture)
    model = ModelConfig(backbone=config.backbone, weights=config.weights, dropout=0.0)
    return PictureEncoder(build_network(model, label_count=1, size_px=size_px, seed=seed))


def build_task(config: PretrainConfig, slices: SliceDataset) -> Contrast | Masking:
    """What a network learns without labels."""
    method, size_px = config.method, config.preprocess.size_px
    if isinstance(method, MaskedConfig):
        assert isinstance(config.model, VolumeEncoderConfig)  # noqa: S101 (the config is checked)
        volumes = to_blocks(slices, depth=config.model.depth)
        return Masking(volumes, patch=method.patch, share=method.share)
    augment = build_augmenter(method.augment, size_px=size_px)
    return Contrast(
        slices,
        views=Views(size_px=size_px, smallest_crop=method.smallest_crop, augment=augment),
        temperature=method.temperature,
        projection=method.projection,
    )
