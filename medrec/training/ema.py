"""Moving averages of weights: the result of every fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch.optim.swa_utils import get_ema_multi_avg_fn

Average = Callable[[Sequence[torch.Tensor], Sequence[torch.Tensor], torch.Tensor], None]


def build_ema(decay: float) -> WeightAveraging:
    """Average weights and batch-norm statistics after every step, as Lightning's callback does.

    Lightning's own EMA starts with the full decay, so that a short fit ends near its first, random
    steps; here the decay grows as (1 + n) / (10 + n) until it reaches `decay`.
    """
    return WeightAveraging(multi_avg_fn=_growing(decay), use_buffers=True)


def _growing(decay: float) -> Average:
    def update(
        averages: Sequence[torch.Tensor], currents: Sequence[torch.Tensor], count: torch.Tensor
    ) -> None:
        decay_now = min(decay, (1 + int(count)) / (10 + int(count)))
        apply: Average = get_ema_multi_avg_fn(decay_now)  # type: ignore[no-untyped-call]
        apply(averages, currents, count)

    return update
