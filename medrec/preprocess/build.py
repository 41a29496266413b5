"""Preprocessing from its config."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, assert_never

from medrec.config.model import ModelConfig, SlicesConfig, VolumeConfig
from medrec.errors import ConfigError
from medrec.preprocess.augment import Augmenter
from medrec.preprocess.augment_volumes import BagAugmenter, VolumeAugmenter
from medrec.preprocess.pipeline import Preprocessor
from medrec.preprocess.volumes import VolumePreprocessor

if TYPE_CHECKING:
    from medrec.config.preprocess import AugmentConfig, PreprocessConfig


def build_preprocessor(config: PreprocessConfig) -> Preprocessor:
    """Make the chain that training and screening share."""
    return Preprocessor(
        size_px=config.size_px,
        crop=config.crop,
        lower=config.intensity.lower,
        upper=config.intensity.upper,
        clip=config.intensity.clip,
        blank_fraction=config.blank_fraction,
        foreground_fraction=config.foreground_fraction,
        crop_margin=config.crop_margin,
        polarity=config.polarity,
        background=config.background,
    )


def build_augmenter(config: AugmentConfig, *, size_px: int) -> Augmenter:
    """Make the random changes of training; `size_px` is the preprocessor's."""
    return Augmenter(size_px=size_px, **config.model_dump())


def build_volume_preprocessor(config: PreprocessConfig) -> VolumePreprocessor:
    """Make the chain of 3D networks.

    Raises:
        ConfigError: The config names no `volume_size`.
    """
    if config.volume_size is None:
        where = "preprocess"
        raise ConfigError(where, ["volume_size: a classifier_3d needs it"])
    return VolumePreprocessor(
        size=config.volume_size,
        crop=config.crop,
        lower=config.intensity.lower,
        upper=config.intensity.upper,
        clip=config.intensity.clip,
        foreground_fraction=config.foreground_fraction,
        crop_margin=config.crop_margin,
    )


def build_any_preprocessor(
    config: PreprocessConfig, model: ModelConfig | SlicesConfig | VolumeConfig
) -> Preprocessor | VolumePreprocessor:
    """Make the chain that a kind of network needs.

    Raises:
        ConfigError: A 3D network without `volume_size`.
    """
    is_3d = isinstance(model, VolumeConfig)
    return build_volume_preprocessor(config) if is_3d else build_preprocessor(config)


def build_any_augmenter(
    config: AugmentConfig,
    preprocess: PreprocessConfig,
    model: ModelConfig | SlicesConfig | VolumeConfig,
) -> Augmenter | BagAugmenter | VolumeAugmenter:
    """Make the random changes of training that a kind of network learns with.

    Raises:
        ConfigError: A 3D network without `volume_size`.
    """
    match model:
        case ModelConfig():
            return build_augmenter(config, size_px=preprocess.size_px)
        case SlicesConfig(slices=slices):
            return BagAugmenter(slices, build_augmenter(config, size_px=preprocess.size_px))
        case VolumeConfig():
            return VolumeAugmenter(
                size=build_volume_preprocessor(preprocess).size,
                **config.model_dump(include={f.name for f in fields(VolumeAugmenter)}),
            )
        case _:
            assert_never(model)
