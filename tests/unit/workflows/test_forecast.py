from __future__ import annotations

from types import SimpleNamespace

import pytest

from medrec.config.ensemble import FoldsEnsemble, SeedsEnsemble
from medrec.config.training import FitConfig
from medrec.domain.reference import Split
from medrec.training.estimate import FitCost, FitWork
from medrec.workflows.forecast import plan_work, say_forecast

ROWS = {Split.TRAIN: 100, Split.TUNE: 20, Split.TEST: 30}
FOLDS = FoldsEnsemble(kind="folds")
SEEDS = SeedsEnsemble(kind="seeds", members=3)
FIVE = SimpleNamespace(mode="cross_fit", folds=(0, 1, 2, 3, 4))
HELD_OUT = SimpleNamespace(mode="held_out", folds=())


@pytest.mark.parametrize(
    ("plan", "ensemble", "expected"),
    [
        (FIVE, None, FitWork(6, 500, 100)),
        (FIVE, FOLDS, FitWork(5, 400, 100)),
        (FIVE, SEEDS, FitWork(18, 1500, 300)),
        (HELD_OUT, None, FitWork(1, 100, 20)),
        (HELD_OUT, FOLDS, FitWork(4, 360, 120)),
        (HELD_OUT, SEEDS, FitWork(3, 300, 60)),
    ],
)
def test_all_networks_of_a_run_are_counted(plan, ensemble, expected):
    config = SimpleNamespace(ensemble=ensemble, fit=FitConfig())

    assert expected == plan_work(config, plan, ROWS, folds=4)


def test_tune_patients_who_learn_are_not_watched():
    config = SimpleNamespace(ensemble=None, fit=FitConfig(tune="learn"))

    assert FitWork(1, 120, 0) == plan_work(config, HELD_OUT, ROWS, folds=4)


def test_a_disk_too_small_is_said_before_anything_is_fitted(tmp_path):
    config = SimpleNamespace(fit=SimpleNamespace(epochs=10))
    work = FitWork(6, 500, 0)

    said = say_forecast(FitCost(0.1, 1000), work, config, FIVE, out=tmp_path, device="cpu")
    huge = say_forecast(FitCost(0.1, 10**18), work, config, FIVE, out=tmp_path, device="cpu")

    assert said.startswith("fitting 6 networks on cpu will take about 10 min 0 s and 0.0 MB")
    assert "too little" not in said
    assert "too little" in huge
