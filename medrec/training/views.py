"""Two random views of one picture: fixed by seed, epoch and row alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2 import RandomResizedCrop

from medrec.training.sampling import EpochSampler, one_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.data.dataset import SliceDataset
    from medrec.training.sampling import Augment, Draw

ViewPair = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Views:
    """Show a part of a picture, enlarged to its size, then change it by `augment`.

    Not lightly's own SimCLR views: those are for photographs. They change hue and saturation, which
    films don't have, turn grey what is grey, scale three channels as ImageNet's, and show as little
    as 8 % of the picture, where a lesion is seldom. They also draw from one global state, so that a
    resumed run would see other views.

    Args:
        size_px: Side of the pictures.
        smallest_crop: The least share of the area that a view shows.
        augment: Changes that keep what a radiologist would see.
    """

    size_px: int
    smallest_crop: float
    augment: Augment
    _crop: RandomResizedCrop = field(init=False, repr=False)

    def __post_init__(self) -> None:
        crop = RandomResizedCrop(self.size_px, scale=(self.smallest_crop, 1.0), antialias=True)
        object.__setattr__(self, "_crop", crop)

    def __call__(self, image: torch.Tensor, *, seed: int) -> torch.Tensor:
        """Make one view (1, size, size) of an image (1, H, W) float32; seed in [0, 2**32)."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            part: torch.Tensor = self._crop(image)
        view = self.augment(part, seed=seed)
        assert isinstance(view, torch.Tensor)  # noqa: S101 (pictures alone go in)
        return view


@dataclass(frozen=True, eq=False)
class ViewPairs(Dataset[ViewPair]):
    """Pairs of views as draws call for them."""

    slices: SliceDataset
    views: Views
    seed: int

    def __getitem__(self, draw: Draw) -> ViewPair:
        image, _ = self.slices[draw.row]
        seeds = np.random.SeedSequence([self.seed, draw.epoch, draw.row]).generate_state(2)
        return self.views(image, seed=int(seeds[0])), self.views(image, seed=int(seeds[1]))

    def __getitems__(self, draws: Sequence[Draw]) -> list[ViewPair]:
        """Make a whole batch at once: on small pictures a second thread only gets in the way."""
        with one_thread():
            return [self[draw] for draw in draws]


def view_loader(
    slices: SliceDataset, views: Views, *, seed: int, batch_size: int, workers: int
) -> DataLoader[ViewPair]:
    """Feed every picture once an epoch; the last, smaller batch is dropped."""
    return DataLoader(
        ViewPairs(slices, views, seed),
        sampler=EpochSampler(range(len(slices)), seed=seed),
        batch_size=min(batch_size, len(slices)),
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )
