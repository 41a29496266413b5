"""One fit, from first weights to averaged ones."""

from __future__ import annotations

import logging
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar

from medrec.errors import DataSplitError
from medrec.training.ema import build_ema
from medrec.training.losses import positive_weights
from medrec.training.modules import WATCHED_LOSS, ClassifierModule, EpochRecord
from medrec.training.sampling import training_loader, watching_loader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from medrec.data.dataset import SliceDataset
    from medrec.models.classifiers import TimmClassifier
    from medrec.training.sampling import Augment
    from medrec.training.settings import FitSettings

_LAST = "last"
_BEST = "best"
_PRECISIONS: Any = {"32": "32-true", "bf16": "bf16-mixed"}
_PREFIX = "network."


@dataclass(frozen=True, eq=False)
class FitData:
    """What a network learns from, and what it is watched on.

    `watched` changes nothing, unless `choose_best`: then the epoch with its lowest log-loss is the
    result (a tune split). Without, the result is the last epoch's, and a held-out fold stays
    unseen.
    """

    train: SliceDataset
    watched: SliceDataset | None = None
    choose_best: bool = False
    augment: Augment | None = None


@dataclass(frozen=True, eq=False)
class FitResult:
    """A network with averaged weights, on the CPU and in evaluation mode, and how it got there."""

    network: TimmClassifier
    history: tuple[EpochRecord, ...]
    epoch: int
    """The epoch, counted from 0, whose weights these are."""


def fit_network(
    network: TimmClassifier,
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
    """
    _check(data)
    last = folder / f"{_LAST}.ckpt"
    module = ClassifierModule(
        network,
        settings,
        positive_weight=positive_weights(data.train.targets, cap=settings.positive_weight_cap),
    )
    with quietly(), torch.random.fork_rng():
        trainer = build_trainer(settings, folder, device=device, choose_best=data.choose_best)
        trainer.fit(
            module,
            training_loader(data.train, settings, augment=data.augment),
            watching_loader(data.watched, batch_size=settings.batch_size) if data.watched else None,
            ckpt_path=str(last) if resume and last.exists() else None,
            weights_only=True,  # our own file, and still nothing but tensors and plain values
        )
    chosen = folder / f"{_BEST}.ckpt" if data.choose_best else last
    epoch = _take_weights(network, chosen)
    return FitResult(network=network.cpu().eval(), history=tuple(module.history), epoch=epoch)


def _check(data: FitData) -> None:
    if not data.train.known_rows():
        message = "no row with a known label to learn from"
        raise DataSplitError(message)
    if data.choose_best and not (data.watched and data.watched.known_rows()):
        message = "the best epoch is chosen on the tune split, which has no row with a known label"
        raise DataSplitError(message)


def build_trainer(
    settings: FitSettings, folder: Path, *, device: str, choose_best: bool
) -> pl.Trainer:
    """Lightning's loop: checkpoints into `folder` after every epoch, weights averaged."""
    name, _, index = device.partition(":")
    callbacks: list[pl.Callback] = [build_ema(settings.ema_decay), _checkpoints(folder)]
    if choose_best:
        callbacks.append(_checkpoints(folder, choose_best=True))
    is_watched = sys.stderr.isatty()
    if is_watched:
        callbacks.append(RichProgressBar(console_kwargs={"stderr": True}))
    return pl.Trainer(
        accelerator={"cuda": "gpu"}.get(name, name),
        devices=[int(index)] if index else 1,
        precision=_PRECISIONS[settings.precision],
        max_epochs=settings.epochs,
        gradient_clip_val=settings.gradient_clip or None,
        deterministic="warn",
        callbacks=callbacks,
        default_root_dir=folder,
        logger=False,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=is_watched,
    )


def _checkpoints(folder: Path, *, choose_best: bool = False) -> ModelCheckpoint:
    """Write the state after every epoch, or the best of all by the watched log-loss."""
    return ModelCheckpoint(
        dirpath=folder,
        filename=_BEST if choose_best else _LAST,
        monitor=WATCHED_LOSS if choose_best else None,
        mode="min",
        save_top_k=1,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )


def _take_weights(network: TimmClassifier, checkpoint: Path) -> int:
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
