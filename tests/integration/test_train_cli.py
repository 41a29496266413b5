"""From an archive with masks to a tested model, and what is done with it, by the command line."""

from __future__ import annotations

import csv
import json
import re
import shutil

import nibabel
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.package.package import open_package
from medrec.workflows.scored import ScoredSlices

PATIENTS = 18
TESTED = 10
SLICES = 16
CONFIG = {
    "kind": "train",
    "name": "blob",
    "labels": ["tumor"],
    "primary_label": "tumor",
    "data": {
        "kind": "masks",
        "root": None,
        "images": "*/flair.nii.gz",
        "mask": "mask.nii.gz",
        "get_it_from": "The Archive of Blobs",
    },
    "splits": {"test_fraction": TESTED / PATIENTS, "folds": 2},
    "scope": {
        "modality": ["MR"],
        "body_part": ["BRAIN"],
        "sequence": ["flair"],
        "exam_level_surrogate": True,
    },
    "preprocess": {"size_px": 32},
    "model": {"backbone": "test_efficientnet", "weights": {"kind": "none"}, "dropout": 0.0},
    "fit": {
        "epochs": 2,
        "batch_size": 8,
        "optimiser": {"learning_rate": 0.003, "ema_decay": 0.5},
    },
    "calibration": {
        "substacks": {"shortest": 2, "longest": 5, "per_patient": 4, "tops": [1, 2]},
        "bootstrap_rounds": 50,
    },
    "card": {
        "summary": "Finds blobs.",
        "intended_use": "Tests.",
        "limits": ["It was made by a test."],
        "training_data": "Blobs.",
        "license": "CC0-1.0",
    },
}


def medrec(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def add_patient(folder, rng):
    """A noisy head of 16 slices with a bright blob near one end."""
    x, y, _ = np.indices((24, 24, SLICES))
    head = (x - 11.5) ** 2 + (y - 11.5) ** 2 < 110
    voxels = np.where(head, rng.normal(90, 8, head.shape), 0)
    start = int(rng.choice((1, SLICES - 5)))
    left, top = rng.integers(6, 13, 2)
    blob = np.zeros(head.shape, dtype=bool)
    blob[left : left + 6, top : top + 6, start : start + int(rng.integers(3, 5))] = True
    voxels[blob] += 90
    folder.mkdir(parents=True)
    affine = np.diag([-1.0, -1.0, 5.0, 1.0])
    for name, content in (("flair", voxels.clip(0, 255)), ("mask", blob)):
        image = nibabel.Nifti1Image(content.astype(np.uint8), affine)
        nibabel.save(image, folder / f"{name}.nii.gz")


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def patients_of_the_test(run):
    return {row["patient"] for row in rows_of(run / "manifest.csv") if row["split"] == "test"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    root = tmp_path_factory.mktemp("archive")
    for number in range(PATIENTS):
        add_patient(root / f"P{number:02d}", np.random.default_rng(number))
    return root


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("configs") / "blob.yaml"
    path.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory, archive, config):
    run = tmp_path_factory.mktemp("runs") / "run"
    outcome = train(config, run, archive, "--set", "fit.epochs=2")
    assert 0 == outcome.exit_code, outcome.output
    return run, outcome


def train(config, run, archive, *more):
    where = f"data.root={archive}"
    return medrec("train", config, "--out", run, "--device", "cpu", "--set", where, *more)


@pytest.fixture(scope="module")
def scans(tmp_path_factory, archive, trained):
    """The scans of the test patients, without their masks."""
    folder = tmp_path_factory.mktemp("scans")
    for patient in patients_of_the_test(trained[0]):
        (folder / patient).mkdir()
        shutil.copy(archive / patient / "flair.nii.gz", folder / patient)
    return folder


@pytest.fixture(scope="module")
def screened(tmp_path_factory, scans, trained):
    out = tmp_path_factory.mktemp("screened") / "out"
    outcome = medrec("screen", scans, "--model", trained[0] / "model", "--out", out)
    assert 0 == outcome.exit_code, outcome.output
    return out, outcome


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, archive):
    path = tmp_path_factory.mktemp("manifests") / "slices.csv"
    outcome = medrec(
        *("dataset", "import", "masks", archive, "--out", path),
        *("--images", "*/flair.nii.gz", "--mask", "mask.nii.gz"),
    )
    assert 0 == outcome.exit_code, outcome.output
    return path, outcome


