"""The line before a run fits: how long that will take, and how much disk it needs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from medrec.config.ensemble import FoldsEnsemble, SeedsEnsemble
from medrec.config.training import TrainConfig
from medrec.data.splits import SplitPlan
from medrec.domain.counting import counted
from medrec.domain.reference import Split
from medrec.reporting.run_summary import say_seconds
from medrec.training.estimate import FitCost, FitWork

if TYPE_CHECKING:
    from collections.abc import Mapping

_MEGABYTE, _GIGABYTE = 1e6, 1e9


def plan_work(
    config: TrainConfig, plan: SplitPlan, rows: Mapping[Split, int], *, folds: int
) -> FitWork:
    """Count the networks of a run and what they see in an epoch.

    Args:
        config: Whose ensemble counts.
        plan: Cross-fitted in its folds, or held out.
        rows: Rows of each split.
        folds: How many networks an ensemble of folds has where the plan is held out.
    """
    ensemble = config.ensemble
    members = ensemble.members if isinstance(ensemble, SeedsEnsemble) else 1
    train, tune = rows.get(Split.TRAIN, 0), rows.get(Split.TUNE, 0)
    if plan.mode == "cross_fit":
        finals = 0 if isinstance(ensemble, FoldsEnsemble) else 1
        parts = len(plan.folds)
        networks, learned, watched = parts + finals, (parts - 1 + finals) * train, train
    elif isinstance(ensemble, FoldsEnsemble):
        networks, learned, watched = folds, (folds - 1) * (train + tune), train + tune
    elif config.fit.tune == "learn":
        networks, learned, watched = 1, train + tune, 0
    else:
        networks, learned, watched = 1, train, tune
    return FitWork(networks * members, learned * members, watched * members)


def say_forecast(
    cost: FitCost, work: FitWork, config: TrainConfig, plan: SplitPlan, *, out: Path, device: str
) -> str:
    """Say it in one line, with what the disk has left."""
    seconds = cost.seconds(work, epochs=config.fit.epochs)
    needed = cost.disk_bytes(work, chooses_best=plan.mode == "held_out")
    free = shutil.disk_usage(out).free
    networks = counted(work.networks, "network", "networks")
    short = "; that is too little: make room first" if needed > free else ""
    return (
        f"fitting {networks} on {device} will take about {say_seconds(seconds)} and "
        f"{_say_bytes(needed)} of disk for checkpoints, of {_say_bytes(free)} free{short}"
    )


def _say_bytes(count: float) -> str:
    if count < _GIGABYTE:
        return f"{count / _MEGABYTE:.1f} MB"
    return f"{count / _GIGABYTE:.1f} GB"
