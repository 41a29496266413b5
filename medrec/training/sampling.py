"""Which picture comes when, and how it is changed: fixed by seed, epoch and row alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

if TYPE_CHECKING:
    from medrec.data.dataset import SliceDataset
    from medrec.training.settings import FitSettings

Batch = tuple[torch.Tensor, torch.Tensor]
Augment = Callable[..., torch.Tensor]


class Draw(NamedTuple):
    """Row `row` of the data, in epoch `epoch`."""

    row: int
    epoch: int


class EpochSampler(Sampler[Draw]):
    """Every row once an epoch, in an order that seed and epoch fix."""

    def __init__(self, rows: Sequence[int], *, seed: int) -> None:
        super().__init__()
        self._rows = np.asarray(rows)
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before every epoch, after a resume too."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Draw]:
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._rows)
        return (Draw(int(row), self._epoch) for row in order)


@dataclass(frozen=True, eq=False)
class DrawnSlices(Dataset[Batch]):
    """Slices as draws call for them, changed by `augment` with the draw's own seed."""

    slices: SliceDataset
    augment: Augment | None
    seed: int

    def __getitem__(self, draw: Draw) -> Batch:
        image, target = self.slices[draw.row]
        if self.augment is None:
            return image, target
        seed = np.random.SeedSequence([self.seed, draw.epoch, draw.row]).generate_state(1)[0]
        return self.augment(image, seed=int(seed)), target

    def __getitems__(self, draws: Sequence[Draw]) -> list[Batch]:
        """Make a whole batch at once: on small pictures a second thread only gets in the way."""
        with one_thread():
            return [self[draw] for draw in draws]


def training_loader(
    slices: SliceDataset, settings: FitSettings, *, augment: Augment | None
) -> DataLoader[Batch]:
    """Feed the rows that teach something; the last, smaller batch of an epoch is dropped."""
    rows = slices.known_rows()
    return DataLoader(
        DrawnSlices(slices, augment, settings.seed),
        sampler=EpochSampler(rows, seed=settings.seed),
        batch_size=min(settings.batch_size, len(rows)),
        drop_last=True,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def watching_loader(slices: SliceDataset, *, batch_size: int) -> DataLoader[Batch]:
    """Feed all rows in order, unchanged."""
    return DataLoader(slices, batch_size=batch_size, shuffle=False)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread inside the block."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