def test_a_trained_model_opens_and_knows_how_it_was_made(trained):
    run, _ = trained

    package = open_package(run / "model")

    assert ("image", "exam") == tuple(package.manifest.probability_levels)
    assert (PATIENTS - TESTED, TESTED) == (
        package.manifest.training.patients,
        package.manifest.training.test_patients,
    )
    assert "cross_fit" == package.manifest.training.design
    assert {"image", "exam"} == {entry.level for entry in package.calibrations}
    assert package.manifest.model.pooling.top in (1, 2)
    assert 2 == package.manifest.substacks.shortest
    assert package.manifest.training.splits_digest.startswith("sha256:")


@pytest.fixture(scope="module")
def without_exams(tmp_path_factory, archive, config):
    """A run without substacks: all its volumes have a tumor."""
    run = tmp_path_factory.mktemp("runs") / "run"
    settings = ("calibration.substacks=null", "scope.exam_level_surrogate=false")
    outcome = train(config, run, archive, *(word for s in settings for word in ("--set", s)))
    assert 0 == outcome.exit_code, outcome.output
    return run, outcome


def test_volumes_that_all_have_a_tumor_give_no_exam_level(tmp_path, scans, without_exams):
    (run, trained), out = without_exams, tmp_path / "out"

    screened = medrec("screen", scans, "--model", run / "model", "--out", out)

    assert 0 == screened.exit_code, screened.output
    package = open_package(run / "model")
    assert ["image"] == package.manifest.probability_levels
    assert {"image"} == {point.level for point in package.operating_points}
    assert "every decision is `defer`" in trained.stdout
    assert "every decision is `defer`" in (run / "model" / "model-card.md").read_text("utf-8")
    rows = rows_of(out / "summary.csv")
    assert {"defer"} == {row["decision"] for row in rows}
    assert all("tumor_probability" not in row and row["tumor_score"] for row in rows)


def test_the_card_holds_every_figure_that_the_command_printed(trained):
    run, outcome = trained
    card = (run / "model" / "model-card.md").read_text(encoding="utf-8")
    printed = outcome.stdout.splitlines()[:-1]

    assert len(printed) > 8
    for line in printed:
        where, _, figure = line.partition(": ")
        name, value, interval = re.fullmatch(r"(.+) (-?[\d.]+) ([\[(].+)", figure).groups()
        assert f"| {where} | {name} | {value} {interval} |" in card


def test_the_card_says_how_to_measure_again(trained):
    card = (trained[0] / "model" / "model-card.md").read_text(encoding="utf-8")

    assert "medrec train blob.yaml --out RUN --set fit.epochs=2 --set data.root=FOLDER" in card


def test_the_manifest_of_a_run_places_every_slice(trained):
    rows = rows_of(trained[0] / "manifest.csv")

    assert PATIENTS * SLICES == len(rows)
    assert {"train", "test"} == {row["split"] for row in rows}
    assert TESTED == len(patients_of_the_test(trained[0]))


def test_the_paths_of_a_runs_manifest_start_at_the_manifest(trained):
    run, _ = trained
    paths = {row["path"] for row in rows_of(run / "manifest.csv")}

    assert PATIENTS == len(paths)
    assert all((run / path).is_file() for path in paths)


def test_no_test_patient_stands_among_the_logits_of_calibration(trained):
    run, _ = trained
    tested = patients_of_the_test(run)

    judged = {row["path"].split("/")[-2] for row in rows_of(run / "logits.csv")}

    assert PATIENTS - TESTED == len(judged)
    assert not judged & tested


