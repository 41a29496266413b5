"""SimCLR: views of one picture shall lie close together (Chen et al. 2020, arXiv 2002.05709)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medrec.training.self_supervised import SelfSupervisedModule
from medrec.training.views import view_loader

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

    from medrec.data.dataset import SliceDataset
    from medrec.models.encoders import PictureEncoder
    from medrec.training.settings import FitSettings
    from medrec.training.views import ViewPair, Views


@dataclass(frozen=True, eq=False)
class Contrast:
    """What is compared: views of `slices`, whose targets are not read.

    `temperature` and `projection` as in `medrec.config.pretraining.SimclrConfig`.
    """

    slices: SliceDataset
    views: Views
    temperature: float
    projection: int

    def module(self, encoder: PictureEncoder, settings: FitSettings) -> ContrastiveModule:
        """What Lightning fits."""
        return ContrastiveModule(
            encoder, settings, temperature=self.temperature, projection=self.projection
        )

    def loader(self, settings: FitSettings) -> DataLoader[ViewPair]:
        """What Lightning feeds."""
        return view_loader(
            self.slices,
            self.views,
            seed=settings.seed,
            batch_size=settings.batch_size,
            workers=settings.workers,
        )


class ContrastiveModule(SelfSupervisedModule):
    """Pull views of one picture together, push others apart, by lightly's head and loss."""

    encoder: PictureEncoder

    def __init__(
        self,
        encoder: PictureEncoder,
        settings: FitSettings,
        *,
        temperature: float,
        projection: int,
    ) -> None:
        from lightly.loss import NTXentLoss
        from lightly.models.modules.heads import SimCLRProjectionHead

        super().__init__(encoder, settings)
        width = encoder.feature_count
        self.head = SimCLRProjectionHead(width, width, projection)
        self._loss = NTXentLoss(temperature=temperature)

    def judge(self, batch: ViewPair) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss of pairs of views (B, 1, H, W), and the share that was matched rightly."""
        # Both views in one pass, so that batch norms can't tell the two apart.
        first, second = self.head(self.encoder(torch.cat(batch))).float().chunk(2)
        loss: torch.Tensor = self._loss(first, second)
        return loss, share_matched(first, second)


def share_matched(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Share of rows of `first` (B, P) whose nearest row of `second`, by angle, is their own."""
    first, second = (torch.nn.functional.normalize(v, dim=1) for v in (first, second))
    nearest = (first @ second.T).argmax(dim=1)
    return (nearest == torch.arange(len(nearest), device=nearest.device)).float().mean()
