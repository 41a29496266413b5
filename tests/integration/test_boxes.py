"""Boxes from archive to report, as a user types it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from factories import TUMOR, a_finding, a_prediction, a_region
from PIL import Image
from seg_factory import two_series
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.data.manifest import read_manifest
from medrec.domain.box import Box
from medrec.domain.finding import ImageFindings
from medrec.domain.ids import CaseId
from medrec.io.predictions import to_line


def medrec(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def archive(tmp_path):
    """12 pictures of 12 patients; each second one has a lesion, in COCO's words."""
    (tmp_path / "images").mkdir()
    annotations = []
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 90, (48, 64), dtype=np.uint8)
        if number % 2 == 0:
            pixels[10:22, 20:36] = 220
            annotations.append(
                {"image_id": number, "category_id": 1, "bbox": [20, 10, 16, 12], "iscrowd": 0}
            )
        Image.fromarray(pixels).save(tmp_path / "images" / f"P{number:02d}_1.png")
    content = {
        "images": [{"id": n, "file_name": f"images/P{n:02d}_1.png"} for n in range(12)],
        "categories": [{"id": 1, "name": "glioma"}],
        "annotations": annotations,
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    return tmp_path


def imported(archive, *more):
    outcome = medrec(
        "dataset", "import", "coco", archive / "coco.json", "--out", archive / "m.csv",
        "--patient", "(P[0-9]+)_", "--as", "tumor", *more,
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def test_coco_becomes_a_manifest_boxes_and_a_sheet_to_look_at(archive):
    said = imported(archive, "--preview", archive / "sheet.png")

    rows = read_manifest(archive / "m.csv")
    assert {"m.boxes.csv"} == {row.boxes for row in rows}
    assert 6 == sum(row.labels[TUMOR] for row in rows)
    assert "6 boxes on 6 of 12 images" in said
    with Image.open(archive / "sheet.png") as sheet:
        # The boxes' own colour is on the sheet: the pictures are grey.
        assert (255, 90, 54) in {colour for _, colour in sheet.getcolors(1 << 24)}


def test_nothing_is_overwritten_and_nothing_is_written_where_something_is_wrong(archive):
    imported(archive)
    again = medrec("dataset", "import", "coco", archive / "coco.json", "--out", archive / "m.csv",
                   "--patient-unknown")  # fmt: skip
    (archive / "images" / "P03_1.png").unlink()
    broken = medrec("dataset", "import", "coco", archive / "coco.json", "--out",
                    archive / "other.csv", "--patient-unknown")  # fmt: skip

    assert (1, 1) == (again.exit_code, broken.exit_code)
    assert not (archive / "other.csv").exists()
    assert not (archive / "other.boxes.csv").exists()


@pytest.mark.parametrize("name", ["m.csv", "m.boxes.csv"])
def test_a_sheet_never_takes_the_place_of_the_manifest_or_its_boxes(archive, name):
    outcome = medrec("dataset", "import", "coco", archive / "coco.json", "--out", archive / "m.csv",
                     "--patient-unknown", "--preview", archive / name)  # fmt: skip

    assert 1 == outcome.exit_code
    assert "--preview" in outcome.output
    assert not (archive / "m.csv").exists()


def test_a_sheet_that_exists_is_named_by_its_own_option(archive):
    (archive / "sheet.png").write_bytes(b"")
    outcome = medrec("dataset", "import", "coco", archive / "coco.json", "--out", archive / "m.csv",
                     "--patient-unknown", "--preview", archive / "sheet.png")  # fmt: skip

    assert "--out" not in outcome.output
    assert "sheet.png exists" in outcome.output


def test_a_sheet_of_boxes_is_refused_where_no_boxes_are_asked_for(tmp_path):
    outcome = medrec("dataset", "import", "masks", tmp_path, "--images", "*.nii", "--mask", "m.nii",
                     "--preview", tmp_path / "sheet.png", "--out", tmp_path / "m.csv")  # fmt: skip

    assert 2 == outcome.exit_code
    assert "--boxes" in outcome.output


def test_no_patient_id_of_dicom_is_written_where_segmentations_are_imported(tmp_path):
    outcome = medrec("dataset", "import", "seg", two_series(tmp_path / "a", studies=(1, 2)),
                     "--out", tmp_path / "m.csv", "--patient-id")  # fmt: skip

    assert 0 == outcome.exit_code, outcome.output
    assert 1 == len({row.patient for row in read_manifest(tmp_path / "m.csv")})
    written = [outcome.output, *(file.read_text() for file in tmp_path.glob("m.*"))]
    assert 3 == len(written)
    assert not any("PLANTED" in text for text in written)


def test_patients_must_be_told_or_said_to_be_unknown(archive):
    outcome = medrec("dataset", "import", "coco", archive / "coco.json", "--out", archive / "m.csv")

    assert 2 == outcome.exit_code


def test_an_audit_finds_boxes_outside_their_image(archive):
    imported(archive)
    file = archive / "m.boxes.csv"
    file.write_text(file.read_text() + "images/P01_1.png,200,10,220,30,tumor,\n")

    outcome = medrec("dataset", "audit", archive / "m.csv")

    assert 1 == outcome.exit_code
    assert "boxes: line 8: 0% of it lies in the image" in outcome.output


def test_predictions_of_boxes_are_evaluated_with_report_and_case_pages(archive):
    imported(archive)
    lines = []
    for number in range(12):
        name = f"images/P{number:02d}_1.png"
        boxes = [Box(21, 10, 37, 22)] if number in {0, 2, 4} else []
        boxes += [Box(2, 2, 9, 9)] if number == 1 else []
        finding = a_finding(probability=0.8 if boxes else 0.1)
        lines.append(
            to_line(
                a_prediction(
                    case_id=CaseId(f"c-{number:02d}"),
                    source=name,
                    findings=(finding,),
                    images=(ImageFindings(name, 0, (finding,)),),
                    regions=tuple(a_region(box_px=box, source=name, slice=0) for box in boxes),
                )
            )
        )
    (archive / "predictions.jsonl").write_text("\n".join(lines) + "\n")

    (archive / "images" / "P08_1.png").unlink()  # its case page is drawn without pixels

    outcome = medrec("evaluate", archive / "predictions.jsonl", "--against", archive / "m.csv",
                     "--out", archive / "out", "--set", "bootstrap_rounds=100",
                     "--pictures")  # fmt: skip

    assert outcome.exit_code == 0, outcome.output
    assert "1 scans of the manifest could not be opened" in outcome.output
    found = json.loads((archive / "out" / "evaluation.json").read_text())["labels"]["tumor"]
    assert {"rule": "iou", "value": 0.5} == found["froc"]["hit"]
    assert 0.5 == found["froc"]["sensitivity"][-1]["value"]
    assert 1 / 6 == pytest.approx(
        found["boxes"]["operating_points"]["screening"]["false_positives_per_normal_exam"]["value"]
    )
    report = (archive / "out" / "report.html").read_text()
    assert "Cases with missed lesions" in report
    assert report.index("c-06") < report.index("tumor: exams")
    assert 'href="data:image/' in report
    pixels = {
        n: "data:image" in (archive / f"out/cases/c-{n}.html").read_text() for n in ("06", "08")
    }
    assert {"06": True, "08": False} == pixels
    assert "Missed: lesion (type glioma)" in (archive / "out/cases/c-06.html").read_text()
    assert "False alarm" in (archive / "out/cases/c-01.html").read_text()
    assert (archive / "out/curves/tumor_froc.csv").is_file()


def test_names_of_boxes_that_mean_no_label_are_refused_and_can_be_given_a_meaning(archive):
    imported(archive)
    file = archive / "m.boxes.csv"
    text = file.read_text().replace("tumor,glioma", "Glial mass,")
    file.write_text(text)
    (archive / "predictions.jsonl").write_text(to_line(a_prediction(regions=())) + "\n")
    command = ("evaluate", archive / "predictions.jsonl", "--against", archive / "m.csv",
               "--set", "bootstrap_rounds=100", "--out", archive / "out")  # fmt: skip

    refused, told = medrec(*command), medrec(*command, "--set", "classes={Glial mass: tumor}")

    assert (1, 0) == (refused.exit_code, told.exit_code)
    assert "boxes called 'Glial mass': this is no label" in refused.stderr


def test_a_rule_that_means_nothing_is_refused_in_one_message(archive):
    imported(archive)
    (archive / "predictions.jsonl").write_text(to_line(replace(a_prediction(), regions=())) + "\n")

    outcome = medrec(
        "evaluate", archive / "predictions.jsonl", "--against", archive / "m.csv", "--out",
        archive / "out", "--set", "hit.rule=centre_in_box", "--set", "hit.value=0.5",
    )  # fmt: skip

    assert 1 == outcome.exit_code
    assert "the rule centre_in_box has no value" in outcome.stderr


def test_masks_of_volumes_become_solid_boxes(tmp_path):
    for patient in ("A", "B"):
        (tmp_path / patient).mkdir()
        mask = np.zeros((20, 24, 8), np.uint8)
        mask[3:9, 5:11, 2:6] = patient == "A"
        for name, voxels in (("mask", mask), ("flair", mask * 90 + np.arange(8, dtype=np.uint8))):
            nib.save(nib.Nifti1Image(voxels, np.diag([1.0, 1.0, 5.0, 1.0])),
                     tmp_path / patient / f"{name}.nii.gz")  # fmt: skip

    outcome = medrec(
        "dataset", "import", "masks", tmp_path, "--images", "*/flair.nii.gz", "--mask",
        "mask.nii.gz", "--per", "case", "--boxes", "volume", "--out", tmp_path / "m.csv",
    )  # fmt: skip

    assert outcome.exit_code == 0, outcome.output
    assert ["path,x0,y0,x1,y1,z0,z1,label", "A/flair.nii.gz,3,5,9,11,2,6,tumor"] == (
        tmp_path / "m.boxes.csv"
    ).read_text().splitlines()


def _deep_and_thin(folder):
    """A volume whose lesion has 24 voxels, but never more than 3 on a slice."""
    (folder / "A").mkdir(parents=True)
    mask = np.zeros((20, 24, 8), np.uint8)
    mask[3, 5:8, :] = 1
    for name, voxels in (("mask", mask), ("flair", mask * 90 + np.arange(8, dtype=np.uint8))):
        nib.save(nib.Nifti1Image(voxels, np.diag([1.0, 1.0, 5.0, 1.0])),
                 folder / "A" / f"{name}.nii.gz")  # fmt: skip
    return ("dataset", "import", "masks", folder, "--images", "*/flair.nii.gz", "--mask",
            "mask.nii.gz", "--boxes", "volume", "--smallest", "10",
            "--out", folder / "m.csv")  # fmt: skip


def test_a_case_without_a_large_enough_lesion_has_no_box_either(tmp_path):
    outcome = medrec(*_deep_and_thin(tmp_path), "--per", "case")

    assert outcome.exit_code == 0, outcome.output
    assert [False] == [row.labels[TUMOR] for row in read_manifest(tmp_path / "m.csv")]
    assert "0 boxes" in outcome.output


def test_boxes_of_volumes_that_would_contradict_labels_of_slices_are_refused(tmp_path):
    outcome = medrec(*_deep_and_thin(tmp_path))

    assert 2 == outcome.exit_code
    assert "--smaller-unknown" in outcome.output
    assert 0 == medrec(*_deep_and_thin(tmp_path / "again"), "--smaller-unknown").exit_code


@pytest.fixture
def archives():
    folder = Path(os.environ.get("MEDREC_TEST_DATA", ""))
    if not (folder / "mri-brain-slices" / "boxes.csv").is_file():
        pytest.skip("MEDREC_TEST_DATA names no folder with mri-brain-slices/boxes.csv")
    return folder


@pytest.mark.data
@pytest.mark.slow
def test_a_public_archive_of_boxes_is_imported_whole(archives, tmp_path):
    outcome = medrec(
        "dataset", "import", "boxes", archives / "mri-brain-slices" / "boxes.csv", "--path",
        "image", "--label", "tumor", "--label-column", "tumor", "--patient-column", "id_block",
        "--out", tmp_path / "m.csv",
    )  # fmt: skip

    assert "2422 boxes on 2422 of 2422 images" in outcome.output


@pytest.mark.data
def test_nodules_under_80_pixels_count_neither_way(archives, tmp_path):
    outcome = medrec(
        "dataset", "import", "boxes", archives / "xray-chest-nodules" / "boxes.csv", "--path",
        "image", "--label", "nodule", "--counts", "area_px>=80", "--images", "images/*.png",
        "--patient", "(LIDC-IDRI-[0-9]+)", "--out", tmp_path / "m.csv",
    )  # fmt: skip

    truths = [row.labels["nodule"] for row in read_manifest(tmp_path / "m.csv")]
    assert outcome.exit_code == 0, outcome.output
    assert (279, 54, 32) == (truths.count(True), truths.count(None), truths.count(False))
