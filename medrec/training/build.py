"""Fits from their config."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medrec.models.build import build_classifier
from medrec.training.settings import FitSettings

if TYPE_CHECKING:
    from medrec.config.model import ModelConfig
    from medrec.config.training import FitConfig
    from medrec.models.classifiers import TimmClassifier


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
    config: ModelConfig, *, label_count: int, size_px: int, seed: int
) -> TimmClassifier:
    """Make a network with first weights; what is random in it depends on the seed alone.

    Raises:
        WeightsError: An unknown backbone, or weights that are missing, changed or don't fit.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_classifier(config, label_count=label_count, size_px=size_px)
