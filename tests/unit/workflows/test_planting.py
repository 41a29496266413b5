"""What data must hold for lesions to be planted, said before anything is prepared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from planting_factory import DETECTOR, a_planting_config, noise, write_chest_films

from medrec.config.base import validate
from medrec.config.training import TrainConfig
from medrec.data.manifest import read_manifest
from medrec.data.splits import Place, SplitPlan
from medrec.domain.reference import Reference, Split
from medrec.errors import ManifestError
from medrec.workflows.planting import PlantingRun
from medrec.workflows.train import _Run


def a_run(tmp_path, *, said=None, **changes):
    config = validate(a_planting_config(Path("films.csv"), **changes), TrainConfig, where="config")
    return PlantingRun(config, tmp_path, tmp_path / "cache", (said or []).append)


def rows(**labels):
    """A row a patient of each split, with the label that the split's name is given."""
    return [
        Reference(f"{name}.png", name, {"nodule": truth}, split=Split(name))
        for name, truth in labels.items()
    ]


def a_plan(references):
    return SplitPlan("held_out", {row.patient: Place(row.split) for row in references})


def problems(tmp_path, references, **changes):
    return a_run(tmp_path, **changes).check(references, a_plan(references))


JUDGED = {"tune": False, "calibrate": True, "test": True}


def test_training_rows_that_are_all_negative_are_fine(tmp_path):
    assert [] == problems(tmp_path, rows(train=False, **JUDGED))


@pytest.mark.parametrize("truth", [True, None])
def test_without_a_lesion_free_row_of_training_nothing_starts(tmp_path, truth):
    (found,) = problems(
        tmp_path, rows(train=truth, **JUDGED), scope={**SCOPE, "lesions": "planted"}
    )

    assert found.startswith("plant: no row of the patients who train is known to be without nodule")


SCOPE = {"modality": ["CR"], "body_part": ["CHEST"], "dimensionality": "image"}


def test_a_model_of_planted_lesions_alone_must_say_so(tmp_path):
    (found,) = problems(tmp_path, rows(train=False, **JUDGED), scope=SCOPE)

    assert found.startswith("scope.lesions: no row that trains has nodule")


def test_with_real_ones_among_those_who_train_it_may_say_real(tmp_path):
    both = [*rows(train=False, **JUDGED), Reference("b.png", "b", {"nodule": True})]
    plan = a_plan([replace(row, split=row.split or Split.TRAIN) for row in both])

    assert [] == a_run(tmp_path, scope=SCOPE).check(both, plan)


@pytest.mark.parametrize(("split", "word"), [("calibrate", "calibration"), ("test", "test")])
def test_who_judges_needs_positives_in_files(tmp_path, split, word):
    (found,) = problems(tmp_path, rows(train=False, **{**JUDGED, split: False}))

    assert f"plant: the rows of {word} hold no nodule" in found
    assert "medrec dataset plant" in found


def test_cross_fitting_judges_those_who_train(tmp_path):
    references = rows(train=False, test=True)
    plan = SplitPlan("cross_fit", {"train": Place(Split.TRAIN, 0), "test": Place(Split.TEST)})

    (found,) = a_run(tmp_path).check(references, plan)

    assert "the rows of cross-fitting hold no nodule" in found


def test_a_detector_may_learn_of_rows_whose_boxes_alone_are_known(tmp_path):
    references = [
        replace(row, boxes="boxes.csv", labels={"nodule": None})
        for row in rows(train=None, **JUDGED)
    ]

    assert [] == problems(tmp_path, references, model=DETECTOR)


def prepared(tmp_path, said, **changes):
    manifest = write_chest_films(tmp_path, {"train": 4, "tune": 2, "calibrate": 2, "test": 2})
    references = read_manifest(manifest, labels=["nodule"])
    config = validate(a_planting_config(manifest, **changes), TrainConfig, where="config")
    run = _Run(config, tmp_path, tmp_path / "run", "cpu", tmp_path / "cache", said.append)
    return run, references, a_plan(references)


def test_lesions_go_into_rows_that_train_and_into_no_other(tmp_path):
    said = []
    run, references, plan = prepared(tmp_path, said)

    slices = run.read(references, plan)

    train = [n for n, row in enumerate(slices.references) if row.split is Split.TRAIN]
    assert train == slices.planting.rows
    assert "plant: 1 to 3 lesions of xray-chest into 50% of 4 films without one" in "\n".join(said)


def test_boxes_that_are_there_already_keep_lesions_away(tmp_path):
    run, references, plan = prepared(tmp_path, [], model=DETECTOR)
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(f"{boxes.read_text()}f0.png,10,10,20,20,nodule\n", encoding="utf-8")
    unknown = [replace(row, labels={"nodule": None}) for row in references]

    slices = run.read(unknown, plan)

    assert ["f1.png", "f2.png", "f3.png"] == [
        slices.references[row].path for row in slices.planting.rows
    ]


def test_a_film_without_a_chest_is_counted_and_named_by_its_row(tmp_path):
    said = []
    run, references, plan = prepared(tmp_path, said)
    Image.fromarray(noise()).save(tmp_path / "f2.png")

    slices = run.read(references, plan)

    assert 3 == len(slices.planting.rows)
    assert "WARNING: 1 film is shown without lesions, as no chest was found: rows 3" in "\n".join(
        said
    )


def test_most_films_without_a_chest_end_the_run_with_what_to_do(tmp_path):
    run, references, plan = prepared(tmp_path, [])
    for number in range(3):
        Image.fromarray(noise(seed=number)).save(tmp_path / f"f{number}.png")

    with pytest.raises(ManifestError) as refused:
        run.read(references, plan)

    assert "no chest was found in 3 of 4 films" in str(refused.value)
    assert "give a recipe for such films" in str(refused.value)
    assert "row 1: no chest found" in str(refused.value)


def test_what_the_disk_lacks_is_said_before_anything_is_prepared(tmp_path, monkeypatch):
    (tmp_path / "train.png").write_bytes(b"")
    monkeypatch.setattr("medrec.data.cache.PictureCache.disk_problem", lambda *_, **__: "too small")

    assert ["too small"] == problems(tmp_path, rows(train=False, **JUDGED))


def test_the_targets_of_files_stay_as_they_were(tmp_path):
    run, references, plan = prepared(tmp_path, [])

    slices = run.read(references, plan)

    assert torch.equal(
        torch.tensor([[float(bool(row.labels["nodule"]))] for row in slices.references]),
        slices.targets,
    )
