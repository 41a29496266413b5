"""Targets that are softened, and batches mixed with themselves; what is unknown stays unknown."""

from __future__ import annotations

import torch


def smooth_targets(targets: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Move 0 and 1 of targets (B, K) towards 0.5 by half of `smoothing`; NaN stays.

    >>> smooth_targets(torch.tensor([0.0, 1.0, torch.nan]), 0.2)
    tensor([0.1000, 0.9000,    nan])
    """
    return targets * (1 - smoothing) + smoothing / 2


def mix_batch(
    images: torch.Tensor, targets: torch.Tensor, *, alpha: float, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix each row with another (mixup, Zhang 2018): one share for the batch, from Beta(a, a).

    A label that is unknown in either row is unknown in the mixture. `seed` alone fixes share and
    partners, whatever the device.
    """
    generator = torch.Generator().manual_seed(seed)
    # Beta(a, a) is a ratio of two gamma variables.
    gammas = torch._standard_gamma(torch.full((2,), alpha), generator=generator)  # noqa: SLF001 (no public one takes a generator)
    total = gammas.sum()
    share = float(gammas[0] / total) if total > 0 else 1.0
    partner = torch.randperm(len(images), generator=generator).to(images.device)
    return (
        share * images + (1 - share) * images[partner],
        share * targets + (1 - share) * targets[partner],
    )
