"""Class folders to rows."""

import os

import nibabel
import numpy as np
import pytest
from dicom_factory import ROOT, an_image
from PIL import Image

from medrec.data.importers_folders import FolderMeaning, import_folders
from medrec.data.patients import patient_of_case, patient_of_header, patient_of_path
from medrec.domain.reference import Split
from medrec.errors import InputError, ManifestError

BY_PATH = patient_of_path("P[0-9]+")


def by_path(scan):
    return BY_PATH(scan.source)


def picture(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 255, (8, 9)).astype(np.uint8)
    Image.fromarray(values).save(path)


def dicom(path, **tags):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8)
    an_image(pixels, **tags).save_as(path, enforce_file_format=True)


def series(folder, *, study, uid="7", count=3, **tags):
    for number in range(1, count + 1):
        dicom(
            folder / f"IM{number}.dcm",
            number=number,
            SOPInstanceUID=f"{ROOT}.3.{study}.{uid}.{number}",
            StudyInstanceUID=f"{ROOT}.1.{study}",
            SeriesInstanceUID=f"{ROOT}.2.{study}.{uid}",
            **tags,
        )


def read(root, patient=by_path, **meaning):
    return import_folders(root, meaning=FolderMeaning(**meaning), patient=patient)


def refused(root, **options):
    with pytest.raises(ManifestError) as error:
        read(root, **options)
    return error.value.problems


@pytest.fixture
def archive(tmp_path):
    picture(tmp_path / "glioma/P1_a.png", 1)
    picture(tmp_path / "glioma/deeper/P2.jpg", 2)
    picture(tmp_path / "none/P3.png", 3)
    picture(tmp_path / "other/P4.png", 4)
    return tmp_path


def truths(imported):
    return {row.path: dict(row.labels) for row in imported.references}


def test_each_class_is_a_label_where_none_is_named(archive):
    imported = read(archive)

    assert {
        "glioma/P1_a.png": {"glioma": True, "none": False, "other": False},
        "glioma/deeper/P2.jpg": {"glioma": True, "none": False, "other": False},
        "none/P3.png": {"glioma": False, "none": True, "other": False},
        "other/P4.png": {"glioma": False, "none": False, "other": True},
    } == truths(imported)
    assert ["P1", "P2", "P3", "P4"] == [row.patient for row in imported.references]


def test_a_label_is_positive_in_the_classes_it_names_and_negative_in_the_others(archive):
    imported = read(archive, labels={"tumor": "glioma,other"})

    assert [True, True, False, True] == [row.labels["tumor"] for row in imported.references]


def test_classes_that_are_neither_positive_nor_negative_are_unknown(archive):
    imported = read(archive, labels={"tumor": "glioma/none"})

    assert [True, True, False, None] == [row.labels["tumor"] for row in imported.references]


def test_folders_above_the_classes_can_be_splits(tmp_path):
    for top, patient in (("Training", "P1"), ("Testing", "P2")):
        for name in ("glioma", "none"):
            picture(tmp_path / top / name / f"{patient}.png", sum(map(ord, top + name)))

    splits = {"Training": Split.TRAIN, "Testing": Split.TEST}
    imported = read(tmp_path, splits=splits, labels={"tumor": "glioma"})

    assert [
        ("Testing/glioma/P2.png", Split.TEST, True),
        ("Testing/none/P2.png", Split.TEST, False),
        ("Training/glioma/P1.png", Split.TRAIN, True),
        ("Training/none/P1.png", Split.TRAIN, False),
    ] == [(row.path, row.split, row.labels["tumor"]) for row in imported.references]


def test_a_patient_in_two_splits_is_refused_without_a_name(tmp_path):
    for top in ("a", "b"):
        picture(tmp_path / top / "x/1_P1.png", ord(top))
        picture(tmp_path / top / "y/2_P1.png", ord(top) + 9)

    splits = {"a": Split.TRAIN, "b": Split.TEST}
    (problem,) = refused(tmp_path, splits=splits)

    assert "one patient in several splits: a/x/1_P1.png (train), b/x/1_P1.png (test)" == problem


def test_a_folder_that_is_no_split_is_refused(archive):
    problems = refused(archive, splits={"Training": Split.TRAIN})

    assert any("glioma is no split folder" in problem for problem in problems)
    assert "split folder Training: holds no scan" in problems


