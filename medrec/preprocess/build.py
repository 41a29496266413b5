"""Preprocessing from its config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.preprocess.augment import Augmenter
from medrec.preprocess.pipeline import Preprocessor

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
