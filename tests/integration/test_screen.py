"""`medrec screen` on the shipped samples, with a small real package."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import ROOT, a_stack, save_stack
from package_factory import ModelConfig, NoWeights, a_package
from typer.testing import CliRunner

import medrec
from medrec.cli.app import app
from medrec.errors import MedrecError, OutputError, PackageError

TWINS = ("awkward/polarity/mono1.dcm", "awkward/polarity/mono2.dcm")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return a_package(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def screened(tmp_path_factory, package):
    samples = Path(__file__).resolve().parents[2] / "data_samples"
    out = tmp_path_factory.mktemp("out") / "run"
    return samples, medrec.screen(samples, model=package.folder, out=out)


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def probability_of(result, source):
    (prediction,) = [p for p in result.predictions if p.source == source]
    return prediction.findings[0].probability


def test_every_file_ends_once_in_files_csv(screened):
    samples, result = screened

    listed = [row["path"] for row in rows_of(result.out / "files.csv")]

    there = [p.relative_to(samples).as_posix() for p in samples.rglob("*") if p.is_file()]
    assert sorted(there) == sorted(listed)
    assert len(listed) > 40


def test_refused_inputs_end_with_exit_code_3_and_a_reason_each(screened):
    _, result = screened

    rows = {row["path"]: row for row in rows_of(result.out / "files.csv")}

    assert 3 == result.exit_code
    assert "not_dicom" == rows["awkward/not_dicom.dcm"]["code"]
    assert "truncated" == rows["awkward/truncated.dcm"]["code"]
    assert "localizer" == rows["awkward/localizer/axial.dcm"]["code"]
    assert "out_of_scope" == rows["chest/chest_pa.dcm"]["code"]
    assert "out_of_scope" == rows["breast/mammogram_synthetic.dcm"]["code"]
    assert all(row["detail"] for row in rows.values() if row["status"] != "scored")


def test_polarity_twins_get_the_same_probability(screened):
    _, result = screened

    one, two = (probability_of(result, source) for source in TWINS)

    assert one == pytest.approx(two, abs=1e-6)


def test_dicom_and_nifti_of_one_scan_get_the_same_probability(screened):
    _, result = screened

    dicom = probability_of(result, "brain1-dicom/slice_01.dcm")
    nifti = probability_of(result, "brain1/image.nii.gz")

    assert dicom == pytest.approx(nifti, abs=1e-3)


def test_the_journal_tables_and_pages_tell_the_same(screened):
    _, result = screened

    journal = [json.loads(line) for line in _lines(result.out / "predictions.jsonl")]
    summary = rows_of(result.out / "summary.csv")
    images = rows_of(result.out / "images.csv")

    assert {line["case_id"] for line in journal} == {row["case_id"] for row in summary}
    assert sum(len(line.get("images", [])) for line in journal) == len(images)
    for line in journal:
        assert "medrec.prediction/1" == line["schema"]
        folder = result.out / "cases" / line["case_id"]
        assert (folder / "report.json").is_file()
        assert (folder / "report.html").stat().st_size <= 300_000


def _lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_no_path_stands_in_reports(screened):
    _, result = screened

    pages = [*result.out.glob("cases/*/*.html"), *result.out.glob("cases/*/*.json")]

    assert len(pages) > 10
    assert not [page for page in pages if "brain1" in page.read_text(encoding="utf-8")]


def test_a_resumed_run_ends_like_one_run(tmp_path, screened, package):
    samples, whole = screened
    out = tmp_path / "resumed"
    shutil.copytree(whole.out, out)
    lines = (out / "predictions.jsonl").read_text().splitlines(keepends=True)
    (out / "predictions.jsonl").write_text("".join(lines[:4]) + lines[4][: len(lines[4]) // 2])
    (out / "summary.csv").unlink()

    resumed = medrec.screen(samples, model=package.folder, out=out, resume=True)

    assert _answers(whole) == _answers(resumed)
    assert (whole.out / "files.csv").read_text() == (out / "files.csv").read_text()
    assert (whole.out / "images.csv").read_text() == (out / "images.csv").read_text()


def _answers(result):
    return [
        (p.case_id, p.status, p.decision, p.findings, p.images, p.reason)
        for p in result.predictions
    ]


def test_a_killed_run_loses_nothing_that_was_finished(tmp_path, screened, package):
    samples, whole = screened
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "medrec", "screen", str(samples)]
    process = subprocess.Popen(
        [*command, "--model", str(package.folder), "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    journal = out / "predictions.jsonl"
    deadline = time.monotonic() + 120
    while not (journal.exists() and journal.read_text().count("\n") >= 2):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = journal.read_text().count("\n")

    resumed = medrec.screen(samples, model=package.folder, out=out, resume=True)

    assert finished < len(whole.predictions)
    assert _answers(whole) == _answers(resumed)
    assert (whole.out / "files.csv").read_text() == (out / "files.csv").read_text()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_told_to_end_leaves_no_temporary_folder(tmp_path, screened, package, ending):
    (tmp_path / "tmp").mkdir()
    out = tmp_path / "ended"
    command = [sys.executable, "-m", "medrec", "screen", str(screened[0]), "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--model", str(package.folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
    )
    deadline = time.monotonic() + 120
    while not (out / "predictions.jsonl").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)

    process.send_signal(ending)
    _, said = process.communicate(timeout=60)

    assert 130 == process.returncode
    assert b"what is finished is kept: go on with --resume" in said
    assert [] == list((tmp_path / "tmp").iterdir())


def test_resuming_with_another_question_is_refused(tmp_path, screened, package):
    samples, whole = screened
    out = tmp_path / "other"
    shutil.copytree(whole.out, out)

    with pytest.raises(OutputError, match="another prevalence"):
        medrec.screen(samples, model=package.folder, out=out, resume=True, prevalence=0.01)


def test_a_folder_that_medrec_did_not_make_is_never_overwritten(tmp_path, screened, package):
    (tmp_path / "thesis.tex").write_text("years of work")

    with pytest.raises(OutputError, match="won't remove it"):
        medrec.screen(screened[0], model=package.folder, out=tmp_path, overwrite=True)

    assert (tmp_path / "thesis.tex").exists()


def test_out_inside_the_scans_is_refused(tmp_path, package):
    with pytest.raises(MedrecError, match="taken for scans"):
        medrec.screen(tmp_path, model=package.folder, out=tmp_path / "out")


def test_a_changed_package_is_refused(tmp_path, screened, package):
    changed = tmp_path / "changed"
    shutil.copytree(package.folder, changed)
    weights = changed / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")

    with pytest.raises(PackageError, match=r"weights.safetensors was changed"):
        medrec.screen(screened[0], model=changed, out=tmp_path / "out")


def test_another_prevalence_moves_probabilities_but_no_decision(tmp_path, screened, package):
    samples, whole = screened

    rare = medrec.screen(
        samples / "brain1", model=package.folder, out=tmp_path / "rare", prevalence=0.01
    )

    (prediction,) = [p for p in rare.predictions if p.findings]
    (before,) = [p for p in whole.predictions if p.case_id == prediction.case_id]
    assert prediction.findings[0].probability < before.findings[0].probability / 5
    assert before.decision == prediction.decision


def test_hidden_paths_stand_nowhere(tmp_path, screened, package):
    result = medrec.screen(
        screened[0] / "awkward", model=package.folder, out=tmp_path / "o", hide_paths=True
    )

    written = [path.read_bytes() for path in result.out.rglob("*") if path.is_file()]
    assert not [data for data in written if b"mono1" in data or b"truncated.dcm" in data]
    assert 7 == len(rows_of(result.out / "files.csv"))


def test_a_model_without_a_calibrator_gives_scores_and_defers(tmp_path, screened):
    raw = a_package(tmp_path / "raw", calibrated=False)

    result = medrec.screen(screened[0] / "brain2", model=raw.folder, out=tmp_path / "out")

    (row,) = [row for row in rows_of(result.out / "summary.csv") if row["status"] == "scored"]
    assert "defer" == row["decision"]
    assert row["tumor_score"]
    assert "tumor_probability" not in row


def test_reports_can_be_had_for_what_is_not_clear_alone(tmp_path, screened, package):
    _, whole = screened
    result = medrec.screen(
        screened[0] / "brain1", model=package.folder, out=tmp_path / "n", reports="none"
    )

    assert not (result.out / "cases").exists()
    assert (result.out / "index.html").is_file()
    assert len(whole.predictions) == len(list((whole.out / "cases").iterdir()))


def test_the_command_prints_worklist_terms_and_no_traceback(tmp_path, screened, package):
    arguments = ["--model", str(package.folder), "--out", str(tmp_path / "out")]

    outcome = CliRunner().invoke(app, ["screen", str(screened[0] / "awkward"), *arguments])

    assert 3 == outcome.exit_code
    assert "Worklist" in outcome.stdout
    assert "Not a medical device" in outcome.stderr
    assert "Traceback" not in outcome.output


def test_wrong_input_is_one_message(tmp_path, package):
    missing = CliRunner().invoke(
        app, ["screen", "nowhere", "--model", str(package.folder), "--out", str(tmp_path / "o")]
    )
    unknown = CliRunner().invoke(app, ["screen", ".", "--model", "none", "--out", str(tmp_path)])

    assert 1 == missing.exit_code
    assert "nowhere" in missing.stderr
    assert 1 == unknown.exit_code
    assert "neither a folder nor a shipped model" in unknown.stderr


def test_reports_are_drawn_again_from_what_was_saved(screened):
    _, result = screened
    page = result.out / "cases" / result.predictions[0].case_id / "report.html"
    before = page.read_text(encoding="utf-8")
    page.unlink()

    written = medrec.report(result.out)

    assert page in written
    assert before == page.read_text(encoding="utf-8")


def test_a_wrong_path_to_scans_costs_no_earlier_run(tmp_path, package, screened):
    out = tmp_path / "out"
    shutil.copytree(screened[1].out, out)

    with pytest.raises(MedrecError, match="no such file or folder"):
        medrec.screen(tmp_path / "typo", model=package.folder, out=out, overwrite=True)

    assert (out / "predictions.jsonl").is_file()


def test_a_run_is_resumed_on_its_own_scans_alone(tmp_path, package, screened):
    out = tmp_path / "out"
    shutil.copytree(screened[1].out, out)

    with pytest.raises(OutputError, match="another scans"):
        medrec.screen(screened[0] / "brain1", model=package.folder, out=out, resume=True)


@pytest.mark.parametrize(
    "wrong",
    [["--modality", "FOO"], ["--prevalence", "2"], ["--device", "foo"], ["--reports", "some"]],
)
def test_an_option_that_means_nothing_is_wrong_usage(tmp_path, package, wrong):
    command = ["screen", str(tmp_path), "--model", str(package.folder), "--out", "nowhere"]

    result = CliRunner().invoke(app, [*command, *wrong])

    assert 2 == result.exit_code
    assert wrong[1] in result.stderr


def test_pages_are_drawn_from_predictions_that_had_none(tmp_path, package, screened):
    scans = screened[0] / "awkward" / "polarity"
    result = medrec.screen(scans, model=package.folder, out=tmp_path / "out", reports="none")
    assert not (result.out / "cases").exists()

    written = medrec.report(result.out)

    assert 1 + len(result.predictions) == len(written)
    assert "probability of tumor" in written[1].read_text(encoding="utf-8")


def test_a_study_of_localizers_alone_is_refused_with_its_files(tmp_path, package, screened):
    scans = screened[0] / "awkward" / "localizer"

    result = medrec.screen(scans, model=package.folder, out=tmp_path / "out")

    assert {("refused", "localizer")} == {(f.status, f.code) for f in result.files}
    assert 3 == result.exit_code


def test_a_network_without_a_map_judges_all_the_same(tmp_path, screened):
    package = a_package(
        tmp_path / "model", model=ModelConfig(backbone="test_vit", weights=NoWeights()).model_dump()
    )
    scans = screened[0] / "awkward" / "polarity"

    result = medrec.screen(scans, model=package.folder, out=tmp_path / "out")

    assert {"scored"} == {str(p.status) for p in result.predictions}
    page = (result.out / "cases" / result.predictions[0].case_id / "report.html").read_text("utf-8")
    assert "none: this network keeps tokens" in page


def test_a_negative_score_is_a_number_in_the_tables(tmp_path, screened):
    package = a_package(tmp_path / "model", calibrated=False)
    scans = screened[0] / "brain2"

    result = medrec.screen(scans, model=package.folder, out=tmp_path / "out")

    scores = [float(row["tumor_score"]) for row in rows_of(result.out / "images.csv")]
    assert min(scores) < 0


def test_a_copy_has_one_row_when_a_run_is_resumed_too(tmp_path, package, screened):
    scans = tmp_path / "scans"
    shutil.copytree(screened[0] / "brain1-dicom", scans)
    shutil.copy(scans / "slice_01.dcm", scans / "slice_01 copy.dcm")
    facts = {"model": package.folder, "out": tmp_path / "out"}

    once = medrec.screen(scans, **facts)
    again = medrec.screen(scans, **facts, resume=True)

    assert sorted(row.path for row in once.files) == sorted(row.path for row in again.files)
    assert 1 == [str(row.status) for row in again.files].count("duplicate")


def test_a_series_that_was_refused_is_noted_where_another_one_was_judged(tmp_path, package):
    voxels = np.random.default_rng(1).integers(0, 900, (40, 40, 9), dtype=np.uint16)
    broken = a_stack(voxels, SeriesInstanceUID=f"{ROOT}.2.9", ContrastBolusAgent="X")
    for number, image in enumerate(broken):
        image.SOPInstanceUID = f"{ROOT}.9.{number}"
    save_stack(a_stack(voxels, ContrastBolusAgent="X"), tmp_path / "scans" / "whole")
    save_stack(broken[:3] + broken[5:], tmp_path / "scans" / "broken")

    result = medrec.screen(tmp_path / "scans", model=package.folder, out=tmp_path / "out")

    (prediction,) = result.predictions
    assert "scored" == prediction.status
    (note,) = [note for note in prediction.notes if note.code == "partly_judged"]
    assert "another series was not judged: gap" in note.detail
