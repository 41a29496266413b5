"""Preprocessing from its config."""

from __future__ import annotations

from dataclasses import fields
from importlib.util import find_spec
from typing import TYPE_CHECKING, assert_never

from medrec.config.model import (
    DetectorConfig,
    ModelConfig,
    SlicesConfig,
    VolumeConfig,
    VolumeDetectorConfig,
)
from medrec.errors import ConfigError
from medrec.preprocess.augment import Augmenter
from medrec.preprocess.augment_batch import BatchAugmenter
from medrec.preprocess.augment_boxes import BoxAugmenter
from medrec.preprocess.augment_volumes import BagAugmenter, VolumeAugmenter
from medrec.preprocess.pipeline import Preprocessor
from medrec.preprocess.volumes import VolumePreprocessor

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from medrec.config.model import AnyModel
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


def build_augmenter(
    config: AugmentConfig, *, size_px: int, without: Collection[str] = ()
) -> Augmenter:
    """Make the random changes of training; `size_px` is the preprocessor's.

    `without` are kinds of change that are made elsewhere, see `build_batch_augmenter`.

    Raises:
        ConfigError: Artefacts are asked for that TorchIO makes, which isn't installed.
    """
    check_augment(config)
    return Augmenter(size_px=size_px, **{**config.model_dump(), **dict.fromkeys(without, 0.0)})


def build_batch_augmenter(config: AugmentConfig, *, size_px: int) -> BatchAugmenter:
    """Make those changes that a device makes for a whole batch, the kinds of `BATCHED`."""
    asked = {field.name for field in fields(BatchAugmenter)} - {"size_px"}
    return BatchAugmenter(size_px=size_px, **config.model_dump(include=asked))


def check_augment(config: AugmentConfig) -> None:
    """See that what a config asks for is installed.

    Raises:
        ConfigError: It isn't; with the command that installs it.
    """
    wanted = [f"augment.{kind}" for kind in ("ghosting", "motion") if getattr(config, kind)]
    if wanted and find_spec("torchio") is None:
        where = " and ".join(wanted)
        raise ConfigError(where, ["TorchIO makes this: pip install 'medrec[torchio]'"])


def build_volume_preprocessor(
    config: PreprocessConfig, window: tuple[int, int, int] | None = None
) -> VolumePreprocessor:
    """Make the chain of 3D networks; volumes at a fixed spacing are padded to the window.

    Raises:
        ConfigError: The config names neither `volume_size`, nor `spacing_mm` and there is a window.
    """
    size = config.volume_size if config.spacing_mm is None else window
    if size is None:
        where = "preprocess"
        raise ConfigError(where, ["volume_size: a 3D network needs it, or spacing_mm and a window"])
    return VolumePreprocessor(
        size=size,
        spacing_mm=config.spacing_mm,
        crop=config.crop,
        lower=config.intensity.lower,
        upper=config.intensity.upper,
        clip=config.intensity.clip,
        foreground_fraction=config.foreground_fraction,
        crop_margin=config.crop_margin,
    )


def build_any_preprocessor(
    config: PreprocessConfig, model: AnyModel
) -> Preprocessor | VolumePreprocessor:
    """Make the chain that a kind of network needs.

    Raises:
        ConfigError: A 3D network without `volume_size`.
    """
    if isinstance(model, VolumeDetectorConfig):
        return build_volume_preprocessor(config, model.window_size)
    is_3d = isinstance(model, VolumeConfig)
    return build_volume_preprocessor(config) if is_3d else build_preprocessor(config)


def _build_volume_augmenter(
    config: AugmentConfig,
    preprocess: PreprocessConfig,
    window: tuple[int, int, int] | None = None,
) -> VolumeAugmenter:
    return VolumeAugmenter(
        size=build_volume_preprocessor(preprocess, window).size,
        **config.model_dump(include={f.name for f in fields(VolumeAugmenter)}),
    )


def build_any_augmenter(
    config: AugmentConfig,
    preprocess: PreprocessConfig,
    model: AnyModel,
    *,
    without: Collection[str] = (),
    label_of: Sequence[int] = (),
) -> Augmenter | BagAugmenter | VolumeAugmenter | BoxAugmenter:
    """Make the random changes of training that a kind of network learns with.

    `without` is as in `build_augmenter`; networks of volumes leave nothing to a device. `label_of`
    is the column of the label of each class of a detector's boxes.

    Raises:
        ConfigError: A 3D network without `volume_size`, or artefacts that need TorchIO, which isn't
            installed.
    """
    match model:
        case ModelConfig():
            return build_augmenter(config, size_px=preprocess.size_px, without=without)
        case SlicesConfig(slices=slices):
            return BagAugmenter(slices, build_augmenter(config, size_px=preprocess.size_px))
        case DetectorConfig():
            plain = build_augmenter(config, size_px=preprocess.size_px)
            return _with_boxes(plain, model, label_of)
        case VolumeConfig():
            return _build_volume_augmenter(config, preprocess)
        case VolumeDetectorConfig():
            solid = _build_volume_augmenter(config, preprocess, model.window_size)
            return _with_boxes(solid, model, label_of)
        case _:
            assert_never(model)


def _with_boxes(
    augment: Augmenter | VolumeAugmenter,
    model: DetectorConfig | VolumeDetectorConfig,
    label_of: Sequence[int],
) -> BoxAugmenter:
    window = model.window
    if window is None:
        return BoxAugmenter(augment, label_of=tuple(label_of))
    return BoxAugmenter(augment, window.sides, window.lesion_share, tuple(label_of))
