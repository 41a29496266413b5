"""Networks of whole volumes, from labelled NIfTI files to a screened and evaluated exam."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
from dicom_factory import a_stack, save_stack
from typer.testing import CliRunner
from volume_factory import AFFINE, KINDS, SHAPE, head, write_heads, write_volume_config

from medrec.cli.app import app
from medrec.package.package import open_package

PATIENTS = 32


def medrec(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    root = tmp_path_factory.mktemp("archive")
    heads = [(head(n, has_ball=n % 2), {"tumor": n % 2}) for n in range(PATIENTS)]
    write_heads(root, heads)
    return root


@pytest.fixture(
    scope="module",
    params=["fixed", *(pytest.param(k, marks=pytest.mark.slow) for k in ("attention", "3d"))],
)
def trained(request, tmp_path_factory, archive):
    folder = tmp_path_factory.mktemp(request.param)
    outcome = medrec(
        "train", write_volume_config(folder, archive / "heads.csv", request.param),
        "--out", folder / "run", "--device", "cpu",
    )  # fmt: skip
    assert 0 == outcome.exit_code, outcome.output
    assert 1 == outcome.stderr.count("needs up to"), outcome.stderr
    return request.param, folder / "run"


def screen(run, scans, out, *more):
    outcome = medrec(
        "screen", scans, "--model", run / "model", "--out", out, "--device", "cpu", *more
    )
    lines = (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return outcome, [json.loads(line) for line in lines]


def logit_of(prediction):
    return prediction["findings"][0]["logit"]


def test_the_package_holds_a_calibrated_exam_level_alone(trained):
    kind, run = trained
    package = open_package(run / "model")
    assert (KINDS[kind]["kind"], ["exam"]) == (
        package.manifest.model.kind,
        package.manifest.probability_levels,
    )


def test_the_cache_of_a_finished_run_is_gone(trained):
    _, run = trained
    assert not (run / "cache").exists()


def test_screening_gives_exam_probabilities_and_slices_their_scores(trained, archive, tmp_path):
    kind, run = trained
    outcome, found = screen(run, archive, tmp_path / "out")
    assert 0 == outcome.exit_code, outcome.output
    assert PATIENTS == len(found)
    assert all("probability" in line["findings"][0] for line in found)
    images = [image for line in found for image in line.get("images", [])]
    assert (0 if kind == "3d" else PATIENTS * SHAPE[2]) == len(images)
    assert not any("probability" in image["findings"][0] for image in images)


def test_screened_exams_are_evaluated(trained, archive, tmp_path):
    _, run = trained
    screen(run, archive, tmp_path / "out")
    outcome = medrec(
        "evaluate", tmp_path / "out", "--against", archive / "heads.csv", "--out", tmp_path / "ev"
    )
    assert 0 == outcome.exit_code, outcome.output
    found = json.loads((tmp_path / "ev/evaluation.json").read_text(encoding="utf-8"))
    assert PATIENTS == found["labels"]["tumor"]["n"]
    assert 0.7 < found["labels"]["tumor"]["auroc"]["value"]


def test_an_exam_is_calibrated_anew(trained, archive, tmp_path):
    _, run = trained
    outcome = medrec(
        "calibrate", run / "model", "--on", archive / "heads.csv", "--out", tmp_path / "site"
    )
    assert 0 == outcome.exit_code, outcome.output
    assert {"exam"} == {e.level for e in open_package(tmp_path / "site").calibrations}


def test_the_same_exam_gets_the_same_logit_however_its_axes_are_stored(trained, tmp_path):
    _, run = trained
    scans = tmp_path / "scans"
    scans.mkdir()
    image = nibabel.Nifti1Image(head(1, has_ball=True), AFFINE)
    nibabel.save(image, scans / "a.nii.gz")
    for name, axes in (("b", "RAS"), ("c", "SLA"), ("d", "PIR")):
        turn = nibabel.orientations.ornt_transform(
            nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(axes)
        )
        nibabel.save(image.as_reoriented(turn), scans / f"{name}.nii.gz")
    _, found = screen(run, scans, tmp_path / "out")
    logits = [logit_of(line) for line in found]
    assert 4 == len(logits)
    assert np.ptp(logits) < 1e-4


def test_a_dicom_series_gets_the_logit_of_the_same_nifti_volume(trained, tmp_path):
    _, run = trained
    scans = tmp_path / "scans"
    voxels = head(1, has_ball=True)

    stack = a_stack(voxels.astype(np.uint16), spacing_mm=(1.0, 1.0, 2.0))
    save_stack(stack, scans / "series")
    nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), scans / "a.nii.gz")
    _, found = screen(run, scans, tmp_path / "out")
    logits = [logit_of(line) for line in found]
    assert 2 == len(logits)
    assert logits[0] == pytest.approx(logits[1], abs=1e-4)


def test_a_stack_of_fewer_slices_than_training_saw_is_judged(trained, tmp_path):
    _, run = trained
    scans = tmp_path / "scans"
    scans.mkdir()
    image = nibabel.Nifti1Image(head(1, has_ball=False)[:, :, 2:5], AFFINE)
    nibabel.save(image, scans / "a.nii.gz")
    outcome, found = screen(run, scans, tmp_path / "out")
    assert (0, "scored") == (outcome.exit_code, found[0]["status"]), outcome.output


def test_a_single_slice_is_out_of_scope(trained, tmp_path):
    _, run = trained
    scans = tmp_path / "scans"
    scans.mkdir()
    image = nibabel.Nifti1Image(head(1, has_ball=False)[:, :, 2:3], AFFINE)
    nibabel.save(image, scans / "a.nii.gz")
    _, found = screen(run, scans, tmp_path / "out")
    assert ("refused", "out_of_scope") == (found[0]["status"], found[0]["reason"]["code"])
