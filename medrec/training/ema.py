"""Moving averages of weights: the result of every fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch.optim.swa_utils import get_ema_multi_avg_fn

if TYPE_CHECKING:
    from medrec.training.guard import SkipGuard

Average = Callable[[Sequence[torch.Tensor], Sequence[torch.Tensor], torch.Tensor], None]


def build_ema(decay: float, *, guard: SkipGuard | None = None) -> WeightAveraging:
    """Average weights and batch-norm statistics after every step, as Lightning's callback does.

    Lightning's own EMA starts with the full decay, so that a short fit ends near its first, random
    steps; here the decay grows as (1 + n) / (10 + n) until it reaches `decay`.
    Steps that `guard` skipped leave it alone.
    """
    return _StepAveraging(guard, multi_avg_fn=growing_average(decay), use_buffers=True)


class _StepAveraging(WeightAveraging):
    """Average after each step that was taken."""

    def __init__(self, guard: SkipGuard | None, **options: Any) -> None:  # noqa: ANN401 (Lightning's own)
        super().__init__(**options)
        self._guard = guard

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Whether the step counts; never at an epoch's end."""
        return step_idx is not None and not (self._guard is not None and self._guard.was_skipped)


def growing_average(decay: float) -> Average:
    """The formula: averages, currents and the steps averaged so far; averages change in place."""

    def update(
        averages: Sequence[torch.Tensor], currents: Sequence[torch.Tensor], count: torch.Tensor
    ) -> None:
        decay_now = min(decay, (1 + int(count)) / (10 + int(count)))
        apply: Average = get_ema_multi_avg_fn(decay_now)  # type: ignore[no-untyped-call]
        apply(averages, currents, count)

    return update
