"""The shipped samples: the same head as NIfTI and as DICOM, twins of both polarities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from medrec.domain.geometry import Geometry
from medrec.domain.ids import PatientKey
from medrec.domain.modality import Sequence
from medrec.io.index import index_scans
from medrec.io.loading import load_file, load_mask

if TYPE_CHECKING:
    from medrec.domain.volume import Volume


def as_stored_along(volume: Volume, other: Volume) -> tuple[np.ndarray, Geometry]:
    """Voxels and affine of a volume, its axes flipped and swapped to those of another one."""
    voxels, affine = volume.voxels[0], volume.geometry.affine_lps.copy()
    to_other = np.linalg.inv(other.geometry.affine_lps[:3, :3]) @ affine[:3, :3]
    order = [int(np.abs(to_other[axis]).argmax()) for axis in range(3)]
    voxels, affine[:3, :3] = voxels.transpose(order), affine[:3, order]
    for axis in range(3):
        if to_other[axis, order[axis]] < 0:
            affine[:3, 3] += (voxels.shape[axis] - 1) * affine[:3, axis]
            affine[:3, axis] *= -1
            voxels = np.flip(voxels, axis)
    return voxels, Geometry(affine)


def test_a_head_is_the_same_as_dicom_and_as_nifti(data_samples):
    dicom = load_file(data_samples / "brain1-dicom")
    nifti = load_file(data_samples / "brain1" / "image.nii.gz")

    voxels, geometry = as_stored_along(dicom, nifti)

    np.testing.assert_allclose(voxels, nifti.voxels[0], atol=1e-3)
    np.testing.assert_allclose(geometry.affine_lps, nifti.geometry.affine_lps, atol=1e-3)
    assert dicom.slice_axis == nifti.slice_axis == 2


def test_a_mask_lies_on_the_grid_of_its_image(data_samples):
    image = load_file(data_samples / "brain1" / "image.nii.gz")
    mask, geometry = load_mask(data_samples / "brain1" / "mask.nii.gz")

    assert mask.shape == image.voxels.shape[1:]
    assert 0 < mask.mean() < 0.1
    np.testing.assert_allclose(geometry.affine_lps, image.geometry.affine_lps, atol=1e-6)


def test_twins_of_both_polarities_are_identical(data_samples):
    folder = data_samples / "awkward" / "polarity"

    bright, dark = load_file(folder / "mono2.dcm"), load_file(folder / "mono1.dcm")

    np.testing.assert_array_equal(bright.voxels, dark.voxels)
    assert bright.window == dark.window


def test_the_samples_are_indexed_as_they_are_meant(data_samples):
    index = index_scans(data_samples, patient_key=lambda patient: PatientKey("p-0"))

    case_of = {case.source.rpartition("/")[0]: case for case in index.cases}
    head = case_of["brain1-dicom"]
    assert [len(series.headers) for series in head.series] == [25]
    assert head.series[0].first.sequence is Sequence.T1C
    assert case_of["awkward/localizer"].series == ()
    assert {reason.code for _, reason in case_of["awkward/localizer"].left_out} == {"localizer"}
    code_of = {record.path: record.code for record in index.records}
    assert code_of["awkward/not_dicom.dcm"] == "not_dicom"
    assert code_of["awkward/truncated.dcm"] == "truncated"


@pytest.mark.parametrize("path", ["chest/chest_pa.dcm", "breast/mammogram_synthetic.dcm"])
def test_a_film_is_dark_around_the_patient(data_samples, path):
    picture = load_file(data_samples / path).slice_px(0)

    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    assert np.median(border) < np.median(picture[picture > np.median(border)])