def test_the_test_was_on_the_test_patients_alone(trained):
    run, _ = trained
    lines = (run / "test" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()

    assert patients_of_the_test(run) == {json.loads(line)["source"].split("/")[0] for line in lines}


def test_resuming_a_finished_run_changes_nothing(tmp_path, archive, config, trained):
    run = tmp_path / "again"
    shutil.copytree(trained[0], run)

    outcome = train(config, run, archive, "--set", "fit.epochs=2", "--resume")

    assert 0 == outcome.exit_code, outcome.output
    assert open_package(trained[0] / "model").digest == open_package(run / "model").digest


def test_resuming_into_a_folder_of_something_else_is_refused(tmp_path, archive, config):
    (tmp_path / "notes.txt").write_text("mine")

    outcome = train(config, tmp_path, archive, "--resume")

    assert 1 == outcome.exit_code
    assert "was not made by `medrec train`" in outcome.stderr
    assert ["notes.txt"] == [path.name for path in tmp_path.iterdir()]


def test_resuming_with_another_config_is_refused(archive, config, trained):
    before = open_package(trained[0] / "model").digest

    outcome = train(config, trained[0], archive, "--resume", "--set", "seed=2")

    assert 1 == outcome.exit_code
    assert "begun with another config" in outcome.stderr
    assert before == open_package(trained[0] / "model").digest


def test_without_the_archive_the_message_says_where_to_get_it(tmp_path, config):
    outcome = medrec("train", config, "--out", tmp_path / "run")

    assert 1 == outcome.exit_code
    assert "The Archive of Blobs" in outcome.stderr
    assert "data.root" in outcome.stderr
    assert not (tmp_path / "run").exists()


def test_a_wrong_config_leaves_no_folder(tmp_path, archive, config):
    outcome = train(config, tmp_path / "run", archive, "--set", "fit.epochs=0")

    assert 1 == outcome.exit_code
    assert "fit.epochs" in outcome.stderr
    assert not (tmp_path / "run").exists()


def test_a_trained_model_screens(screened):
    out, outcome = screened
    summary = rows_of(out / "summary.csv")

    assert TESTED == len(summary)
    assert all(0 <= float(row["tumor_probability"]) <= 1 for row in summary)
    assert "CC0-1.0" in outcome.stderr


def test_screening_the_test_patients_gives_what_the_test_gave(trained, screened):
    def probabilities(folder):
        lines = (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
        found = [json.loads(line) for line in lines]
        return {one["source"]: one["findings"][0]["probability"] for one in found}

    expected = probabilities(trained[0] / "test")

    assert TESTED == len(expected)
    assert expected == pytest.approx(probabilities(screened[0]), abs=1e-6)


def test_evaluating_a_screened_folder_gives_the_figures_of_the_test(tmp_path, trained, screened):
    out = tmp_path / "evaluation"

    outcome = medrec(
        *("evaluate", screened[0], "--against", trained[0] / "manifest.csv", "--split", "test"),
        *("--out", out),
    )

    assert 0 == outcome.exit_code, outcome.output
    assert "Evaluation" in outcome.stdout
    assert _slice_auroc(trained[0] / "test") == _slice_auroc(out)
    assert (out / "report.html").is_file()


def _slice_auroc(folder):
    found = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    return found["labels"]["tumor"]["images"]["auroc_patient_bootstrap"]["value"]


def test_an_unknown_split_is_refused(tmp_path, trained, screened):
    manifest = trained[0] / "manifest.csv"

    outcome = medrec(
        *("evaluate", screened[0], "--against", manifest, "--split", "dev", "--out", tmp_path / "e")
    )

    assert 2 == outcome.exit_code
    assert "dev is none of train, tune, calibrate, test" in outcome.stderr


def test_calibrating_keeps_the_weights_and_says_what_was_fitted(tmp_path, trained, manifest):
    model, out = trained[0] / "model", tmp_path / "mine"

    outcome = medrec("calibrate", model, "--on", manifest[0], "--out", out)

    assert 0 == outcome.exit_code, outcome.output
    before, after = open_package(model), open_package(out)
    assert before.weights.read_bytes() == after.weights.read_bytes()
    assert before.digest != after.digest
    assert {PATIENTS} == {entry.patients for entry in after.calibrations}
    assert "slices.csv" in after.operating_points[0].measured_on
    assert "not yet tested" in (out / "model-card.md").read_text(encoding="utf-8")


def test_calibrating_cuts_runs_as_the_training_did(tmp_path, trained, manifest, monkeypatch):
    cuttings, cut = [], ScoredSlices.substacks

    def watch(scored, label, cutting, *rest, **options):
        cuttings.append(cutting)
        return cut(scored, label, cutting, *rest, **options)

    monkeypatch.setattr(ScoredSlices, "substacks", watch)
    outcome = medrec(
        "calibrate", trained[0] / "model", "--on", manifest[0], "--out", tmp_path / "o"
    )

    assert 0 == outcome.exit_code, outcome.output
    assert [open_package(trained[0] / "model").manifest.substacks] == cuttings


def test_calibrating_for_another_prevalence_moves_the_exams_of_a_volume_model_alone(
    tmp_path, trained, manifest
):
    model = trained[0] / "model"
    arguments = ("calibrate", model, "--on", manifest[0], "--method", "platt")

    here = medrec(*arguments, "--out", tmp_path / "here")
    rare = medrec(*arguments, "--out", tmp_path / "rare", "--prevalence", "0.01")

    assert (0, 0) == (here.exit_code, rare.exit_code), here.output + rare.output
    before, after = open_package(tmp_path / "here"), open_package(tmp_path / "rare")
    slices = before.manifest.prevalence["image"]
    assert {"image": slices, "exam": 0.01} == after.manifest.prevalence
    pairs = list(zip(before.operating_points, after.operating_points, strict=True))
    assert len(pairs) == 6
    for point, shifted in pairs:
        is_exam = point.level == "exam"
        assert shifted.threshold < point.threshold if is_exam else shifted == point


def test_a_prevalence_that_shifts_nothing_is_refused(tmp_path, without_exams, manifest):
    outcome = medrec(
        *("calibrate", without_exams[0] / "model", "--on", manifest[0]),
        *("--prevalence", "0.01", "--out", tmp_path / "mine"),
    )

    assert 1 == outcome.exit_code
    assert "the manifest gives no exams to fit on" in " ".join(outcome.stderr.split())


def test_a_calibrator_that_is_none_is_refused(tmp_path, trained, manifest):
    outcome = medrec(
        *("calibrate", trained[0] / "model", "--on", manifest[0], "--method", "magic"),
        *("--out", tmp_path / "mine"),
    )

    assert 2 == outcome.exit_code
    assert "--method" in outcome.stderr
    assert "Traceback" not in outcome.output


def test_importing_masks_makes_one_row_a_slice(manifest, archive):
    path, outcome = manifest
    rows = rows_of(path)

    assert PATIENTS * SLICES == len(rows)
    assert f"{PATIENTS * SLICES} slices of {PATIENTS} patients" in outcome.stdout
    assert all((path.parent / row["path"]).is_file() for row in rows)
    masks = [nibabel.load(mask).get_fdata() for mask in sorted(archive.glob("*/mask.nii.gz"))]
    assert sum(int(mask.any(axis=(0, 1)).sum()) for mask in masks) == sum(
        row["tumor"] == "1" for row in rows
    )


def test_an_import_writes_over_nothing(manifest, archive):
    path, _ = manifest
    before = path.read_bytes()

    outcome = medrec(
        *("dataset", "import", "masks", archive, "--out", path),
        *("--images", "*/flair.nii.gz", "--mask", "mask.nii.gz"),
    )

    assert 1 == outcome.exit_code
    assert "exists" in outcome.stderr
    assert before == path.read_bytes()


def test_a_run_ends_with_a_page_that_names_no_patient_and_no_path(trained, archive):
    run, _ = trained
    page = (run / "summary.html").read_text(encoding="utf-8")
    page = re.sub(r"base64,[^\"]*", "", page)

    assert "from metadata alone" in page
    assert str(archive) not in page
    assert not any(patient in page for patient in patients_of_the_test(run))
    assert (run / "learning-curves.png").read_bytes().startswith(b"\x89PNG")
