"""Archives as they come, to manifests that train, by the command line."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.data.manifest import read_manifest
from medrec.package.package import open_package
from tests.training_factory import a_config, write_config, write_films


def run(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert code == result.exit_code, result.output
    return " ".join(result.output.split())


@pytest.fixture
def classes(tmp_path):
    """A folder with discs and one without, 15 films each, named after their patients."""
    films = tmp_path / "films"
    write_films(films, ["high", None] * 15)
    root = tmp_path / "classes"
    for number in range(30):
        name = "without" if number % 2 else "disc"
        (root / name).mkdir(parents=True, exist_ok=True)
        (films / f"f{number}.png").rename(root / name / f"patient{number:02d}_PA.png")
    return root


def test_class_folders_become_a_manifest_that_trains(classes, tmp_path):
    manifest = tmp_path / "made/manifest.csv"
    said = run(
        "dataset", "import", "folders", classes, "--out", manifest,
        "--label", "disc", "--positive", "disc", "--patient", r"patient(\d+)_",
    )  # fmt: skip
    fit = {**a_config(manifest)["fit"], "epochs": 1}
    config = write_config(
        tmp_path, manifest, labels=["disc"], primary_label="disc", fit=fit,
        audit={"allow": ["near_duplicates"]},
    )  # fmt: skip
    run("train", config, "--out", tmp_path / "run", "--device", "cpu")

    assert "30 scans of 30 patients, 15 with disc" in said
    assert ["disc"] == list(open_package(tmp_path / "run/model").manifest.labels)


def test_scans_that_name_no_patient_are_said(classes, tmp_path):
    said = run("dataset", "import", "folders", classes, "--out", tmp_path / "m.csv")

    assert "30 scans don't say whose they are" in said
    assert {"disc", "without"} == set(read_manifest(tmp_path / "m.csv")[0].labels)


def test_a_manifest_is_not_written_over(classes, tmp_path):
    (tmp_path / "m.csv").write_text("precious")

    said = run("dataset", "import", "folders", classes, "--out", tmp_path / "m.csv", code=1)

    assert "m.csv exists" in said
    assert "precious" == (tmp_path / "m.csv").read_text()


@pytest.mark.parametrize("half", [["--label", "disc"], ["--positive", "disc"]])
def test_a_label_and_its_folders_go_together(classes, tmp_path, half):
    said = run("dataset", "import", "folders", classes, "--out", tmp_path / "m.csv", *half, code=2)

    assert "--label and --positive go together" in said


def test_participants_become_a_manifest(tmp_path):
    root = tmp_path / "bids"
    for name in ("sub-01", "sub-02"):
        folder = root / name / "anat"
        folder.mkdir(parents=True)
        image = nibabel.Nifti1Image(np.zeros((4, 4, 3), np.uint8), np.eye(4))
        nibabel.save(image, folder / f"{name}_FLAIR.nii.gz")
    table = "participant_id\tgroup\nsub-01\tglioma\nsub-02\tcontrol\nsub-03\tcontrol\n"
    (root / "participants.tsv").write_text(table)

    said = run(
        "dataset", "import", "bids", root, "--suffix", "FLAIR",
        "--label", "tumor=group:glioma", "--out", tmp_path / "m.csv",
    )  # fmt: skip

    assert "2 scans of 2 patients, 1 with tumor" in said
    assert "1 participants have no FLAIR" in said
    assert ["bids/sub-01/anat/sub-01_FLAIR.nii.gz", "bids/sub-02/anat/sub-02_FLAIR.nii.gz"] == [
        row.path for row in read_manifest(tmp_path / "m.csv")
    ]


def test_a_table_becomes_a_manifest(tmp_path):
    write_films(tmp_path / "films", ["high", None])
    with (tmp_path / "films/cases.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["file", "who", "size"], ["f0.png", "A", "90"], ["f1.png", "B", "12"]]
        )

    said = run(
        "dataset", "import", "csv", tmp_path / "films/cases.csv", "--path", "file",
        "--patient", "who", "--label", "disc=size>=80", "--out", tmp_path / "m.csv",
    )  # fmt: skip

    assert "2 scans of 2 patients, 1 with disc" in said


def test_masks_of_pictures_become_a_manifest(tmp_path):
    for folder, values in (("images", np.arange(100)), ("masks", np.arange(100) > 90)):
        (tmp_path / folder).mkdir()
        pixels = (values.reshape(10, 10) * (255 if folder == "masks" else 1)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / folder / "p1_PA.png")

    said = run(
        "dataset", "import", "masks", tmp_path, "--images", "images/*.png",
        "--mask", "../masks/{stem}.png", "--patient", r"(p\d+)_", "--out", tmp_path / "m.csv",
    )  # fmt: skip
    (row,) = read_manifest(tmp_path / "m.csv")

    assert "1 scans of 1 patients, 1 with tumor" in said
    assert ("p1", None, "masks/p1_PA.png") == (row.patient, row.slice, row.mask)


@pytest.mark.data
def test_masks_of_the_chest_projections_agree_with_their_table(tmp_path):
    root = Path(os.environ.get("MEDREC_TEST_DATA", "")) / "xray-chest-nodules"
    if not root.is_dir():
        pytest.skip("MEDREC_TEST_DATA names no folder with xray-chest-nodules")
    run(
        "dataset", "import", "masks", root, "--images", "images/*.png", "--label", "nodule",
        "--mask", "../masks/{stem}.png", "--patient", r"(LIDC-IDRI-\d+)", "--out",
        tmp_path / "m.csv",
    )  # fmt: skip
    with (root / "cases.csv").open(encoding="utf-8") as file:
        told = {Path(row["image"]).name: int(row["nodules"]) > 0 for row in csv.DictReader(file)}

    rows = read_manifest(tmp_path / "m.csv")

    assert told == {Path(row.path).name: row.labels["nodule"] for row in rows}
