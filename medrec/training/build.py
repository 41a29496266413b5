"""Fits from their config."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medrec.models.build import build_any
from medrec.models.exclusive import make_exclusive
from medrec.training.settings import FitSettings

if TYPE_CHECKING:
    from torch import nn

    from medrec.config.model import ModelConfig, SlicesConfig, VolumeConfig
    from medrec.config.training import FitConfig
    from medrec.models.exclusive import Columns


def build_settings(config: FitConfig, *, seed: int) -> FitSettings:
    """Flatten the schedule and the optimiser."""
    stop = config.early_stop
    return FitSettings(
        seed=seed,
        head_epochs=config.unfreeze.head_epochs if config.unfreeze else None,
        early_stop_patience=stop.patience if stop else None,
        early_stop_min_delta=stop.min_delta if stop else 0.0,
        **config.model_dump(exclude={"optimiser", "unfreeze", "early_stop"}),
        **config.optimiser.model_dump(),
    )


def build_network(
    config: ModelConfig | SlicesConfig | VolumeConfig,
    *,
    label_count: int,
    size_px: int,
    seed: int,
    exclusive: Columns = (),
) -> nn.Module:
    """Make a network with first weights; what is random in it depends on the seed alone.

    `exclusive` are the columns of labels that exclude each other.

    Raises:
        WeightsError: An unknown backbone, or weights that are missing, changed or don't fit.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build_any(config, label_count=label_count, size_px=size_px)
    make_exclusive(network, exclusive)
    return network
