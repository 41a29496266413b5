"""One fit, from first weights to averaged ones."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch

from medrec.errors import DataSplitError
from medrec.training.detector_module import DetectorModule
from medrec.training.losses import positive_weights
from medrec.training.memory import enough_memory
from medrec.training.modules import ClassifierModule, EpochRecord
from medrec.training.optimiser import FrozenBackbone
from medrec.training.ranks import find_ranks
from medrec.training.sampling import training_loader, watching_loader
from medrec.training.trainer import BEST, LAST, build_trainer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import nn

    from medrec.data.dataset import SliceDataset
    from medrec.data.volumes import VolumeDataset
    from medrec.models.detectors import Detector
    from medrec.models.exclusive import Columns
    from medrec.training.detector_module import Detection
    from medrec.training.sampling import Augment, AugmentBatch
    from medrec.training.settings import FitSettings

_PREFIX = "network."


@dataclass(frozen=True, eq=False)
class FitData:
    """What a network learns from, and what it is watched on.

    `watched` changes nothing, unless `choose_best`: then the epoch with its lowest log-loss is the
    result (a tune split). Without, the result is the last epoch's, and a held-out fold stays
    unseen. `augment` changes a picture in the loader's processes, `augment_batch` a batch on the
    device, where `FitSettings.augment_on` is `device`.
    """

    train: SliceDataset | VolumeDataset
    watched: SliceDataset | VolumeDataset | None = None
    choose_best: bool = False
    augment: Augment | None = None
    augment_batch: AugmentBatch | None = None
    exclusive: Columns = ()
    """The columns of labels that exclude each other, group by group."""
    detection: Detection | None = None
    """How a detector learns from rows that hold objects; None: a classifier learns from labels."""


@dataclass(frozen=True, eq=False)
class FitResult:
    """A network with averaged weights, on the CPU and in evaluation mode, and how it got there."""

    network: nn.Module
    history: tuple[EpochRecord, ...]
    epoch: int
    """The epoch, counted from 0, whose weights these are."""


def fit_network(
    network: nn.Module,
    data: FitData,
    *,
    settings: FitSettings,
    folder: Path,
    device: str = "auto",
    resume: bool = False,
) -> FitResult:
    """Fit a network, which is changed in place.

    Args:
        network: With first weights.
        data: What it learns from.
        settings: Schedule and optimiser.
        folder: Holds last.ckpt (and best.ckpt), from which a cut fit resumes.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        resume: Go on from last.ckpt where there is one; the result is that of an uncut fit.

    Raises:
        DataSplitError: No row with a known label to learn from, or no rows to choose the best by.
        TrainingError: Settings that the device lacks; too little memory; steps whose gradient is no
            number, lastingly.
    """
    _check(data)
    last = folder / f"{LAST}.ckpt"
    # FSDP leaves a network in parts behind; this one gets the whole weights at the end.
    own = deepcopy(network) if settings.strategy == "fsdp" else network
    module = _to_module(own, data, settings)
    with quietly(), enough_memory(), torch.random.fork_rng():
        trainer = build_trainer(
            settings,
            folder,
            device=device,
            choose_best=data.choose_best,
            callbacks=[FrozenBackbone(settings.head_epochs)] if settings.head_epochs else [],
        )
        trainer.fit(
            module,
            training_loader(data.train, settings, augment=data.augment),
            watching_loader(data.watched, batch_size=settings.batch_size) if data.watched else None,
            ckpt_path=str(last) if resume and last.exists() else None,
            weights_only=True,  # our own file, and still nothing but tensors and plain values
        )
    chosen = folder / f"{BEST}.ckpt" if data.choose_best else last
    epoch = _take_weights(network, chosen)
    return FitResult(network=network.cpu().eval(), history=tuple(module.history), epoch=epoch)


def _to_module(network: nn.Module, data: FitData, settings: FitSettings) -> ClassifierModule:
    if data.detection is not None:
        return DetectorModule(cast("Detector", network), settings, data.detection)
    return ClassifierModule(
        network,
        settings,
        positive_weight=positive_weights(
            _taught(data.train), cap=settings.positive_weight_cap, exclusive=data.exclusive
        ),
        augment_batch=data.augment_batch,
        exclusive=data.exclusive,
    )


def _taught(rows: SliceDataset | VolumeDataset) -> torch.Tensor:
    """Targets (N, K) of an epoch: with planted lesions, as many positives as are expected."""
    return rows.planting.expected(rows.targets) if rows.planting else rows.targets


def _check(data: FitData) -> None:
    if len(data.train.known_rows()) < (count := find_ranks().count):
        message = "no row with a known label to learn from"
        if data.train.known_rows():
            message = f"fewer rows with a known label than the {count} processes of torchrun"
        raise DataSplitError(message)
    if data.choose_best and not (data.watched and data.watched.known_rows()):
        message = "the best epoch is chosen on the tune split, which has no row with a known label"
        raise DataSplitError(message)


def _take_weights(network: nn.Module, checkpoint: Path) -> int:
    """Load the averaged weights that Lightning's callback put into a checkpoint; its epoch."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)  # noqa: TID251 (our own)
    state = content["state_dict"]
    network.load_state_dict(
        {name.removeprefix(_PREFIX): value for name, value in state.items() if _PREFIX in name}
    )
    return int(content["epoch"])


@contextmanager
def quietly() -> Iterator[None]:
    """Keep Lightning's advice from the terminal, and its global switches from the process."""
    logger = logging.getLogger("lightning.pytorch")
    level, deterministic = logger.level, torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            yield
    finally:
        logger.setLevel(level)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
