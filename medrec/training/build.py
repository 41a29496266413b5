"""Fits from their config."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch

from medrec.config.model import DetectorConfig, ModelConfig, VolumeDetectorConfig
from medrec.config.pretraining import MaskedConfig, VolumeEncoderConfig
from medrec.config.training import FitConfig
from medrec.errors import UsageError
from medrec.models.build import build_any, build_classifier, build_finder
from medrec.models.encoders import PictureEncoder, VolumeEncoder
from medrec.models.exclusive import make_exclusive
from medrec.preprocess.build import build_augmenter
from medrec.training.contrastive import Contrast
from medrec.training.detection import DetectionLoss
from medrec.training.detector_module import Detection
from medrec.training.masked import Masking, to_blocks
from medrec.training.settings import FitSettings
from medrec.training.views import Views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from medrec.config.model import AnyModel
    from medrec.config.pretraining import EncoderConfig, PretrainConfig, PretrainFitConfig
    from medrec.data.dataset import SliceDataset
    from medrec.models.exclusive import Columns


_NOT_OF_ONE_FIT = {"optimiser", "unfreeze", "early_stop", "keep", "tune", "logger"}


def build_settings(config: FitConfig | PretrainFitConfig, *, seed: int) -> FitSettings:
    """Flatten the schedule and the optimiser."""
    return FitSettings(
        seed=seed,
        **config.model_dump(exclude=_NOT_OF_ONE_FIT),
        **config.optimiser.model_dump(),
        **(_stages(config) if isinstance(config, FitConfig) else {}),
    )


def _stages(config: FitConfig) -> dict[str, Any]:
    """When the backbone begins to learn, and when the fit may end."""
    stop = config.early_stop
    return {
        "head_epochs": config.unfreeze.head_epochs if config.unfreeze else None,
        "early_stop_patience": stop.patience if stop else None,
        "early_stop_min_delta": stop.min_delta if stop else 0.0,
        "logger": config.logger or ("tensorboard" if _is_installed("tensorboard") else "none"),
    }


def check_logger(config: FitConfig) -> None:
    """Refuse a logger that was asked for by name and isn't installed.

    Raises:
        UsageError: The command that installs it.
    """
    if config.logger in {"tensorboard", "mlflow"} and not _is_installed(config.logger):
        message = (
            f"fit.logger: {config.logger} isn't installed: pip install medrec[{config.logger}]"
        )
        raise UsageError(message)


def _is_installed(package: str) -> bool:
    return find_spec(package) is not None


def build_network(
    config: AnyModel,
    *,
    label_count: int,
    size_px: int,
    seed: int,
    exclusive: Columns = (),
    label_of: Sequence[int] = (),
) -> nn.Module:
    """Make a network with first weights; what is random in it depends on the seed alone.

    `exclusive` are the columns of labels that exclude each other, `label_of` that of the label of
    each class of a detector's boxes; its anchors are known.

    Raises:
        WeightsError: An unknown backbone, or weights that are missing, changed or don't fit.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build_any(config, label_count=label_count, label_of=label_of, size_px=size_px)
    make_exclusive(network, exclusive)
    return network


def build_detection(config: AnyModel) -> Detection | None:
    """How a detector learns and is watched; None of a classifier."""
    if not isinstance(config, DetectorConfig | VolumeDetectorConfig):
        return None
    loss = DetectionLoss(
        matching="centre" if config.head == "centre" else "atss", class_loss=config.class_loss
    )
    return Detection(loss, build_finder(config))


def build_encoder(
    config: EncoderConfig | VolumeEncoderConfig, *, size_px: int, seed: int
) -> PictureEncoder | VolumeEncoder:
    """Make a network without a last layer, with first weights.

    Raises:
        WeightsError: An unknown backbone, or weights that are missing, changed or don't fit.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if isinstance(config, VolumeEncoderConfig):
            return VolumeEncoder(config.architecture)
        model = ModelConfig(backbone=config.backbone, weights=config.weights, dropout=0.0)
        return PictureEncoder(build_classifier(model, label_count=1, size_px=size_px))


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
