"""`medrec dataset audit` on folders of films, by the command line."""

from __future__ import annotations

import csv
import json
import shutil

import nibabel
import numpy as np
import pytest
from PIL import Image
from training_factory import write_films
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.workflows.audit import audit

CLASSES = ["high", None] * 6


def medrec(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def change(manifest, change_row):
    """Rewrite a manifest; `change_row` gets each row's number from 1 and the row, to change it."""
    with manifest.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for number, row in enumerate(rows, start=1):
        change_row(number, row)
    with manifest.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)


def in_one_class_less(_, row):
    """Films know one label here."""
    for label in ("middle", "low"):
        row.pop(label)


@pytest.fixture
def manifest(tmp_path):
    path = write_films(tmp_path / "films", CLASSES)
    change(path, in_one_class_less)
    return path


def test_films_without_fault_end_with_0(manifest):
    outcome = medrec("dataset", "audit", manifest)

    assert 0 == outcome.exit_code, outcome.output
    assert "audit: 12 pictures of 12 patients; 0 identical groups" in outcome.stdout


def test_the_report_lies_in_the_folder(manifest, tmp_path):
    medrec("dataset", "audit", manifest, "--out", tmp_path / "out")

    report = json.loads((tmp_path / "out" / "audit.json").read_text(encoding="utf-8"))

    assert ("medrec.audit/1", 12) == (report["schema"], report["pictures"])


def test_json_alone_comes_to_stdout(manifest):
    outcome = medrec("dataset", "audit", manifest, "--json")

    assert 12 == json.loads(outcome.stdout)["patients"]


def test_a_folder_in_use_is_refused_and_nothing_is_read(manifest, tmp_path):
    outcome = medrec("dataset", "audit", manifest, "--out", tmp_path)

    assert 1 == outcome.exit_code
    assert "isn't empty" in outcome.stderr


def test_files_that_cannot_be_read_are_rows_of_the_report_and_end_with_3(manifest, tmp_path):
    (manifest.parent / "f2.png").write_bytes((manifest.parent / "f2.png").read_bytes()[:200])
    (manifest.parent / "f5.png").unlink()
    (manifest.parent / "f7.png").write_bytes(b"no image at all")
    Image.new("L", (40, 40)).save(manifest.parent / "f9.png")

    outcome = medrec("dataset", "audit", manifest, "--out", tmp_path / "out")

    assert 3 == outcome.exit_code
    assert "audit: 8 pictures of 8 patients" in outcome.stdout
    assert "unreadable: row 6: io: missing" in outcome.stdout
    report = json.loads((tmp_path / "out" / "audit.json").read_text(encoding="utf-8"))
    assert {"3": "truncated", "6": "io", "8": "malformed", "10": "blank_image"} == {
        file["row"]: file["code"] for file in report["unreadable"]
    }


def test_a_manifest_of_which_nothing_can_be_read_is_one_error(manifest):
    for path in manifest.parent.glob("*.png"):
        path.unlink()

    outcome = medrec("dataset", "audit", manifest)

    assert 1 == outcome.exit_code
    assert "none of 12 files can be read" in outcome.stderr
    assert "Traceback" not in outcome.output


def test_one_film_under_two_patients_ends_with_1_and_the_pair_is_named(manifest):
    shutil.copy(manifest.parent / "f0.png", manifest.parent / "f6.png")

    outcome = medrec("dataset", "audit", manifest)

    assert 1 == outcome.exit_code
    assert "leak (duplicates)" in outcome.stdout
    assert "rows 1 and 7" in outcome.stdout


@pytest.mark.parametrize(("other", "code"), [("train", 0), ("test", 1)])
def test_the_split_column_is_respected(manifest, other, code):
    shutil.copy(manifest.parent / "f0.png", manifest.parent / "f6.png")
    change(manifest, lambda n, row: row.update(split=other if n == 7 else "train"))

    assert code == medrec("dataset", "audit", manifest).exit_code


def test_a_nearly_identical_film_is_on_the_contact_sheet(manifest, tmp_path):
    film = np.asarray(Image.open(manifest.parent / "f0.png")).astype(float)
    Image.fromarray((film * 0.9 + 5).astype(np.uint8)[:, ::-1]).save(manifest.parent / "f6.png")

    outcome = medrec("dataset", "audit", manifest, "--out", tmp_path / "out")

    assert 1 == outcome.exit_code
    assert "leak (near_duplicates)" in outcome.stdout
    with Image.open(tmp_path / "out" / "audit-candidates.png") as sheet:
        assert sheet.size[0] > 2 * 96


def test_no_path_and_no_patient_is_told(manifest, tmp_path):
    shutil.copy(manifest.parent / "f0.png", manifest.parent / "f6.png")
    (manifest.parent / "f5.png").unlink()
    change(manifest, lambda n, row: row.update(patient=f"Roe^Jane{n}"))

    outcome = medrec("dataset", "audit", manifest, "--out", tmp_path / "out")

    told = outcome.output + (tmp_path / "out" / "audit.json").read_text(encoding="utf-8")
    assert "rows 1 and 7" in told
    assert "Roe" not in told
    assert ".png" not in told


def test_what_a_training_would_refuse_is_said_beside_the_leaks(manifest):
    Image.new("L", (9, 9)).save(manifest.parent / "mask.png")
    shutil.copy(manifest.parent / "f0.png", manifest.parent / "f6.png")
    change(manifest, lambda n, row: row.update(high=1, mask="mask.png" if n == 1 else "",
                                               split="" if n == 2 else "train"))  # fmt: skip

    outcome = medrec("dataset", "audit", manifest)

    assert 1 == outcome.exit_code
    assert "problem: 1 mask lies on another grid than the scan, row 1" in outcome.stdout
    assert "problem: label high: its rows hold 1 alone" in outcome.stdout
    assert "problem: 1 row has no split, though others have" in outcome.stdout


def test_an_attribute_made_from_the_label_is_left_out_when_named(tmp_path):
    manifest = write_films(tmp_path / "films", ["high", None] * 11)
    change(manifest, in_one_class_less)
    change(manifest, lambda _, row: row.update(grade="late" if row["high"] == "1" else "none"))

    told = medrec("dataset", "audit", manifest).stdout
    left_out = medrec("dataset", "audit", manifest, "--without", "grade").stdout

    assert "high can be told without the lesion" in told
    assert "a model may learn grade" in told
    assert "grade" not in left_out


def test_slices_of_volumes_are_audited_and_blank_ones_counted(tmp_path):
    rows = ["path,patient,x"]
    for number in range(3):
        voxels = np.zeros((24, 24, 6), np.uint8)
        rng = np.random.default_rng(number // 2)  # the first two are one head
        voxels[4:20, 4:20, 1:5] = rng.integers(50, 200, (16, 16, 4))
        image = nibabel.Nifti1Image(voxels, np.diag([-1.0, -1.0, 5.0, 1.0]))
        nibabel.save(image, tmp_path / f"{number}.nii")
        rows.append(f"{number}.nii,P{number},{number % 2}")
    (tmp_path / "m.csv").write_text("\n".join(rows), encoding="utf-8")

    report = audit(tmp_path / "m.csv")

    assert (12, 6, 4) == (report.pictures, report.blank, report.identical)
    assert "rows 1, slice 1 and 2, slice 1" in report.blocking[0].text


def test_progress_is_told_file_by_file(manifest):
    told = []

    audit(manifest, on_progress=lambda done, total: told.append((done, total)))

    assert [(n, 12) for n in range(1, 13)] == told
