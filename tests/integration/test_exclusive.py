"""Three classes that exclude each other, from a manifest to an evaluation."""

from __future__ import annotations

import csv
import json
import shutil

import pytest
import torch
import yaml
from training_factory import PLACES_PX, write_config, write_films
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.package.build import load_network
from medrec.package.checksums import write_checksums
from medrec.package.package import open_package

CLASSES = tuple(PLACES_PX)
PATIENTS = 60


def medrec(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def predictions_of(out):
    lines = (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def sums(findings):
    return sum(finding["probability"] for finding in findings)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    manifest = write_films(folder, CLASSES * (PATIENTS // 3))
    return write_config(
        folder, manifest, labels=[*CLASSES], primary_label="middle", exclusive=[[*CLASSES]]
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory, config):
    run = tmp_path_factory.mktemp("runs") / "run"
    outcome = medrec("train", config, "--out", run, "--device", "cpu")
    assert 0 == outcome.exit_code, outcome.output
    return run


@pytest.fixture(scope="module")
def screened(tmp_path_factory, config, trained):
    scans, out = tmp_path_factory.mktemp("scans"), tmp_path_factory.mktemp("screened") / "out"
    for number in range(9):
        shutil.copy(config.parent / f"f{number}.png", scans)
    outcome = medrec("screen", scans, "--model", trained / "model", "--out", out)
    assert 0 == outcome.exit_code, outcome.output
    return scans, out


def test_a_trained_package_has_one_joint_calibrator_a_level(trained):
    package = open_package(trained / "model")

    for level in package.manifest.probability_levels:
        entries = [package.calibration(label, level) for label in CLASSES]
        assert {CLASSES} == {entry.classes for entry in entries}
        assert 1 == len({json.dumps(dict(entry.parameters)) for entry in entries})
    assert [[*CLASSES]] == package.manifest.exclusive
    card = (trained / "model" / "model-card.md").read_text(encoding="utf-8")
    assert "| exactly one of | high, middle, low |" in card
    assert "| balanced accuracy |" in card


def test_the_probabilities_of_exams_and_images_sum_to_one(screened):
    found = predictions_of(screened[1])

    assert 9 == len(found)
    for one in found:
        assert "middle" == one["findings"][0]["label"]
        assert 1 == pytest.approx(sums(one["findings"]), abs=1e-5)
        assert 1 == pytest.approx(sums(one["images"][0]["findings"]), abs=1e-5)


def test_the_classes_are_told_apart(config, screened, tmp_path):
    outcome = medrec(
        *("evaluate", screened[1], "--against", config.parent / "films.csv"),
        *("--out", tmp_path / "evaluation", "--set", "exclusive=[[high, middle, low]]"),
    )

    assert 0 == outcome.exit_code, outcome.output
    found = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text("utf-8"))
    assert set(CLASSES) == set(found["labels"])
    assert all(found["labels"][name]["auroc"]["value"] > 0.9 for name in CLASSES)
    (group,) = found["exclusive"]
    assert 9 == group["n"] == sum(map(sum, group["confusion"]))
    assert group["accuracy"]["value"] > 0.7


def test_evaluation_refuses_a_manifest_that_contradicts_the_group(config, screened, tmp_path):
    text = (config.parent / "films.csv").read_text(encoding="utf-8")
    (tmp_path / "films.csv").write_text(text.replace(",1,0,0", ",1,1,0", 1), encoding="utf-8")

    outcome = medrec(
        *("evaluate", screened[1], "--against", tmp_path / "films.csv"),
        *("--out", tmp_path / "evaluation", "--set", "exclusive=[[high, middle, low]]"),
    )

    assert 1 == outcome.exit_code
    assert "f0.png: high and middle are 1, but exclude each other" in outcome.stderr


def test_under_another_prevalence_the_other_classes_share_the_rest(screened, trained, tmp_path):
    scans, here = screened
    there = tmp_path / "out"

    outcome = medrec(
        *("screen", scans, "--model", trained / "model", "--out", there, "--prevalence", "0.05"),
    )

    assert 0 == outcome.exit_code, outcome.output
    before = {one["source"]: one["findings"] for one in predictions_of(here)}
    for one in predictions_of(there):
        middle, high, low = one["findings"]
        _, was_high, was_low = before[one["source"]]
        assert 1 == pytest.approx(sums(one["findings"]), abs=1e-5)
        assert was_high["probability"] / was_low["probability"] == pytest.approx(
            high["probability"] / low["probability"], rel=1e-3
        )
        assert "threshold" in middle
        assert "threshold" not in high


def test_calibrating_fits_the_group_anew_and_its_probabilities_sum_to_one(
    config, trained, tmp_path
):
    mine = tmp_path / "mine"

    outcome = medrec(
        *("calibrate", trained / "model", "--on", config.parent / "films.csv", "--out", mine),
        *("--prevalence", "0.1"),
    )

    assert 0 == outcome.exit_code, outcome.output
    package = open_package(mine)
    assert {PATIENTS} == {entry.patients for entry in package.calibrations}
    exam = [point for point in package.operating_points if point.level == "exam"]
    assert {"middle"} == {point.label for point in exam}


def test_an_ensemble_of_exclusive_classes_gives_probabilities_that_sum_to_one(config, tmp_path):
    run = tmp_path / "run"

    outcome = medrec(
        *("train", config, "--out", run, "--device", "cpu"),
        *("--set", "ensemble={kind: folds}", "--set", "calibration.method=temperature"),
    )

    assert 0 == outcome.exit_code, outcome.output
    network = load_network(open_package(run / "model"), device="cpu")
    with torch.inference_mode():
        logits = network(torch.rand(3, 1, 32, 32)).logits
    assert [1, 1, 1] == pytest.approx(torch.sigmoid(logits).sum(dim=1).tolist(), abs=1e-5)
    found = predictions_of(run / "test")
    assert all(1 == pytest.approx(sums(one["findings"]), abs=1e-5) for one in found)


def test_a_row_with_two_classes_or_none_is_refused_and_all_are_listed(config, tmp_path):
    films = tmp_path / "films"
    shutil.copytree(config.parent, films)
    with (films / "films.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[0] |= {"high": "1", "middle": "1"}
    rows[5] |= dict.fromkeys(CLASSES, "0")
    with (films / "films.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    data = f"data.manifest={films / 'films.csv'}"

    outcome = medrec("train", config, "--out", tmp_path / "run", "--set", data)

    assert 1 == outcome.exit_code
    assert "f0.png: high and middle are 1, but exclude each other" in outcome.stderr
    assert "f5.png: high, middle, low are all 0" in outcome.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("torn", ["a calibrator of its own", "other numbers", "ungrouped"])
def test_a_package_whose_probabilities_would_not_sum_to_one_is_refused(trained, tmp_path, torn):
    model = tmp_path / "model"
    shutil.copytree(trained / "model", model)
    path = model / "calibration.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    entry = data["entries"][0]
    if torn == "a calibrator of its own":
        del entry["classes"]
        entry |= {"method": "temperature", "parameters": {"temperature": 1.0}, "replicates": {}}
    elif torn == "other numbers":
        entry["parameters"]["temperature"] *= 2
    else:
        facts = yaml.safe_load((model / "package.yaml").read_text(encoding="utf-8"))
        del facts["exclusive"]
        (model / "package.yaml").write_text(yaml.safe_dump(facts), encoding="utf-8")
    path.write_text(json.dumps(data), encoding="utf-8")
    write_checksums(model)

    outcome = medrec("models", "verify", model)

    assert 1 == outcome.exit_code
    assert "would not sum to 1" in outcome.stderr
