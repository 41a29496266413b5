"""Lightning's trainer for any module: callbacks, precision, checkpoints that resume exactly."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger

from medrec.errors import TrainingError
from medrec.training.ema import build_ema
from medrec.training.guard import SkipGuard
from medrec.training.ranks import Ranks, check_ranks, find_ranks
from medrec.training.sharding import ShardedClip, ShardedEma, ShardedStrategy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from medrec.training.settings import FitSettings

WATCHED_LOSS = "watched_loss"
LAST = "last"
BEST = "best"
_PRECISIONS: Any = {"32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def build_trainer(
    settings: FitSettings,
    folder: Path,
    *,
    device: str,
    choose_best: bool = False,
    callbacks: Sequence[pl.Callback] = (),
) -> pl.Trainer:
    """Make the trainer of one fit; it knows nothing of what the module learns.

    Args:
        settings: Schedule, precision, averaging, accumulation.
        folder: Holds last.ckpt (and best.ckpt).
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        choose_best: Keep the epoch with the lowest `watched_loss`, which the module logs.
        callbacks: More of them, after those of every fit.

    Raises:
        TrainingError: Half precision (fp16) without a GPU; early stop where nothing is watched;
            other processes than the settings ask for.
    """
    name, _, index = device.partition(":")
    ranks = find_ranks()
    _check(settings, device, ranks, choose_best=choose_best)
    is_sharded = settings.strategy == "fsdp"
    made = [*_guarded(settings, is_sharded=is_sharded), _checkpoints(folder)]
    if choose_best:
        made.append(_checkpoints(folder, choose_best=True))
    if settings.early_stop_patience is not None:
        made.append(_early_stop(settings.early_stop_patience, settings.early_stop_min_delta))
    is_watched = sys.stderr.isatty() and ranks.is_main
    if is_watched:
        made.append(RichProgressBar(console_kwargs={"stderr": True}))
    return pl.Trainer(
        accelerator={"cuda": "gpu"}.get(name, name),
        devices=[int(index)] if index else ranks.here,
        num_nodes=ranks.nodes,
        strategy=_strategy(ranks, is_sharded=is_sharded),
        use_distributed_sampler=False,  # medrec's own sampler deals the rows out
        precision=_PRECISIONS[settings.precision],
        max_epochs=settings.epochs,
        gradient_clip_val=None if is_sharded else settings.gradient_clip or None,
        accumulate_grad_batches=settings.accumulate or 1,
        deterministic="warn",
        callbacks=[*made, *callbacks],
        default_root_dir=folder,
        logger=_logger(settings, folder),
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=is_watched,
    )


def _guarded(settings: FitSettings, *, is_sharded: bool) -> list[pl.Callback]:
    """What watches and averages every step, in this order."""
    guard = SkipGuard()
    if not is_sharded:
        return [guard, build_ema(settings.ema_decay, guard=guard)]
    made: list[pl.Callback] = [guard, ShardedEma(settings.ema_decay, guard=guard)]
    if settings.gradient_clip:
        made.append(ShardedClip(settings.gradient_clip, guard=guard))
    return made


def _strategy(ranks: Ranks, *, is_sharded: bool) -> str | ShardedStrategy:
    if is_sharded:
        return ShardedStrategy()
    return "ddp" if ranks.count > 1 else "auto"


def _check(settings: FitSettings, device: str, ranks: Ranks, *, choose_best: bool) -> None:
    problems = check_ranks(ranks, devices=settings.devices, nodes=settings.nodes, device=device)
    if ranks.count > 1 and settings.head_epochs:
        problems.append("fit.unfreeze: weights can't be frozen for a while on several devices")
    has_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if settings.strategy == "fsdp":
        problems += _refuse_sharding(settings, ranks, has_gpu=has_gpu)
    if settings.precision == "fp16" and not has_gpu:
        problems.append("fit.precision: fp16 needs a GPU; bf16 and 32 work on the CPU")
    if settings.early_stop_patience is not None and not choose_best:
        problems.append(
            "fit.early_stop: only a tune split may end a fit; cross-fitting keeps a fixed schedule"
        )
    if problems:
        message = "; ".join(problems)
        raise TrainingError(message)


def _refuse_sharding(settings: FitSettings, ranks: Ranks, *, has_gpu: bool) -> Iterator[str]:
    if not has_gpu:
        yield "fit.strategy: fsdp needs GPUs; ddp trains on the CPU as well"
    if ranks.count == 1:
        yield "fit.strategy: fsdp shares a network among processes: start several by torchrun"
    if settings.compile:
        yield "fit.compile: not with fit.strategy fsdp; leave one of them out"


def _logger(
    settings: FitSettings, folder: Path
) -> TensorBoardLogger | MLFlowLogger | Literal[False]:
    """Log into `logs`, without further folders: one fit, one log, no server."""
    match settings.logger:
        case "none":
            return False
        case "tensorboard":
            return TensorBoardLogger(folder, name="logs", version="")
        case "mlflow":
            return _mlflow(folder / "logs")


def _mlflow(logs: Path) -> MLFlowLogger:
    """Write a SQLite file of losses; the names of user and script are kept out of it."""
    logs.mkdir(parents=True, exist_ok=True)
    return MLFlowLogger(
        experiment_name="medrec",
        run_name=logs.parent.name,
        tracking_uri=f"sqlite:///{(logs / 'mlflow.db').absolute()}",
        artifact_location="logs",  # none are written; a path would name this machine's folders
        tags={"mlflow.user": "medrec", "mlflow.source.name": "medrec"},
    )


def _early_stop(patience: int, min_delta: float) -> EarlyStopping:
    return EarlyStopping(
        WATCHED_LOSS, mode="min", patience=patience, min_delta=min_delta, check_finite=False
    )


def _checkpoints(folder: Path, *, choose_best: bool = False) -> ModelCheckpoint:
    """Write the state after every epoch, or the best of all by the watched log-loss."""
    return ModelCheckpoint(
        dirpath=folder,
        filename=BEST if choose_best else LAST,
        monitor=WATCHED_LOSS if choose_best else None,
        mode="min",
        save_top_k=1,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
