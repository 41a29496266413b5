"""Classifiers of volumes that look at slices: a 2D network for each, and a pool over all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from medrec.models.outputs import ClassifierOutput
from medrec.models.pooling import pool_weights

if TYPE_CHECKING:
    from medrec.models.classifiers import TimmClassifier

_CHUNK = 32
"""Slices judged at once outside training: a stack of 300 must fit into memory too."""


@dataclass(frozen=True, eq=False)
class BagOutput:
    """What a network says of the N slices of one volume and of the whole.

    `image` (N, K) are logits of slices, `weight` (N, K) what each counts in the exam, `exam` (K,)
    is the sum of `image * weight`.
    """

    image: torch.Tensor
    weight: torch.Tensor
    exam: torch.Tensor


class GatedAttention(nn.Module):
    """Weigh slices by what they show: Ilse et al., ICML 2018, eq. 9.

    Args:
        features: Length F of a slice's features.
        hidden: Units of both branches.
    """

    def __init__(self, features: int, *, hidden: int) -> None:
        super().__init__()
        self.content = nn.Linear(features, hidden)
        self.gate = nn.Linear(features, hidden)
        self.score = nn.Linear(hidden, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Weights (B, N), which sum to 1 over the slices, of features (B, N, F)."""
        units = torch.tanh(self.content(features)) * torch.sigmoid(self.gate(features))
        scores: torch.Tensor = self.score(units)
        return scores.squeeze(-1).softmax(dim=1)


class FixedPool(nn.Module):
    """The pool of `medrec.models.pooling`, through which gradients flow."""

    def __init__(self, *, positions: int, top: int) -> None:
        super().__init__()
        self._positions, self._top = positions, top

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Weights (B, N, K) of logits (B, N, K)."""
        known = logits.detach().cpu().double()
        weights = [
            [
                torch.from_numpy(
                    pool_weights(column.numpy(), positions=self._positions, top=self._top)
                )
                for column in bag.T
            ]
            for bag in known.nan_to_num()
        ]
        stacked = torch.stack([torch.stack(columns, dim=1) for columns in weights])
        return stacked.to(device=logits.device, dtype=logits.dtype)


class BagClassifier(nn.Module):
    """Judge a volume by its slices.

    Args:
        encoder: Judges one slice.
        pool: FixedPool, or GatedAttention over the encoder's features.
    """

    def __init__(self, encoder: TimmClassifier, pool: FixedPool | GatedAttention) -> None:
        super().__init__()
        self.encoder = encoder
        self.pool = pool

    def forward(self, bags: torch.Tensor) -> ClassifierOutput:
        """Judge bags (B, N, 1, H, W) of N slices each: `logits` is (B, K)."""
        image, weight = self._weigh(bags)
        return ClassifierOutput(logits=(image * weight).sum(dim=1))

    def judge(self, images: torch.Tensor) -> BagOutput:
        """Judge the slices (N, 1, H, W) of one volume, and what each of them counts."""
        image, weight = self._weigh(images[None])
        return BagOutput(image[0], weight[0], (image * weight).sum(dim=1)[0])

    def _weigh(self, bags: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        slices = bags.flatten(0, 1)
        chunks = [slices] if self.training else torch.split(slices, _CHUNK)
        if isinstance(self.pool, FixedPool):
            logits = torch.cat([self.encoder(chunk).logits for chunk in chunks])
            image = logits.float().reshape(*bags.shape[:2], -1)
            return image, self.pool(image)
        pairs = [self.encoder.features(chunk) for chunk in chunks]
        features = torch.cat([pair[0] for pair in pairs]).reshape(*bags.shape[:2], -1)
        logits = torch.cat([pair[1] for pair in pairs]).reshape(*bags.shape[:2], -1)
        return logits.float(), self.pool(features).float()[..., None].expand_as(logits)
