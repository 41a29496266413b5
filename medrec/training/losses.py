"""Losses that know what is unknown."""

from __future__ import annotations

import torch
from torch.nn.functional import binary_cross_entropy_with_logits


def masked_bce(
    logits: torch.Tensor, targets: torch.Tensor, *, positive_weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean binary cross-entropy over the known labels; 0, without gradient, if none is known.

    Args:
        logits: (B, K) float32.
        targets: (B, K) float32: 1, 0, or NaN where unknown.
        positive_weight: (K,) weight of a positive label; a negative one weighs 1.
    """
    known = torch.isfinite(targets)
    losses = binary_cross_entropy_with_logits(
        logits, torch.where(known, targets, 0.0), pos_weight=positive_weight, reduction="none"
    )
    return (losses * known).sum() / known.sum().clamp(min=1)


def positive_weights(targets: torch.Tensor, *, cap: float) -> torch.Tensor:
    """Weigh positives (K,) so that both classes weigh alike, but never above `cap`.

    A label without a known positive or negative weighs 1.
    """
    positives = (targets == 1).sum(dim=0).float()
    negatives = (targets == 0).sum(dim=0).float()
    balance = torch.where(
        (positives > 0) & (negatives > 0), negatives / positives.clamp(min=1), 1.0
    )
    return balance.clamp(max=cap)