def test_class_folders_named_like_columns_of_manifests_are_refused_together(tmp_path):
    for seed, name in enumerate(("patient", "mask", "=sum", "fine")):
        picture(tmp_path / name / "P1.png", seed)

    problems = refused(tmp_path)

    assert ["class folder =sum", "class folder mask", "class folder patient"] == [
        problem.split(":")[0] for problem in problems
    ]
    assert "--label NAME=CLASS" in problems[2]


def test_such_a_class_can_be_imported_under_another_name(tmp_path):
    picture(tmp_path / "patient/P1.png", 1)
    picture(tmp_path / "control/P2.png", 2)

    imported = read(tmp_path, labels={"tumor": "patient"})

    assert [False, True] == [row.labels["tumor"] for row in imported.references]


def test_one_class_folder_alone_is_refused_unless_a_label_names_it(tmp_path):
    picture(tmp_path / "glioma/P1.png")

    (problem,) = refused(tmp_path)

    assert "but one class folder" in problem
    assert 1 == len(read(tmp_path, labels={"tumor": "glioma"}).references)


def test_a_label_of_no_class_and_one_named_like_a_column_are_refused(archive):
    problems = refused(archive, labels={"tumor": "gliom", "slice": "glioma", "x": ","})

    assert ["label slice", "label x", "label tumor"] == [
        problem.split(":")[0] for problem in problems
    ]
    assert "there are glioma, none, other" in problems[2]


def test_all_files_that_can_not_be_used_are_listed_at_once(archive):
    picture(archive / "P9.png", 9)
    (archive / "none/P5.png").write_bytes(b"\x89PNG\r\n\x1a\n junk")
    (archive / "none/P6.dcm").write_bytes(b"no DICOM")
    (archive / "none/P7.png").symlink_to(archive / "none/P3.png")
    (archive / "linked").symlink_to(archive / "none")
    os.mkfifo(archive / "none/P8.png")
    picture(archive / "none/nobody.png", 10)

    starts = [problem.split(":")[0] for problem in refused(archive)]

    assert [
        "linked",
        "none/P5.png",
        "none/P6.dcm",
        "none/P7.png",
        "none/P8.png",
        "P9.png",
        "none/nobody.png",
    ] == starts


@pytest.mark.parametrize("name", [b"\xff_P5.png", b"new\nline_P5.png"])
def test_a_name_that_no_manifest_can_hold_is_refused(archive, name):
    picture(archive / "none/P5.png", 5)
    (archive / "none/P5.png").rename(archive / "none" / os.fsdecode(name))

    (problem,) = refused(archive)

    assert "rename it" in problem


def test_a_class_folder_whose_name_is_no_utf8_is_refused(archive):
    picture(archive / "x/P5.png", 5)
    (archive / "x").rename(archive / os.fsdecode(b"\xe4"))

    assert any("its name is no UTF-8" in problem for problem in refused(archive))


def test_what_is_no_image_is_left_out_and_named(archive):
    (archive / "README.txt").write_text("Cite us.")
    (archive / "glioma/Thumbs.db").write_bytes(b"x")

    notes = read(archive).notes

    assert any("2 (README.txt, glioma/Thumbs.db)" in note for note in notes)


def test_an_empty_folder_says_that_nothing_is_in_it(tmp_path):
    (tmp_path / "glioma").mkdir()

    assert ("no class folder holds a scan",) == refused(tmp_path)


@pytest.mark.parametrize("name", ["gone", "file"])
def test_an_archive_that_is_no_folder_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("x")

    with pytest.raises(InputError):
        read(tmp_path / name)


def test_a_problem_of_every_file_is_one_line(archive):
    (problem,) = refused(archive, patient=patient_of_header(b"k" * 32))

    assert problem.startswith("glioma/P1_a.png and all 3 others: states no PatientID")


def test_dicom_slices_that_share_a_folder_are_one_row(tmp_path):
    series(tmp_path / "tumor/P1", study=1)
    series(tmp_path / "none/P2/T1", study=2)
    dicom(tmp_path / "none/P3/film.dcm", modality="DX", StudyInstanceUID=f"{ROOT}.1.3")

    rows = read(tmp_path, labels={"tumor": "tumor"}).references

    assert [("none/P2/T1", "P2"), ("none/P3/film.dcm", "P3"), ("tumor/P1", "P1")] == [
        (row.path, row.patient) for row in rows
    ]


def test_dicom_slices_in_the_class_folder_itself_are_a_row_each(tmp_path):
    series(tmp_path / "tumor", study=1)
    series(tmp_path / "none", study=2)

    rows = read(tmp_path, patient=patient_of_case).references

    assert 6 == len(rows)
    assert 2 == len({row.patient for row in rows})


