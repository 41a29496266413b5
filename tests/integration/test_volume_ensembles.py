"""Networks of volumes, several in one package, with classes that exclude each other."""

from __future__ import annotations

import csv
import json

import nibabel
import numpy as np
import pytest
from dicom_factory import a_stack, save_stack
from typer.testing import CliRunner
from volume_factory import AFFINE, KINDS, head, write_heads, write_volume_config

from medrec.cli.app import app
from medrec.package.package import open_package
from medrec.training.modules import ClassifierModule
from medrec.workflows.train import train

CLASSES = ("front", "back", "none")
ROWS = {"front": 7, "back": 13, "none": None}
SPLITS = ("train", "train", "tune", "calibrate", "test")
PATIENTS = 30  # of each class two in each split, and four in train
FIT = {"epochs": 2, "batch_size": 4, "optimiser": {"learning_rate": 0.003, "ema_decay": 0.5}}
SEEDS = "ensemble={kind: seeds, members: 2}"
OF_EACH_KIND = ["fixed", *(pytest.param(k, marks=pytest.mark.slow) for k in ("attention", "3d"))]


def medrec(*arguments):
    outcome = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert 0 == outcome.exit_code, outcome.output
    return outcome


def split_of(number):
    return SPLITS[number // 3 % len(SPLITS)]


def read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def screen(run, scans, out):
    medrec("screen", scans, "--model", run / "model", "--out", out, "--device", "cpu")
    lines = (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def logits_of(prediction):
    return {found["label"]: found["logit"] for found in prediction["findings"]}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    root = tmp_path_factory.mktemp("archive")
    heads = []
    for number in range(PATIENTS):
        name = CLASSES[number % 3]
        voxels = head(number, has_ball=name != "none", rows=ROWS[name])
        heads.append((voxels, {label: int(label == name) for label in CLASSES}))
    write_heads(root, heads)
    lines = [f"P{n},{split_of(n)}," for n in range(PATIENTS)]
    (root / "splits.csv").write_text("\n".join(["patient,split,fold", *lines, ""]))
    return root


def configure(archive, folder, kind, **changes):
    facts = {
        "labels": [*CLASSES],
        "primary_label": "front",
        "exclusive": [[*CLASSES]],
        "splits": {"file": str(archive / "splits.csv"), "folds": 2},
        "fit": FIT,
        **changes,
    }
    return write_volume_config(folder, archive / "heads.csv", kind, **facts)


@pytest.fixture(scope="module", params=OF_EACH_KIND)
def held_out(request, tmp_path_factory, archive):
    """An ensemble of seeds, its epochs chosen on tune patients, calibrated on others."""
    folder = tmp_path_factory.mktemp(request.param)
    config = configure(archive, folder, request.param)
    medrec("train", config, "--out", folder / "run", "--device", "cpu", "--set", SEEDS)
    return request.param, config, folder / "run"


@pytest.fixture(scope="module")
def screened(held_out, archive, tmp_path_factory):
    out = tmp_path_factory.mktemp("screened") / "out"
    return out, screen(held_out[-1], archive, out)


def test_one_package_holds_all_members_and_a_joint_calibrator_of_exams(held_out):
    kind, _, run = held_out
    package = open_package(run / "model")

    manifest = package.manifest
    assert (2, "seeds") == (manifest.members, manifest.training.ensemble)
    assert (KINDS[kind]["kind"], ["exam"]) == (manifest.model.kind, manifest.probability_levels)
    assert {(CLASSES, "exam")} == {(one.classes, one.level) for one in package.calibrations}


def test_calibrators_rest_on_the_calibrate_patients_alone(held_out):
    package, rows = open_package(held_out[-1] / "model"), read(held_out[-1] / "logits.csv")

    expected = [
        f"h{n}.nii.gz" for n in range(PATIENTS) if SPLITS[n // 3 % len(SPLITS)] == "calibrate"
    ]
    assert expected == [row["path"].split("/")[-1] for row in rows]
    assert {len(expected)} == {entry.patients for entry in package.calibrations}


def test_each_member_chose_its_epoch_on_the_tune_patients(held_out):
    best = sorted(path.parent.name for path in held_out[-1].glob("members/*/best.ckpt"))

    assert ["0", "1"] == best


def test_screening_gives_the_logits_that_the_calibrators_were_fitted_on(held_out, screened):
    found = {one["source"]: logits_of(one) for one in screened[1]}

    for row in read(held_out[-1] / "logits.csv"):
        expected = {label: float(row[f"{label}_logit"]) for label in CLASSES}
        # Prepared volumes are kept in half precision.
        assert expected == pytest.approx(found[row["path"].split("/")[-1]], abs=2e-3)


def test_probabilities_of_an_exam_sum_to_one(screened):
    assert PATIENTS == len(screened[1])
    for one in screened[1]:
        assert 1 == pytest.approx(sum(f["probability"] for f in one["findings"]), abs=1e-5)


def test_exams_are_evaluated_class_by_class_and_together(screened, archive, tmp_path):
    medrec(
        *("evaluate", screened[0], "--against", archive / "heads.csv", "--out", tmp_path / "ev"),
        *("--set", f"exclusive=[[{', '.join(CLASSES)}]]"),
    )

    found = json.loads((tmp_path / "ev" / "evaluation.json").read_text(encoding="utf-8"))
    assert dict.fromkeys(CLASSES, PATIENTS // 3) == {
        label: one["positives"] for label, one in found["labels"].items()
    }
    assert PATIENTS == sum(map(sum, found["exclusive"][0]["confusion"]))


def test_a_dicom_series_gets_the_logits_of_the_same_nifti_volume(held_out, tmp_path):
    scans, voxels = tmp_path / "scans", head(1, has_ball=True)
    stack = a_stack(voxels.astype(np.uint16), spacing_mm=(1.0, 1.0, 2.0))
    save_stack(stack, scans / "series")
    nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), scans / "a.nii.gz")

    first, second = screen(held_out[-1], scans, tmp_path / "out")

    assert logits_of(first) == pytest.approx(logits_of(second), abs=1e-4)


class CutError(Exception):
    pass


def test_a_run_that_is_cut_in_its_last_member_resumes_to_the_same_package(
    held_out, tmp_path, monkeypatch
):
    _, config, uncut = held_out
    run, step = tmp_path / "run", ClassifierModule.training_step

    def cut(module, batch, number):
        if (run / "members" / "1" / "last.ckpt").exists():
            raise CutError
        return step(module, batch, number)

    monkeypatch.setattr(ClassifierModule, "training_step", cut)
    with pytest.raises(CutError):
        train(config, out=run, device="cpu", overrides=[SEEDS])
    monkeypatch.setattr(ClassifierModule, "training_step", step)
    assert not (run / "model" / "package.yaml").exists()

    train(config, out=run, device="cpu", overrides=[SEEDS], resume=True)

    assert open_package(uncut / "model").digest == open_package(run / "model").digest


@pytest.mark.parametrize("kind", OF_EACH_KIND)
def test_few_patients_ship_the_networks_of_their_folds_calibrated_out_of_fold(
    kind, archive, tmp_path
):
    splits = {"folds": 2, "test_fraction": 0.4}
    # Nine patients a fold: in two epochs their four steps leave a 3D network's norms at their first
    # values, so that it judges at random, and what does is not calibrated.
    fit = {**FIT, "epochs": 12}
    config = configure(archive, tmp_path, kind, splits=splits, fit=fit, ensemble={"kind": "folds"})
    run = tmp_path / "run"

    medrec("train", config, "--out", run, "--device", "cpu")

    package = open_package(run / "model")
    learned = [row for row in read(run / "manifest.csv") if row["split"] == "train"]
    assert (2, "folds") == (package.manifest.members, package.manifest.training.ensemble)
    assert {len(learned)} == {entry.patients for entry in package.calibrations}
    assert ["0", "1"] == sorted(path.parent.name for path in run.glob("folds/*/last.ckpt"))
    assert not list(run.glob("final/*"))
