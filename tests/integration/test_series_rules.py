"""One rule file decides in inspect, screen and train alike."""

from __future__ import annotations

import csv
import json
import shutil

import nibabel
import numpy as np
import pytest
import yaml
from dicom_factory import SAGITTAL, a_stack, save_stack
from package_factory import a_package
from typer.testing import CliRunner

import medrec
from medrec.cli.app import app
from medrec.config.selection import RulesConfig
from medrec.package.package import open_package

ROOT = "1.2.826.0.1.3680043.8.498"
RULES = {
    "kind": "rules",
    "rules": [
        {"name": "maps", "action": "leave_out", "image_type": {"include": ["ADC"]}},
        {"name": "flair", "action": "take", "sequence": ["flair"], "known_only": True},
    ],
    "default": "leave_out",
    "most_series": 1,
}
SERIES = {
    "flair": {"SeriesDescription": "Ax T2 FLAIR Planted"},
    "t1post": {"SeriesDescription": "Ax T1 POST", "ContrastBolusAgent": "Gadovist"},
    "adc": {"SeriesDescription": "FLAIR map", "ImageType": ["DERIVED", "PRIMARY", "ADC"]},
    "scout": {"SeriesDescription": "Scout", "directions": SAGITTAL},
}


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    path = tmp_path_factory.mktemp("rules") / "flair.yaml"
    path.write_text(yaml.safe_dump(RULES), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    contract = {"modality": ["MR"], "body_part": ["BRAIN"]}
    return a_package(tmp_path_factory.mktemp("model"), input=contract)


@pytest.fixture(scope="module")
def carrying(tmp_path_factory):
    contract = {"modality": ["MR"], "body_part": ["BRAIN"]}
    return a_package(tmp_path_factory.mktemp("carrying"), input=contract, rules=RULES)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return add_study(tmp_path_factory.mktemp("scans") / "study", 1)


def some_voxels(seed, slices=6, *, spot=False):
    x, y, _ = np.indices((40, 36, slices))
    noise = np.random.default_rng(seed).uniform(200, 400, x.shape)
    voxels = np.where(np.hypot(x - 20, y - 18) < 15, noise, 0)
    if spot:
        voxels[15:23, 14:22, 1:4] = 900
    return voxels.astype(np.uint16)


def add_study(folder, number, names=tuple(SERIES), *, spot=False):
    for place, name in enumerate(names):
        tags = {"BodyPartExamined": "BRAIN", **SERIES[name]}
        uid = f"{number}.{place}"
        tags |= {"StudyInstanceUID": f"{ROOT}.1.{number}", "SeriesInstanceUID": f"{ROOT}.2.{uid}"}
        images = a_stack(some_voxels(number * 10 + place, spot=spot and not place), **tags)
        for image in images:
            image.SOPInstanceUID = f"{ROOT}.3.{uid}.{image.InstanceNumber}"
            image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        save_stack(images, folder / name)
    return folder


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def endings(out):
    rows = rows_of(out / "files.csv")
    return {row["path"].split("/")[0]: (row["status"], row["code"]) for row in rows}


def test_inspect_says_of_each_series_which_rule_decided(study, rules):
    report = medrec.inspect(study, rules=rules)

    found = {one.source.split("/")[0]: (one.verdict, one.rule) for one in report.series}
    assert ("chosen (rule 'flair')", "flair") == found["flair"]
    assert ("skipped: not_selected (left out by the rule 'maps')", "maps") == found["adc"]
    assert "(default)" == found["t1post"][1]
    assert found["scout"][0].startswith("skipped: localizer")


def test_inspect_applies_the_rules_that_a_package_carries(study, carrying):
    outcome = CliRunner().invoke(
        app, ["inspect", str(study), "--rules", str(carrying.folder), "--decode", "--json"]
    )

    series = json.loads(outcome.stdout)["series"]
    assert ["flair"] == [one["rule"] for one in series if one["verdict"].startswith("chosen")]
    assert "Planted" not in outcome.output


def test_screening_with_rules_judges_what_inspect_chose(tmp_path, study, rules, package):
    out = tmp_path / "out"

    result = medrec.screen(study, model=package.folder, out=out, overrides=[f"rules={rules}"])

    skipped = ("skipped", "not_selected")
    wanted = {"flair": ("scored", ""), "t1post": skipped, "adc": skipped}
    assert {**wanted, "scout": ("skipped", "localizer")} == endings(out)
    assert 0 == result.exit_code
    details = {row["detail"] for row in rows_of(out / "files.csv")}
    assert "left out by the rule 'maps'" in details
    written = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
    assert not [data for data in written if b"Planted" in data or str(rules).encode() in data]


def test_the_rules_of_a_package_apply_unless_others_are_named(tmp_path, study, carrying):
    take_all = "{rules: [], default: take}"

    medrec.screen(study, model=carrying.folder, out=tmp_path / "own")
    medrec.screen(
        study, model=carrying.folder, out=tmp_path / "all", overrides=[f"rules={take_all}"]
    )

    assert ("skipped", "not_selected") == endings(tmp_path / "own")["t1post"]
    assert ("scored", "") == endings(tmp_path / "all")["t1post"]


def test_a_study_of_which_the_rules_leave_nothing_is_refused_and_says_why(tmp_path, carrying):
    scans = add_study(tmp_path / "scans", 2, names=("t1post", "adc", "scout"))

    result = medrec.screen(scans, model=carrying.folder, out=tmp_path / "out")

    (prediction,) = result.predictions
    assert "not_selected" == prediction.reason.code
    assert "1 left out by the rule 'maps'" in prediction.reason.detail
    assert ("refused", "not_selected") == endings(tmp_path / "out")["adc"]
    assert 3 == result.exit_code


def test_a_truncated_file_is_truncated_also_where_the_rules_leave_its_series_out(
    tmp_path, study, carrying
):
    scans = tmp_path / "scans"
    shutil.copytree(study, scans)
    broken = next((scans / "t1post").iterdir())
    broken.write_bytes(broken.read_bytes()[:-500])

    result = medrec.screen(scans, model=carrying.folder, out=tmp_path / "out")

    codes = {row["path"]: row["code"] for row in rows_of(tmp_path / "out" / "files.csv")}
    assert "truncated" == codes[f"t1post/{broken.name}"]
    assert 3 == result.exit_code


def test_resuming_with_other_rules_is_refused(tmp_path, study, rules, package):
    out, asked = tmp_path / "out", [f"rules={rules}"]
    medrec.screen(study, model=package.folder, out=out, overrides=asked)

    with pytest.raises(medrec.errors.OutputError, match="another config"):
        medrec.screen(study, model=package.folder, out=out, resume=True)
    assert medrec.screen(study, model=package.folder, out=out, resume=True, overrides=asked)


def test_a_study_of_bids_is_chosen_by_its_names(tmp_path, carrying):
    scans = tmp_path / "scans"
    for number, name in enumerate(("T1w", "FLAIR")):
        (scans / "sub-7").mkdir(parents=True, exist_ok=True)
        image = nibabel.Nifti1Image(some_voxels(number), np.diag([1.0, 1.0, 5.0, 1.0]))
        nibabel.save(image, scans / "sub-7" / f"sub-7_{name}.nii.gz")

    result = medrec.screen(scans, model=carrying.folder, out=tmp_path / "out")

    found = {p.source: (p.status, p.reason and p.reason.code) for p in result.predictions}
    assert ("scored", None) == found["sub-7/sub-7_FLAIR.nii.gz"]
    assert ("refused", "not_selected") == found["sub-7/sub-7_T1w.nii.gz"]


def a_training(folder, rules, patients=18):
    rows = ["path,patient,slice,tumor"]
    for number in range(patients):
        name = f"p{number:02d}"
        names = ("flair", "t1post") if number % 2 else ("flair", "adc", "t1post")
        add_study(folder / name, 100 + number, names=names, spot=True)
        rows += [f"{name},{name},{n},{int(1 <= n < 4)}" for n in range(6)]
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    config = {
        "kind": "train", "name": "spots", "labels": ["tumor"], "primary_label": "tumor",
        "data": {"kind": "manifest", "manifest": "manifest.csv", "rules": str(rules)},
        "splits": {"test_fraction": 10 / patients, "folds": 2},
        "scope": {"modality": ["MR"], "body_part": ["BRAIN"], "exam_level_surrogate": True},
        "preprocess": {"size_px": 32},
        "model": {"backbone": "test_efficientnet", "weights": {"kind": "none"}},
        "fit": {"epochs": 1, "batch_size": 16},
        "calibration": {
            "substacks": {"shortest": 2, "longest": 4, "per_patient": 4, "tops": [1]},
            "bootstrap_rounds": 50,
        },
        "card": {
            "summary": "s", "intended_use": "t", "limits": ["l"], "training_data": "d",
            "license": "CC0-1.0",
        },
    }  # fmt: skip
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_model_trained_with_rules_carries_them_and_screens_by_them(tmp_path, rules):
    config = a_training(tmp_path / "archive", rules)

    result = medrec.train(config, out=tmp_path / "run", device="cpu")

    package = open_package(result.package.folder)
    assert RulesConfig.model_validate(RULES) == package.manifest.rules
    lines = (tmp_path / "run" / "test" / "predictions.jsonl").read_text().splitlines()
    judged = {image["source"].split("/")[1] for x in lines for image in json.loads(x)["images"]}
    assert {"flair"} == judged
    assert str(rules) not in (tmp_path / "run" / "run.yaml").read_text(encoding="utf-8")
    study = tmp_path / "archive" / "p00"
    screened = medrec.screen(study, model=package.folder, out=tmp_path / "out")
    assert 0 == screened.exit_code
    assert ("skipped", "not_selected") == endings(tmp_path / "out")["t1post"]


def test_training_on_folders_of_several_series_without_rules_says_to_name_some(tmp_path, rules):
    config = a_training(tmp_path / "archive", rules, patients=12)

    with pytest.raises(medrec.errors.ManifestError, match="name rules that choose one"):
        medrec.train(config, out=tmp_path / "run", overrides=["data.rules=null"])
