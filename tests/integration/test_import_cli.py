"""Archives to manifests by the command line, and a model that is trained on one."""

from __future__ import annotations

import csv
import os
import re
import shlex
from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_factory import an_image
from PIL import Image
from training_factory import write_config, write_films
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.data.manifest import read_manifest
from medrec.package.package import open_package

GUIDE = Path(__file__).parents[2] / "docs/how-to/import.md"
BY_PATH = ("--patient", "P[0-9]+")


def medrec(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def picture(path, lesion_px=0, size=(24, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros(size[::-1], dtype=np.uint8)
    values[2:14, :lesion_px] = 200
    values[15] = 0 if "masks" in path.parts else np.arange(size[0]) + 40
    Image.fromarray(values).save(path)


def volume(path, tumor=()):
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.zeros((10, 11, 5), dtype=np.uint8)
    if path.name.startswith("mask"):
        voxels[2:5, 2:4, list(tumor)] = 1
    else:
        voxels += np.indices(voxels.shape).sum(0).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, 4.0, 1.0])), path)


def write_table(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def archives(tmp_path, monkeypatch):
    """What docs/how-to/import.md speaks of, in the folder that commands start from."""
    for patient, name, lesion_px in (("P001", "tumor", 9), ("P002", "normal", 1)):
        for number in (1, 2):
            picture(tmp_path / "classes" / name / f"{patient}_{number}.png", lesion_px + number)
    for part, patient in (("Training", "P1"), ("Testing", "P2")):
        picture(tmp_path / "parts" / part / "glioma" / f"{patient}.png", len(part) + 3)
        picture(tmp_path / "parts" / part / "none" / f"{patient}.png", len(part) + 6)
    for name in ("a", "b"):
        picture(tmp_path / "table" / f"{name}.png")
    write_table(tmp_path / "table/cases.csv", "image,patient,cancer,site",
                "a.png,P1,1,N", "b.png,P2,0,S")  # fmt: skip
    write_table(tmp_path / "bids/participants.tsv", "participant_id\tgroup\tage",
                "sub-1\tpatient\t50", "sub-2\tcontrol\tn/a")  # fmt: skip
    for subject in ("sub-1", "sub-2"):
        folder = tmp_path / "bids" / subject / "ses-01/anat"
        volume(folder / f"{subject}_ses-01_T1w.nii.gz")
    for patient, tumor in (("P1", (2, 3)), ("P2", ())):
        volume(tmp_path / "volumes" / patient / "t1c.nii.gz")
        volume(tmp_path / "volumes" / patient / "mask.nii.gz", tumor)
    for patient, lesion_px in (("P1", 8), ("P2", 1)):
        picture(tmp_path / f"films/images/{patient}.png", lesion_px)
        picture(tmp_path / f"films/masks/{patient}.png", lesion_px)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_import_of_the_guide_writes_a_manifest_that_can_be_read(archives):
    blocks = re.findall(r"```console\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    commands = [shlex.split(line)[2:] for block in blocks for line in block.splitlines()]
    imports = [words for words in commands if words[:2] == ["dataset", "import"]]
    assert {"folders", "csv", "bids", "masks"} == {words[2] for words in imports}

    for words in imports:
        outcome = medrec(*words)

        assert 0 == outcome.exit_code, outcome.output
        out = archives / words[words.index("--out") + 1]
        assert outcome.output.startswith(f"{out.name}: {len(rows_of(out))} ")
        rows = read_manifest(out)
        assert all((archives / row.path).exists() for row in rows)
        assert all(row.labels for row in rows)


def test_folders_say_what_they_hold_and_warn_where_patients_are_unknown(archives):
    outcome = medrec("dataset", "import", "folders", "classes", "--patient-unknown",
                     "--label", "tumor", "--out", "sub/m.csv")  # fmt: skip

    assert "sub/m.csv: 4 scans of 4 patients, 2 with tumor\n" in outcome.output
    assert "note: patients are unknown" in outcome.output
    assert "../classes/normal/P002_1.png" == rows_of(archives / "sub/m.csv")[0]["path"]


@pytest.mark.parametrize("ways", [(), (*BY_PATH, "--patient-id"), ("--patient", "(")])
def test_folders_want_one_way_to_tell_patients(archives, ways):
    outcome = medrec("dataset", "import", "folders", "classes", *ways, "--out", "m.csv")

    assert 2 == outcome.exit_code
    assert not (archives / "m.csv").exists()


@pytest.mark.parametrize("split", ["train", "gone=Training", "train=Training,Training,"])
def test_folders_refuse_splits_that_mean_nothing(archives, split):
    outcome = medrec("dataset", "import", "folders", "parts", *BY_PATH, "--split", split,
                     "--out", "m.csv")  # fmt: skip

    assert outcome.exit_code in {1, 2}
    assert not (archives / "m.csv").exists()


def test_the_patients_of_dicom_folders_stand_nowhere_in_the_manifest(archives, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(archives / "home"))
    for name in ("tumor", "normal"):
        (archives / "films-of" / name).mkdir(parents=True)
        pixels = np.arange(64, dtype=np.uint16).reshape(8, 8)
        image = an_image(pixels, modality="DX", PatientID="Planted-7", number=len(name))
        image.save_as(archives / "films-of" / name / "a.dcm", enforce_file_format=True)

    outcome = medrec("dataset", "import", "folders", "films-of", "--patient-id", "--out", "m.csv")

    assert 0 == outcome.exit_code, outcome.output
    assert {r["patient"][:2] for r in rows_of(archives / "m.csv")} == {"p-"}
    assert "Planted" not in outcome.output + (archives / "m.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    [
        ("folders", "classes", *BY_PATH),
        ("bids", "bids", "--suffix", "T1w", "--label", "tumor=group:patient"),
        ("masks", "volumes", "--images", "*/t1c.nii.gz", "--mask", "mask.nii.gz"),
        ("csv", "table/cases.csv", "--path", "image", "--patient", "patient", "--label", "cancer"),
    ],
)
def test_no_import_writes_over_a_manifest_or_into_a_file(archives, words):
    (archives / "m.csv").write_text("mine", encoding="utf-8")

    over = medrec("dataset", "import", *words, "--out", "m.csv")
    into = medrec("dataset", "import", *words, "--out", "m.csv/deeper.csv")

    assert (1, 1) == (over.exit_code, into.exit_code)
    assert "exists: name another file" in over.output
    assert "can't be written" in into.output
    assert "mine" == (archives / "m.csv").read_text(encoding="utf-8")


def test_masks_can_be_told_by_case_and_size(archives):
    words = ("masks", "volumes", "--images", "*/t1c.nii.gz", "--mask", "mask.nii.gz")

    medrec("dataset", "import", *words, "--per", "case", "--smallest", "6", "--out", "large.csv")
    medrec("dataset", "import", *words, "--per", "case", "--smallest", "7", "--smaller-unknown",
           "--out", "larger.csv")  # fmt: skip

    assert [("P1", "1"), ("P2", "0")] == told(archives / "large.csv")
    assert [("P1", ""), ("P2", "0")] == told(archives / "larger.csv")


def told(path):
    return [(row["patient"], row["tumor"]) for row in rows_of(path)]


def test_a_row_kind_that_masks_do_not_know_is_wrong_usage(archives):
    words = ("masks", "volumes", "--images", "*/t1c.nii.gz", "--mask", "mask.nii.gz")

    outcome = medrec("dataset", "import", *words, "--per", "study", "--out", "m.csv")

    assert 2 == outcome.exit_code
    assert "wanted slice or case" in outcome.output


def test_a_label_of_one_class_is_noted(archives):
    outcome = medrec("dataset", "import", "csv", "table/cases.csv", "--path", "image", "--patient",
                     "patient", "--label", "cancer=site:N,S", "--out", "m.csv")  # fmt: skip

    assert "note: label cancer is 1 wherever it is known" in outcome.output


def test_a_csv_lists_all_that_is_wrong_and_writes_nothing(archives):
    write_table(archives / "table/bad.csv", "image,patient,cancer",
                "gone.png,P1,1", "a.png,,0", "b.png,P2,perhaps")  # fmt: skip

    outcome = medrec("dataset", "import", "csv", "table/bad.csv", "--path", "image", "--patient",
                     "patient", "--label", "cancer", "--out", "m.csv")  # fmt: skip

    assert 1 == outcome.exit_code
    assert 3 == outcome.output.count("\n  - line ")
    assert not (archives / "m.csv").exists()


def test_a_model_is_trained_on_class_folders(tmp_path):
    films = write_films(tmp_path / "films", ["high", None] * 15)
    for row in rows_of(films):
        name = "disc" if row["high"] == "1" else "other"
        (tmp_path / "classes" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "films" / row["path"]).rename(
            tmp_path / "classes" / name / f"{row['patient']}_1.png"
        )
    manifest = tmp_path / "manifest.csv"
    imported = medrec("dataset", "import", "folders", tmp_path / "classes", "--label", "disc",
                      "--patient", "(P[0-9]+)_", "--out", manifest)  # fmt: skip
    assert 0 == imported.exit_code, imported.output
    config = write_config(tmp_path, manifest, labels=["disc"], primary_label="disc",
                          audit={"allow": ["near_duplicates"]})  # fmt: skip

    outcome = medrec("train", config, "--out", tmp_path / "run", "--device", "cpu",
                     "--set", "fit.epochs=1")  # fmt: skip

    assert 0 == outcome.exit_code, outcome.output
    assert ["disc"] == list(open_package(tmp_path / "run/model").manifest.labels)


@pytest.mark.data
def test_the_chest_films_masks_say_what_their_own_table_says(tmp_path):
    folder = Path(os.environ.get("MEDREC_TEST_DATA", "")) / "xray-chest-nodules"
    if not (folder / "cases.csv").is_file():
        pytest.skip("MEDREC_TEST_DATA names no folder with xray-chest-nodules/cases.csv")
    manifest = tmp_path / "m.csv"

    outcome = medrec("dataset", "import", "masks", folder, "--images", "images/*.png", "--mask",
                     "../masks/{stem}.png", "--label", "nodule", "--smallest", "80", "--patient",
                     r"(.*)-\d+\.png", "--smaller-unknown", "--out", manifest)  # fmt: skip

    assert 0 == outcome.exit_code, outcome.output
    largest = {row["image"]: int(row["largest_nodule_px"]) for row in rows_of(folder / "cases.csv")}
    assert 365 == len(largest)
    told_by_table = {
        path: "1" if size >= 80 else "" if size else "0" for path, size in largest.items()
    }
    assert told_by_table == {
        f"images/{Path(row['path']).name}": row["nodule"] for row in rows_of(manifest)
    }
