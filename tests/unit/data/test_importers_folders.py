"""Folders that stand for classes."""

import numpy as np
import pytest
from PIL import Image

from medrec.data.importers_folders import PositiveFolders, import_folders
from medrec.domain.ids import PatientKey
from medrec.errors import ManifestError
from medrec.io.index import index_scans
from tests.dicom_factory import a_stack, save_stack


def add_picture(root, name, seed=0):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (12, 12), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def add_series(root, name, *, number=1, **tags):
    voxels = np.random.default_rng(number).integers(0, 99, (8, 8, 3), dtype=np.int16)
    images = a_stack(voxels, **tags)
    for image in images:
        image.SeriesInstanceUID += f".{number}"
        image.SOPInstanceUID += f".{number}"
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    save_stack(images, root / name)


def read(root, **options):
    index = index_scans(root, patient_key=lambda patient: PatientKey(f"key of {patient}"))
    return import_folders(index, where="archive", **options)


def problems_of(root, **options):
    with pytest.raises(ManifestError) as caught:
        read(root, **options)
    return caught.value.problems


def test_each_folder_is_a_label_that_excludes_the_others(tmp_path):
    add_picture(tmp_path, "benign/1.png")
    add_picture(tmp_path, "malignant/deeper/2.png", seed=2)

    rows = read(tmp_path).references

    assert [
        ("benign/1.png", {"benign": True, "malignant": False}),
        ("malignant/deeper/2.png", {"benign": False, "malignant": True}),
    ] == [(row.path, row.labels) for row in rows]


def test_some_folders_are_positive_for_one_label(tmp_path):
    for number, name in enumerate(("cyst", "glioma", "meningioma")):
        add_picture(tmp_path, f"{name}/1.png", seed=number)
    positives = PositiveFolders("tumor", frozenset({"glioma", "meningioma"}))

    rows = read(tmp_path, positives=positives).references

    assert [False, True, True] == [row.labels["tumor"] for row in rows]


def test_a_series_of_several_files_is_named_by_its_folder(tmp_path):
    add_series(tmp_path, "sick/A", PatientID="P1")
    add_picture(tmp_path, "well/1.png")

    assert ["sick/A", "well/1.png"] == [row.path for row in read(tmp_path).references]


def test_the_patient_is_the_key_of_the_header_or_the_scan_itself(tmp_path):
    add_series(tmp_path, "sick/A", PatientID="P1")
    add_picture(tmp_path, "well/1.png")

    found = read(tmp_path)

    assert ["key of P1", "well/1.png"] == [row.patient for row in found.references]
    assert 1 == found.without_patient


def test_a_pattern_finds_the_patient_in_the_path(tmp_path):
    add_picture(tmp_path, "a/p7_left.png", seed=1)
    add_picture(tmp_path, "b/p7_right.png", seed=2)

    found = read(tmp_path, patient=lambda path: path.split("/")[1][:2])

    assert (["p7", "p7"], 0) == ([row.patient for row in found.references], found.without_patient)


def test_junk_is_passed_over(tmp_path):
    add_picture(tmp_path, "a/1.png", seed=1)
    add_picture(tmp_path, "b/2.png", seed=2)
    (tmp_path / "b/Thumbs.db").write_bytes(b"junk")
    (tmp_path / "b/notes.txt").write_text("who read them")

    assert 2 == len(read(tmp_path).references)


def test_all_that_is_wrong_is_listed_at_once(tmp_path):
    add_picture(tmp_path, "patient/1.png", seed=1)
    add_picture(tmp_path, "benign/2.png", seed=2)
    add_picture(tmp_path, "lost.png", seed=3)
    (tmp_path / "benign/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")

    told = "\n".join(problems_of(tmp_path, patient=lambda path: None if "2" in path else "P"))

    assert "patient: means something else in a manifest" in told
    assert "lost.png: lies in no class" in told
    assert "benign/broken.png: " in told
    assert "benign/2.png: --patient finds no patient" in told


def test_two_series_in_one_folder_can_not_be_named(tmp_path):
    add_series(tmp_path, "sick/A", number=1)
    for path in sorted((tmp_path / "sick/A").iterdir()):
        path.rename(path.with_name(f"first-{path.name}"))
    add_series(tmp_path, "sick/A", number=2)
    add_picture(tmp_path, "well/1.png")

    problems = problems_of(tmp_path)

    assert 2 == sum("no folder of its own" in problem for problem in problems)


def test_a_scan_that_lies_in_two_classes_is_told(tmp_path):
    for name in ("a/1.png", "well/2.png"):
        add_picture(tmp_path, name, seed=1)
    add_picture(tmp_path, "well/3.png", seed=2)

    assert ("well/2.png: the same scan as a/1.png, which lies in another class",) == problems_of(
        tmp_path
    )


def test_a_copy_within_a_class_is_passed_over(tmp_path):
    for name in ("a/1.png", "a/2.png"):
        add_picture(tmp_path, name, seed=1)
    add_picture(tmp_path, "well/3.png", seed=2)

    assert ["a/1.png", "well/3.png"] == [row.path for row in read(tmp_path).references]


@pytest.mark.parametrize(
    ("positive", "told"),
    [({"b"}, "--positive b: no such folder"), ({"a", "well"}, "every class is positive")],
)
def test_positive_folders_must_be_some_of_those_that_are_there(tmp_path, positive, told):
    add_picture(tmp_path, "a/1.png", seed=1)
    add_picture(tmp_path, "well/2.png", seed=2)

    problems = problems_of(tmp_path, positives=PositiveFolders("x", frozenset(positive)))

    assert told in "\n".join(problems)


def test_an_archive_of_one_class_teaches_nothing(tmp_path):
    add_picture(tmp_path, "a/1.png")

    assert any("two at least" in problem for problem in problems_of(tmp_path))
