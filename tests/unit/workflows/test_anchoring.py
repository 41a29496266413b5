from __future__ import annotations

from pathlib import Path

import pytest
import torch
from factories import a_reference
from lesion_factory import a_detector_config

from medrec.config.base import validate
from medrec.config.training import TrainConfig
from medrec.data.detection import DetectionSlices
from medrec.data.splits import Place, SplitPlan
from medrec.domain.finding import Label
from medrec.domain.reference import Split
from medrec.errors import DataSplitError
from medrec.training.estimate import FitCost
from medrec.training.fit import FitResult
from medrec.workflows import fitting
from medrec.workflows.anchoring import with_anchors
from medrec.workflows.fitting import Fitter

LESION = Label("lesion")
_SIDES = (10.0, 10.0, 40.0, 40.0)
"""Of the one lesion of each picture: those of the second fold are four times as large."""
_PLAN = SplitPlan("cross_fit", {f"P{n}": Place(Split.TRAIN, n // 2) for n in range(4)})


def _config(**changes):
    asked = a_detector_config(Path("m.csv"), model={"levels": 1, "channels": 8}, **changes)
    return validate(asked, TrainConfig, where="test")


def _slices(sides=_SIDES):
    rows = tuple(a_reference(path=f"{n}", patient=f"P{n}", labels={LESION: True}) for n in range(4))
    objects = torch.tensor([[[2.0, 2.0, 2 + side, 2 + side, 0.0]] for side in sides])
    pictures, targets = torch.rand(4, 1, 64, 64), torch.ones(4, 1)
    return DetectionSlices(pictures, targets, rows, (LESION,), objects=objects)


@pytest.fixture
def anchors_of(monkeypatch, tmp_path):
    """The side of the one anchor of each network that a run fits, by the name of its folder."""
    found = {}

    def fit(network, data, *, folder, **_):
        ((((side, _),),)) = network._grid.sides
        found[folder.name] = side
        return FitResult(network.eval(), (), 0)

    monkeypatch.setattr(fitting, "fit_network", fit)
    monkeypatch.setattr(fitting, "measure_fit", lambda *_, **__: FitCost(1.0, 1))

    def run(config):
        for name in ("folds/0", "folds/1", "final"):
            (tmp_path / name).mkdir(parents=True)
        Fitter(config, _slices(), _PLAN, tmp_path, "cpu", False, lambda _: None).fit()
        return found

    return run


def test_the_boxes_of_a_fold_held_out_have_no_part_in_the_network_that_judges_it(anchors_of):
    assert {"0": 40.0, "1": 10.0} == {
        k: v for k, v in anchors_of(_config()).items() if k != "final"
    }


def test_the_final_network_has_the_anchors_that_its_package_holds(anchors_of):
    settled = with_anchors(_config(), _slices(), range(4))
    assert settled.model.anchors == [[(anchors_of(_config())["final"],) * 2]]


def test_members_that_ship_together_share_one_set_of_anchors(anchors_of):
    config = _config(ensemble={"kind": "folds"})
    settled = with_anchors(config, _slices(), range(4))
    assert {(side,) * 2 for side in anchors_of(config).values()} == {settled.model.anchors[0][0]}


def test_anchors_that_were_asked_for_stay(anchors_of):
    config = _config()
    model = config.model.model_copy(update={"anchors": [[(17.0, 17.0)]]})
    assert {17.0} == set(anchors_of(config.model_copy(update={"model": model})).values())


def test_a_detector_without_a_box_to_learn_from_is_refused():
    slices = _slices()
    slices.objects[..., -1] = -1
    with pytest.raises(DataSplitError, match="no box among the patients who train"):
        with_anchors(_config(), slices, range(4))
