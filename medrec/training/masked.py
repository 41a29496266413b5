"""Masked-image modelling of volumes: rebuild what is hidden (Xie et al. 2022, arXiv 2111.09886).

SimMIM, not MAE: the encoder sees the whole grid with hidden patches filled, so that any network can
learn by it, convolutional ones too; MAE drops the hidden patches and needs a transformer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from monai.networks.utils import pixelshuffle
from torch import nn
from torch.nn.functional import interpolate, l1_loss
from torch.utils.data import DataLoader, Dataset

from medrec.training.sampling import Draw, EpochSampler
from medrec.training.self_supervised import SelfSupervisedModule

if TYPE_CHECKING:
    from medrec.data.dataset import SliceDataset
    from medrec.models.encoders import VolumeEncoder
    from medrec.training.settings import FitSettings


def to_blocks(slices: SliceDataset, *, depth: int) -> torch.Tensor:
    """Stack the pictures of each file to a volume of `depth` slices: (V, 1, depth, H, W) float16.

    Slices are interpolated along the stack: its length, not its millimetres, becomes `depth`.
    """
    rows = groupby(range(len(slices)), key=lambda row: slices.references[row].path)
    return torch.stack([_block(slices, list(numbers), depth) for _, numbers in rows])


@dataclass(frozen=True, eq=False)
class Masking:
    """What is hidden and rebuilt; `patch` and `share` as in `medrec.config.pretraining`.

    `volumes` is (V, 1, D, H, W), sides multiples of 16 and of `patch`.
    """

    volumes: torch.Tensor
    patch: int
    share: float

    def module(self, encoder: VolumeEncoder, settings: FitSettings) -> MaskedModule:
        """What Lightning fits."""
        return MaskedModule(encoder, settings, patch=self.patch, share=self.share)

    def loader(self, settings: FitSettings) -> DataLoader[torch.Tensor]:
        """Every volume once an epoch; the last, smaller batch is dropped."""
        count = len(self.volumes)
        return DataLoader(
            _Drawn(self.volumes),
            sampler=EpochSampler(range(count), seed=settings.seed),
            batch_size=min(settings.batch_size, count),
            drop_last=True,
            num_workers=settings.workers,
        )


class MaskedModule(SelfSupervisedModule):
    """Hide patches, rebuild them from features by one linear layer, judge hidden voxels alone."""

    encoder: VolumeEncoder

    def __init__(
        self, encoder: VolumeEncoder, settings: FitSettings, *, patch: int, share: float
    ) -> None:
        super().__init__(encoder, settings)
        self.filling = nn.Parameter(torch.zeros(1))
        self.rebuild = nn.Conv3d(encoder.feature_count, encoder.stride**3, kernel_size=1)
        self._patch = patch
        self._share = share

    def judge(self, batch: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Mean absolute error of hidden voxels of volumes (B, 1, D, H, W)."""
        hidden = self._hide(batch)
        features = self.encoder(torch.where(hidden, self.filling, batch))
        rebuilt = pixelshuffle(self.rebuild(features), spatial_dims=3, scale_factor=16).float()
        return l1_loss(rebuilt[hidden], batch[hidden]), None

    def _hide(self, volumes: torch.Tensor) -> torch.Tensor:
        """(B, 1, D, H, W) bool: True in `share` of the patches, at random."""
        sides = [side // self._patch for side in volumes.shape[2:]]
        drawn = torch.rand((len(volumes), 1, *sides), device=volumes.device)
        limit = drawn.flatten(1).quantile(self._share, dim=1).view(-1, 1, 1, 1, 1)
        return interpolate((drawn <= limit).float(), scale_factor=self._patch, mode="nearest") > 0


@dataclass(frozen=True, eq=False)
class _Drawn(Dataset[torch.Tensor]):
    volumes: torch.Tensor

    def __getitem__(self, draw: Draw) -> torch.Tensor:
        return self.volumes[draw.row].float()


def _block(slices: SliceDataset, rows: list[int], depth: int) -> torch.Tensor:
    stack = torch.stack([slices[row][0] for row in rows], dim=1)[None]  # (1, 1, N, H, W)
    sized = interpolate(
        stack, size=(depth, *stack.shape[3:]), mode="trilinear", align_corners=False
    )
    return sized[0].half()
