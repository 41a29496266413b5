"""What fits will cost in time and disk: a few real steps are timed, and nothing of them is kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from medrec.training.losses import classifier_loss
from medrec.training.optimiser import parameter_groups
from medrec.training.sampling import augment_batch, training_loader

if TYPE_CHECKING:
    from torch import nn

    from medrec.training.fit import FitData
    from medrec.training.sampling import Batch
    from medrec.training.settings import FitSettings

STEPS = 3
"""Steps that are made; the first one warms up."""
_LONG_SECONDS = 20.0
_WATCHING = 1 / 3
"""A forward pass alone, of a step of forward and backward, which costs twice as much."""
_REST = 1.2
"""Averaging and guarding after each step, checkpoints, the start of each epoch."""
_CHECKPOINT = 4
"""A checkpoint holds weights, averaged weights and AdamW's two moments."""
_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class FitWork:
    """All fits of a run: how many, the rows that they learn from and watch in an epoch, in sum."""

    networks: int
    learned: int
    watched: int


@dataclass(frozen=True, slots=True)
class FitCost:
    """Seconds that a row takes in training, loading and augmenting included; bytes of weights."""

    seconds_a_row: float
    weight_bytes: int

    def seconds(self, work: FitWork, *, epochs: int) -> float:
        """Seconds of all epochs of all fits."""
        return _REST * epochs * self.seconds_a_row * (work.learned + _WATCHING * work.watched)

    def disk_bytes(self, work: FitWork, *, chooses_best: bool) -> int:
        """Bytes of all checkpoints: the last one of each network, and the best where chosen."""
        files = 2 if chooses_best else 1
        return work.networks * files * _CHECKPOINT * self.weight_bytes


def measure_fit(
    network: nn.Module, data: FitData, settings: FitSettings, *, device: str
) -> FitCost:
    """Time steps (load, augment, forward, loss, backward, AdamW) on rows that will be learned from.

    Random numbers of the process are left as they were: a fit afterwards gives the same weights.

    Args:
        network: One like those to come: it is changed, throw it away.
        data: Rows of the shape to come, at least one of them with a known label.
        settings: Those of the fits.
        device: As for `fit_network`, but not `auto`.
    """
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        loading, stepping, rows = _time_steps(network.train().to(device), data, settings, device)
    # Workers load while the network learns; without, one waits for the other.
    parallel = max(loading / max(settings.workers, 1), stepping)
    seconds = parallel if settings.workers else loading + stepping
    tensors = network.state_dict().values()
    return FitCost(seconds / rows, sum(each.numel() * each.element_size() for each in tensors))


def _time_steps(
    network: nn.Module, data: FitData, settings: FitSettings, device: str
) -> tuple[float, float, int]:
    """Seconds of loading and of learning, and the rows that took them."""
    optimiser = torch.optim.AdamW(parameter_groups(network, settings), lr=settings.learning_rate)
    alone = replace(settings, workers=0)
    loader = training_loader(data.train, alone, augment=data.augment)
    found: list[tuple[float, float, int]] = []
    while len(found) < STEPS:
        batches = iter(loader)
        for _ in range(min(STEPS - len(found), len(loader))):
            started = time.perf_counter()
            batch = tuple(tensor.to(device) for tensor in next(batches))
            loaded = time.perf_counter()
            half = _HALF.get(settings.precision)
            with torch.autocast(device.partition(":")[0], dtype=half, enabled=half is not None):
                loss = _loss(network, batch, data)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            _wait(device)
            ended = time.perf_counter()
            found.append((loaded - started, ended - loaded, len(batch[0])))
            if ended - started > _LONG_SECONDS:
                return found[-1]
    timed = found[1:]
    loading, stepping, rows = (sum(column) for column in zip(*timed, strict=True))
    return loading, stepping, rows


def _loss(network: nn.Module, batch: Batch, data: FitData) -> torch.Tensor:
    if data.detection is not None:
        images, targets, objects = batch
        return data.detection.loss(network(images), objects, targets)
    images, targets = augment_batch(batch, data.augment_batch)
    return classifier_loss(network(images).logits.float(), targets, exclusive=data.exclusive)


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
