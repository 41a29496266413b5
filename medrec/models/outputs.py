"""What networks return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class ClassifierOutput:
    """`logits` is (B, K) float32, one column a label, in the order of the package's labels."""

    logits: torch.Tensor
