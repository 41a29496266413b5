"""DICOM segmentations to boxes in the pixels of their series."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_factory import a_stack, save, save_stack
from seg_factory import VOXELS, a_segmentation, two_series

from medrec.data.importers_seg import import_seg
from medrec.data.patients import patient_of_case, patient_of_header
from medrec.domain.box import Box
from medrec.domain.ids import to_patient_key
from medrec.errors import ManifestError


def an_archive(folder, *, spacing_mm=(0.5, 0.75, 5.0), flipped=False):
    """P1/series with 5 slices of 16 columns x 12 rows, and P1/seg.dcm: columns 3 to 7, rows 2 to 4,
    slices 1 and 2."""
    images = a_stack(VOXELS)
    save_stack(images, folder / "P1" / "series")
    drawn_on = images if spacing_mm[0] == 0.5 else a_stack(VOXELS, spacing_mm=spacing_mm)
    mask = np.zeros((5, 12, 16), dtype=np.uint8)
    mask[1:3, 2:4, 3:7] = 1
    if flipped:
        drawn_on, mask = drawn_on[::-1], mask[::-1]
    save(a_segmentation(drawn_on, mask), folder / "P1" / "seg.dcm")
    return folder


def patient_of(scan):
    return scan.source.split("/")[0]


@pytest.mark.parametrize("flipped", [False, True], ids=["in order", "planes the other way"])
def test_a_segment_becomes_the_box_of_its_voxels(tmp_path, flipped):
    found = import_seg(an_archive(tmp_path, flipped=flipped), patient=patient_of, per="volume")

    ((path, box),) = found.boxes
    assert ("P1/series", Box(3, 2, 7, 4, 1, 3), "glioma") == (path, box.box, box.label)
    assert [("P1/series", "P1", True)] == [
        (row.path, row.patient, row.labels["glioma"]) for row in found.references
    ]


def test_boxes_of_slices_are_one_slice_thick(tmp_path):
    found = import_seg(an_archive(tmp_path), patient=patient_of, per="slice", as_label="tumor")

    assert [Box(3, 2, 7, 4, 1, 2), Box(3, 2, 7, 4, 2, 3)] == [box.box for _, box in found.boxes]
    assert {"type": "glioma"} == found.boxes[0][1].attributes


def test_a_segmentation_on_another_grid_is_an_error(tmp_path):
    archive = an_archive(tmp_path, spacing_mm=(0.7, 0.75, 5.0))

    with pytest.raises(ManifestError, match="its grid is another"):
        import_seg(archive, patient=patient_of, per="volume")


def test_a_segmentation_of_a_series_that_is_not_there_is_an_error(tmp_path):
    archive = an_archive(tmp_path)
    for file in (archive / "P1" / "series").iterdir():
        file.unlink()

    with pytest.raises(ManifestError, match="was drawn on 0 of the series here"):
        import_seg(archive, patient=patient_of, per="volume")


def test_a_folder_without_a_segmentation_says_so(tmp_path):
    save_stack(a_stack(VOXELS), tmp_path / "series")

    with pytest.raises(ManifestError, match="holds no DICOM segmentation"):
        import_seg(tmp_path, patient=patient_of, per="volume")


def test_a_segmentation_that_is_cut_short_is_an_error(tmp_path):
    archive = an_archive(tmp_path)
    file = archive / "P1" / "seg.dcm"
    file.write_bytes(file.read_bytes()[:-40])

    with pytest.raises(ManifestError, match=r"P1/seg\.dcm: "):
        import_seg(archive, patient=patient_of, per="volume")


def patients_of(archive, tell):
    return [row.patient for row in import_seg(archive, patient=tell, per="volume").references]


def test_two_studies_of_one_patient_id_are_of_one_patient_whose_id_is_hashed(tmp_path):
    archive = two_series(tmp_path, studies=(1, 2))

    first, second = patients_of(archive, patient_of_header(b"k" * 32))

    assert first == second == to_patient_key("PLANTED-1", key=b"k" * 32)


def test_two_patient_ids_are_of_two_patients(tmp_path):
    archive = two_series(tmp_path, studies=(1, 2), patients=("PLANTED-1", "PLANTED-2"))

    assert 2 == len({*patients_of(archive, patient_of_header(b"k" * 32))})


def test_a_series_without_a_patient_id_is_an_error(tmp_path):
    archive = two_series(tmp_path, studies=(1, 2), patients=("PLANTED-1", ""))

    with pytest.raises(ManifestError, match="b/series: states no PatientID") as error:
        patients_of(archive, patient_of_header(b"k" * 32))

    assert "PLANTED" not in str(error.value)


@pytest.mark.parametrize(("studies", "count"), [((1, 1), 1), ((1, 2), 2)])
def test_series_of_one_study_are_never_two_patients(tmp_path, studies, count):
    assert count == len({*patients_of(two_series(tmp_path, studies=studies), patient_of_case)})
