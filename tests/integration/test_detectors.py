"""A detector of planted lesions, from boxes to reports, by the command line."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
import yaml
from lesion_factory import a_detector_config, write_lesion_films, write_lesion_volumes
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.io.predictions import read_journal
from medrec.package.package import open_package

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detector")
    manifest = write_lesion_films(folder / "films", 30)
    asked = {
        "test": {"within": "archive", "also": ["type"]},
        "calibration": {"bootstrap_rounds": 50, "boxes_only": {"archive": ["B"]}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(a_detector_config(manifest, **asked)))
    _medrec("train", folder / "config.yaml", "--out", folder / "run", "--device", "cpu")
    return folder


@pytest.fixture(scope="module")
def screened(run: Path) -> Path:
    out = run / "out"
    model = run / "run" / "model"
    _medrec("screen", run / "films", "--model", model, "--out", out, "--modality", "CR")
    return out


def _medrec(*arguments: object) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert 0 == result.exit_code, result.output
    return result.output


def test_the_package_holds_anchors_that_were_fitted_and_calibrators_of_boxes(run):
    package = open_package(run / "run" / "model")
    assert "detection" == package.manifest.task
    assert package.manifest.model.anchors
    assert ["lesion"] == [entry.label for entry in package.box_calibrations]
    assert {"platt_floor"} == {entry.method for entry in package.calibrations}


def test_pictures_of_an_archive_that_is_for_boxes_alone_calibrate_no_pictures(run):
    package = open_package(run / "run" / "model")
    with (run / "films" / "films.csv").open() as file:
        held_out = [row["archive"] for row in csv.DictReader(file)]
    (image,) = [entry for entry in package.calibrations if "image" == entry.level]
    assert 0 < image.rows <= held_out.count("A") < len(held_out)
    assert package.box_calibrations[0].patients > image.patients


def test_training_watches_loss_and_average_precision(run):
    history = json.loads((run / "run" / "folds" / "0" / "history.json").read_text())
    assert history[-1]["loss"] < history[0]["loss"]
    assert 0 <= history[-1]["watched_ap"] <= 1


def test_the_test_of_the_model_measures_its_boxes(run):
    found = json.loads((run / "run" / "test" / "evaluation.json").read_text())
    assert {"froc", "cpm", "average_precision"} <= set(found["labels"]["lesion"])
    card = (run / "run" / "model" / "model-card.md").read_text()
    assert "average precision at IoU 0.5" in card


def test_figures_are_told_within_an_archive_alone(run):
    card = (run / "run" / "model" / "model-card.md").read_text()
    assert "| lesion, archive A, boxes (" in card
    assert "| lesion, archive B, boxes (" in card
    assert "| lesion, boxes (" not in card
    page = (run / "run" / "test" / "report.html").read_text()
    assert "figures of all rows mix what archive keeps apart" in page


def test_the_card_tells_lesions_of_each_type_on_all_films(run):
    card = (run / "run" / "model" / "model-card.md").read_text()
    found = json.loads((run / "run" / "test" / "evaluation.json").read_text())
    kinds = {
        kind: own["lesion"]["boxes"]["lesions"] for kind, own in found["strata"]["type"].items()
    }
    images = found["labels"]["lesion"]["boxes"]["images"]
    assert found["labels"]["lesion"]["boxes"]["lesions"] == sum(kinds.values())
    for kind, lesions in kinds.items():
        assert f"| lesion, type {kind}, boxes ({lesions} lesions, {images} images) |" in card


def test_lesions_are_found_where_they_were_planted(run, screened):
    with (run / "films" / "boxes.csv").open() as file:
        planted = {row["path"]: row for row in csv.DictReader(file)}
    hits = 0
    for prediction in read_journal(screened):
        if prediction.source in planted and prediction.regions:
            true, box = planted[prediction.source], prediction.regions[0].box_px
            x, y = box.centre
            hits += float(true["x0"]) < x < float(true["x1"]) and (
                float(true["y0"]) < y < float(true["y1"])
            )
    assert hits >= 0.8 * len(planted)


def test_an_exam_is_never_less_likely_than_its_boxes(screened):
    predictions = read_journal(screened)
    assert any(prediction.regions for prediction in predictions)
    for prediction in predictions:
        highest = max((region.probability for region in prediction.regions), default=0.0)
        assert prediction.findings[0].probability >= highest
        assert all(found.findings[0].probability >= highest for found in prediction.images)


def test_regions_name_their_type_and_stand_in_the_summary(screened):
    with (screened / "summary.csv").open() as file:
        counts = [int(row["regions"]) for row in csv.DictReader(file)]
    regions = [len(p.regions) for p in read_journal(screened)]
    assert sorted(regions) == sorted(counts)
    kinds = {r.attributes["type"] for p in read_journal(screened) for r in p.regions}
    assert kinds <= {"round", "square"}


def test_a_flagged_case_shows_its_boxes(screened):
    flagged = [p for p in read_journal(screened) if p.decision == "flag"]
    assert flagged
    pages = [screened / "cases" / p.case_id for p in flagged]
    drawn = [page for page in pages if (page / "boxes.png").is_file()]
    without = [page for page in pages if "no region in it" in (page / "report.html").read_text()]
    assert sorted(pages) == sorted([*drawn, *without])
    assert all((page / "region-1.png").is_file() for page in drawn)


def test_the_report_is_drawn_again_from_what_was_saved(screened):
    case = next(p.case_id for p in read_journal(screened) if p.decision == "flag")
    before = (screened / "cases" / case / "report.html").read_text()
    _medrec("report", screened, "--case", case)
    assert before == (screened / "cases" / case / "report.html").read_text()


@pytest.fixture(
    scope="module",
    params=[(None, None), ([16, 24, 24], None), ([16, 24, 24], [2.0, 1.0, 1.0])],
    ids=["whole", "windows", "spacing"],
)
def volumes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("volumes")
    window, spacing = request.param
    manifest = write_lesion_volumes(folder / "scans", 30, vary=spacing is not None)
    model = {"kind": "detector_3d", "classes": None, "window_size": window}
    sizes = {"spacing_mm": spacing} if spacing else {"volume_size": [20, 40, 40]}
    config = a_detector_config(manifest, model=model)
    del config["model"]["backbone"]
    config |= {
        "scope": {"modality": ["MR"], "body_part": ["BRAIN"], "dimensionality": "volume"},
        "preprocess": {**sizes, "crop": "none"},
        "fit": config["fit"] | {"epochs": 25},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    _medrec("train", folder / "config.yaml", "--out", folder / "run", "--device", "cpu")
    model = folder / "run" / "model"
    scans, out = folder / "scans", folder / "out"
    _medrec("screen", scans, "--model", model, "--out", out, "--modality", "MR")
    return folder


def test_a_detector_of_volumes_finds_solid_regions_where_they_were_planted(volumes):
    with (volumes / "scans" / "boxes.csv").open() as file:
        planted = {row["path"]: row for row in csv.DictReader(file)}
    hits = 0
    for prediction in read_journal(volumes / "out"):
        if prediction.source in planted and prediction.regions:
            true, box = planted[prediction.source], prediction.regions[0].box_px
            hits += all(
                float(true[f"{axis}0"]) < middle < float(true[f"{axis}1"])
                for axis, middle in zip("xyz", box.centre, strict=True)
            )
            assert prediction.regions[0].box_mm is not None
    assert hits >= 0.8 * len(planted)


def test_an_exam_of_volumes_is_never_less_likely_than_its_boxes(volumes):
    for prediction in read_journal(volumes / "out"):
        highest = max((region.probability for region in prediction.regions), default=0.0)
        assert prediction.findings[0].probability >= highest


def test_volumes_at_a_fixed_spacing_are_trained_calibrated_and_screened_through_windows(tmp_path):
    manifest = write_lesion_volumes(tmp_path / "scans", 20, vary=True)  # slices of 1 and of 2 mm
    config = a_detector_config(
        manifest,
        model={"kind": "detector_3d", "classes": None, "window_size": [16, 24, 24]},
        preprocess={"spacing_mm": [2.0, 1.0, 1.0], "crop": "none"},
        splits={"folds": 2, "test_fraction": 0.5},
        scope={"modality": ["MR"], "body_part": ["BRAIN"], "dimensionality": "volume"},
    )
    del config["model"]["backbone"]
    config["fit"] |= {"epochs": 2}
    config["cache"] = {"folder": "cache"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))

    _medrec("train", tmp_path / "config.yaml", "--out", tmp_path / "run", "--device", "cpu")

    model, scans = tmp_path / "run" / "model", tmp_path / "scans"
    assert (2.0, 1.0, 1.0) == open_package(model).manifest.preprocess.spacing_mm
    index = next((tmp_path / "cache").glob("*/index.jsonl")).read_text().splitlines()
    shapes = {tuple(json.loads(line)["to_source"][-3:]) for line in index}
    assert {(20, 40, 40), (20, 40, 48)} == shapes
    voxels = np.random.default_rng(0).integers(60, 120, (40, 40, 20)).astype(np.int16)
    nib.Nifti1Image(voxels, None).to_filename(scans / "unknown.nii")
    words = ("screen", scans, "--model", model, "--out", tmp_path / "out", "--modality", "MR")
    assert 3 == CliRunner().invoke(app, [*map(str, words)]).exit_code  # one was refused
    found = {one.source: one for one in read_journal(tmp_path / "out")}
    assert "bad_geometry" == found.pop("unknown.nii").reason.code
    assert 20 == len(found)
    for one in found.values():
        assert one.findings
        assert all(region.box_mm is not None for region in one.regions)


def test_calibrating_anew_keeps_the_boxes_and_the_floor(run):
    model, out = run / "run" / "model", run / "calibrated"
    _medrec("calibrate", model, "--on", run / "films" / "films.csv", "--out", out)
    before, after = open_package(model), open_package(out)
    assert before.box_calibrations == after.box_calibrations
    assert {"platt_floor"} == {entry.method for entry in after.calibrations}


def test_a_prevalence_that_is_calibrated_is_the_one_that_is_stated_at_screening(run):
    model, films = run / "run" / "model", ["--modality", "CR"]
    asked = ["--on", run / "films" / "films.csv"]
    _medrec("calibrate", model, *asked, "--out", run / "here")
    _medrec("calibrate", model, *asked, "--out", run / "rare", "--prevalence", "0.05")
    stated = ["--model", run / "here", "--prevalence", "0.05"]
    _medrec("screen", run / "films", *films, *stated, "--out", run / "stated")
    _medrec("screen", run / "films", *films, "--model", run / "rare", "--out", run / "built-in")

    expected = {one.case_id: one for one in read_journal(run / "stated")}
    assert {"image": 0.05, "exam": 0.05} == open_package(run / "rare").manifest.prevalence
    for found in read_journal(run / "built-in"):
        other = expected[found.case_id]
        pairs = [
            *zip(found.findings, other.findings, strict=True),
            *zip(found.regions, other.regions, strict=True),
        ]
        for one, two in pairs:
            assert two.probability == pytest.approx(one.probability, rel=1e-4, abs=1e-6)
        assert other.decision == found.decision
        highest = max((region.probability for region in found.regions), default=0.0)
        assert found.findings[0].probability >= highest


def test_a_stated_prevalence_moves_exams_and_their_boxes_alike(run, screened):
    out = run / "shifted"
    model = ["--model", run / "run" / "model", "--modality", "CR"]
    _medrec("screen", run / "films", *model, "--out", out, "--prevalence", "0.05")
    before = {prediction.case_id: prediction for prediction in read_journal(screened)}
    counts = []
    for prediction in read_journal(out):
        highest = max((region.probability for region in prediction.regions), default=0.0)
        counts.append(len(prediction.regions))
        (finding,), (earlier,) = prediction.findings, before[prediction.case_id].findings
        assert earlier.probability > finding.probability >= highest
        assert all(found.findings[0].probability >= highest for found in prediction.images)
        assert (finding.probability >= finding.threshold) == (
            earlier.probability >= earlier.threshold
        )
    assert 0 < sum(counts) <= sum(len(p.regions) for p in before.values())


def test_centre_points_seen_through_windows_and_mirrors_by_members_that_vote(tmp_path):
    manifest = write_lesion_films(tmp_path / "films", 36)
    looks = {"window_px": 64, "boxes": {"mirror": True}, "image_head": True}
    config = a_detector_config(
        manifest, model={"head": "centre", "levels": 3, "finest_stride": 4, **looks}
    )
    config |= {"ensemble": {"kind": "folds"}, "fit": config["fit"] | {"epochs": 14}}
    config["scope"]["body_part"] = ["HAND"]  # a chest is never mirrored
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    _medrec("train", tmp_path / "config.yaml", "--out", tmp_path / "run", "--device", "cpu")
    found = json.loads((tmp_path / "run" / "test" / "evaluation.json").read_text())
    assert found["labels"]["lesion"]["average_precision"]["0.50"]["value"] > 0.7
    for prediction in read_journal(tmp_path / "run" / "test"):
        highest = max((region.probability for region in prediction.regions), default=0.0)
        assert prediction.findings[0].probability >= highest