@pytest.mark.parametrize(
    "modality", ["US", "OP", "XC", "SC", "OT", ""], ids=lambda name: name or "unsaid"
)
def test_stills_of_a_study_that_share_a_folder_are_a_row_each(tmp_path, modality):
    series(tmp_path / "tumor/P1", study=1, Modality=modality)
    series(tmp_path / "none/P2", study=2, count=1, Modality=modality)

    rows = read(tmp_path).references

    assert [
        "none/P2/IM1.dcm", "tumor/P1/IM1.dcm", "tumor/P1/IM2.dcm", "tumor/P1/IM3.dcm"
    ] == [row.path for row in rows]  # fmt: skip
    assert ["P2", "P1", "P1", "P1"] == [row.patient for row in rows]


def test_ultrasound_whose_images_have_a_place_is_a_volume(tmp_path):
    place = {"ImagePositionPatient": ["0", "0", "0"],
             "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"]}  # fmt: skip
    for study, folder in ((1, "tumor/P1"), (2, "none/P2")):
        series(tmp_path / folder, study=study, Modality="US", **place)

    assert ["none/P2", "tumor/P1"] == [row.path for row in read(tmp_path).references]


def test_a_folder_of_several_series_is_noted(tmp_path):
    series(tmp_path / "none/P1", study=1)
    series(tmp_path / "tumor/P2", study=2, uid="7")
    for number in (1, 2):
        dicom(
            tmp_path / f"tumor/P2/other{number}.dcm",
            SOPInstanceUID=f"{ROOT}.3.9.{number}",
            StudyInstanceUID=f"{ROOT}.1.2",
            SeriesInstanceUID=f"{ROOT}.2.2.8",
        )

    notes = read(tmp_path).notes

    assert any("several DICOM series: 1" in note for note in notes)


def test_a_series_beside_or_above_other_images_is_refused(tmp_path):
    series(tmp_path / "tumor/P1", study=1)
    picture(tmp_path / "tumor/P1/key.png", 1)
    series(tmp_path / "none/P2", study=2)
    picture(tmp_path / "none/P2/keys/key.png", 2)

    starts = [problem.split(":")[0] for problem in refused(tmp_path)]

    assert ["tumor/P1", "none/P2/keys"] == starts


def test_the_patient_id_of_dicom_is_hashed(tmp_path):
    for name, patient in (("tumor", "Smith-1"), ("none", "Smith-2")):
        dicom(
            tmp_path / name / "a.dcm",
            modality="DX",
            PatientID=patient,
            SOPInstanceUID=f"{ROOT}.3.{patient[-1]}",
        )

    rows = read(tmp_path, patient=patient_of_header(b"k" * 32)).references

    assert 2 == len({row.patient for row in rows})
    assert not any("Smith" in row.patient for row in rows)


def test_a_nifti_file_is_a_row(tmp_path):
    for name in ("tumor", "none"):
        (tmp_path / name).mkdir()
        voxels = np.indices((4, 5, 6)).sum(0).astype(np.uint8) + len(name)
        image = nibabel.Nifti1Image(voxels.astype(np.uint8), np.eye(4))
        nibabel.save(image, tmp_path / name / "P1.nii.gz")

    assert ["none/P1.nii.gz", "tumor/P1.nii.gz"] == [row.path for row in read(tmp_path).references]


def test_a_copy_within_a_class_is_left_out(archive):
    picture(archive / "glioma/P1_copy.png", 1)

    imported = read(archive)

    assert 4 == len(imported.references)
    assert any("as copies of other scans of their class: 1" in note for note in imported.notes)


def test_a_scan_under_two_patients_is_refused(archive):
    picture(archive / "glioma/P5_copy.png", 1)

    (problem,) = refused(archive)

    assert "the same scan as glioma/P1_a.png, which is of another patient" in problem


def test_a_scan_that_lies_in_two_classes_is_refused(archive):
    picture(archive / "other/P1_b.png", 1)

    (problem,) = refused(archive)

    assert problem.startswith("other/P1_b.png: the same scan as glioma/P1_a.png")


def test_a_patient_of_two_classes_is_noted(tmp_path):
    picture(tmp_path / "left/P1.png", 1)
    picture(tmp_path / "right/P1.png", 2)

    notes = read(tmp_path).notes

    assert any("patients with scans of several classes: 1" in note for note in notes)
    assert any("--label left" in note for note in notes)
