"""Which picture comes when, and how it is changed: fixed by seed, epoch and row alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from medrec.data.volumes import VolumeDataset
from medrec.training.balance import row_weights
from medrec.training.ranks import Ranks, find_ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.data.dataset import SliceDataset
    from medrec.training.settings import FitSettings

Batch = tuple[torch.Tensor, ...]
"""Images (B, 1, H, W) float32 and targets (B, K); and, where the device changes the images, a seed
(B,) int64 for each; or, for detectors, objects (B, M, 2D + 1), see `medrec.data.detection`."""
Augment = Callable[..., Any]
"""Changes an image by a seed; or an image, its objects and its targets, and gives all three."""
AugmentBatch = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Changes images by their seeds, see `medrec.preprocess.augment_batch`."""

_OF_BATCHES = 1


class Draw(NamedTuple):
    """Row `row` of the data, in epoch `epoch`."""

    row: int
    epoch: int


class EpochSampler(Sampler[Draw]):
    """Every row once an epoch, in an order that seed and epoch fix.

    With `weights` (N,), as many rows are drawn with replacement, each with its chance. Of several
    processes, each takes every `ranks.count`-th of the same draws; the last few draws, which
    wouldn't reach all processes, are left out of the epoch.
    """

    def __init__(
        self,
        rows: Sequence[int],
        *,
        seed: int,
        weights: NDArray[np.float64] | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        super().__init__()
        self._rows = np.asarray(rows)
        self._seed = seed
        self._weights = weights
        self._ranks = ranks or Ranks()
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before every epoch, after a resume too."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._rows) // self._ranks.count

    def __iter__(self) -> Iterator[Draw]:
        rng = np.random.default_rng([self._seed, self._epoch])
        if self._weights is None:
            order = rng.permutation(self._rows)
        else:
            order = rng.choice(self._rows, size=len(self._rows), p=self._weights)
        own = order[self._ranks.rank :: self._ranks.count][: len(self)]
        return (Draw(int(row), self._epoch) for row in own)


@dataclass(frozen=True, eq=False)
class DrawnSlices(Dataset[Batch]):
    """Slices as draws call for them, changed by `augment` with the draw's own seed.

    `is_seeded` adds a seed for what is changed later, in whole batches.
    """

    slices: SliceDataset | VolumeDataset
    augment: Augment | None
    seed: int
    is_seeded: bool = False

    def __getitem__(self, draw: Draw) -> Batch:
        image, target, *objects = self._sample(draw)
        if self.augment is not None:
            own = self._seed(draw)
            if objects:
                image, objects[0], target = self.augment(image, objects[0], target, seed=own)
            else:
                image = self.augment(image, seed=own)
        if self.is_seeded:
            return image, target, torch.tensor(self._seed(draw, _OF_BATCHES))
        return image, target, *objects

    def _sample(self, draw: Draw) -> Batch:
        """A row, with what is planted into it in this epoch."""
        sample = self.slices[draw.row]
        planting = self.slices.planting
        if planting is None:
            return sample
        return planting(sample, seed=self.seed, row=draw.row, epoch=draw.epoch)

    def _seed(self, draw: Draw, *use: int) -> int:
        entropy = [self.seed, draw.epoch, draw.row, *use]
        return int(np.random.SeedSequence(entropy).generate_state(1)[0])

    def __getitems__(self, draws: Sequence[Draw]) -> list[Batch]:
        """Make a whole batch at once: on small pictures a second thread only gets in the way."""
        with one_thread():
            return [self[draw] for draw in draws]


def training_loader(
    slices: SliceDataset | VolumeDataset, settings: FitSettings, *, augment: Augment | None
) -> DataLoader[Batch]:
    """Feed the rows that teach something; the last, smaller batch of an epoch is dropped.

    Each of several processes gets rows of its own.
    """
    rows = slices.known_rows()
    weights = _weights(slices, rows, settings)
    sampler = EpochSampler(rows, seed=settings.seed, weights=weights, ranks=find_ranks())
    return DataLoader(
        DrawnSlices(slices, augment, settings.seed, is_seeded=settings.augment_on == "device"),
        sampler=sampler,
        batch_size=min(settings.batch_size, len(sampler)),
        drop_last=True,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def watching_loader(slices: SliceDataset | VolumeDataset, *, batch_size: int) -> DataLoader[Batch]:
    """Feed all rows in order, unchanged; one by one where they differ in shape."""
    are_alike = not (isinstance(slices, VolumeDataset) and slices.differ_in_shape)
    return DataLoader(slices, batch_size=batch_size if are_alike else 1, shuffle=False)


def augment_batch(batch: Batch, change: AugmentBatch | None) -> Batch:
    """Images, changed where they lie, and targets: of a batch as the training loader feeds it."""
    images, targets, *seeds = batch
    return (change(images, seeds[0]) if change and seeds else images), targets


def _weights(
    slices: SliceDataset | VolumeDataset, rows: Sequence[int], settings: FitSettings
) -> NDArray[np.float64] | None:
    if settings.sampler in {None, "uniform"}:
        return None
    patients = [slices.references[row].resampling_unit for row in rows]
    return row_weights(slices.targets[list(rows)].numpy(), patients, settings.sampler)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread inside the block."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
