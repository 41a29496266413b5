"""The numbers of one fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from medrec.training.balance import Balance


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Schedule and optimiser of one fit; fields as in `medrec.config.training`.

    The same settings and seed give the same weights on the same machine, whatever `workers` is.
    """

    seed: int = 1
    epochs: int = 6
    batch_size: int = 32
    precision: Literal["32", "bf16", "fp16"] = "32"
    workers: int = 0
    augment_on: Literal["worker", "device"] | None = None
    positive_weight_cap: float = 1.0
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warmup_fraction: float = 0.1
    ema_decay: float = 0.99
    gradient_clip: float = 1.0
    accumulate: int | None = None
    sampler: Balance | None = None
    layer_decay: float | None = None
    head_epochs: int | None = None
    mixup: float | None = None
    label_smoothing: float | None = None
    early_stop_patience: int | None = None
    early_stop_min_delta: float = 0.0
    logger: Literal["tensorboard", "mlflow", "none"] = "none"
    compile: bool | None = None
    devices: int | None = None
    nodes: int | None = None
    strategy: Literal["auto", "ddp", "fsdp"] | None = None
