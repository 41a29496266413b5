"""Files of the same kind with other grey values."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from dicom_factory import a_stack, an_image, save, save_stack
from PIL import Image

from medrec.domain.ids import PatientKey
from medrec.domain.series import Series
from medrec.errors import RefusedScanError
from medrec.io.discover import FoundFile
from medrec.io.header import read_header
from medrec.io.index import index_scans
from medrec.io.loading import load_volume
from medrec.io.stored import read_film
from medrec.io.stored_volumes import read_volume

FILM = np.random.default_rng(0).integers(20, 200, (40, 30))


def series_of(path):
    return Series((read_header(FoundFile(path, path.name)),))


def a_png(path, dtype=np.uint8):
    Image.fromarray(FILM.astype(dtype)).save(path)
    return path


def a_jpeg(path):
    Image.fromarray(FILM.astype(np.uint8)).save(path, format="JPEG")
    return path


def a_colour_png(path):
    Image.fromarray(np.stack([FILM.astype(np.uint8)] * 3, axis=2)).save(path)
    return path


def a_dicom(path, dtype=np.uint16, **tags):
    return save(an_image(FILM.astype(dtype), modality="DX", **tags), path)


FILMS = {
    "png": lambda folder: a_png(folder / "a.png"),
    "png of 16 bits": lambda folder: a_png(folder / "a.png", np.uint16),
    "jpeg": lambda folder: a_jpeg(folder / "a.jpg"),
    "grey as colour": lambda folder: a_colour_png(folder / "a.png"),
    "dicom": lambda folder: a_dicom(folder / "a.dcm"),
    "dicom of 8 bits": lambda folder: a_dicom(folder / "a.dcm", np.uint8),
    "signed": lambda folder: a_dicom(folder / "a.dcm", np.int16, RescaleSlope="2"),
    "inverted": lambda folder: a_dicom(
        folder / "a.dcm", PhotometricInterpretation="MONOCHROME1", BitsStored=12
    ),
}


@pytest.mark.parametrize("make", FILMS.values(), ids=FILMS)
def test_a_film_with_one_pixel_changed_differs_in_that_pixel_alone(tmp_path, make):
    series = series_of(make(tmp_path))
    film, before = read_film(series), load_volume(series)
    pixels = film.pixels.copy()
    pixels[7, 5] += 30

    after = load_volume(film.write(tmp_path, pixels))

    assert (40, 30) == film.pixels.shape
    assert [[0, 5, 7, 0]] == np.argwhere(after.voxels != before.voxels).tolist()


def test_a_film_of_colour_in_dicom_is_refused_with_what_was_wanted(tmp_path):
    colour = np.zeros((40, 30, 3), dtype=np.uint8)
    colour[:20] = 9
    series = series_of(save(an_image(colour, modality="DX"), tmp_path / "a.dcm"))

    with pytest.raises(RefusedScanError, match="one frame of grey values"):
        read_film(series)


VOXELS = np.random.default_rng(1).integers(20, 900, (12, 10, 8)).astype(np.int16)


@pytest.mark.parametrize(
    ("name", "slope", "inter"), [("a.nii", 1, 0), ("a.nii.gz", 1, 0), ("a.nii", 0.5, -10)]
)
def test_a_raised_voxel_of_a_nifti_file_is_the_only_one_that_changes(tmp_path, name, slope, inter):
    image = nib.Nifti1Image(VOXELS, np.diag([1, 1, 3, 1]))
    image.header.set_slope_inter(slope, inter)
    image.header.set_data_dtype(np.int16)
    image.to_filename(tmp_path / name)
    series = series_of(tmp_path / name)
    before, rise = load_volume(series), np.zeros(VOXELS.shape)
    rise[3, 4, 5] = 7

    after = load_volume(read_volume(series, before).write(tmp_path, rise))

    changed = after.voxels - before.voxels
    assert [[0, 3, 4, 5]] == np.argwhere(changed).tolist()
    assert 7 == pytest.approx(float(changed.max()), abs=slope / 2)
    assert np.allclose(before.geometry.affine_lps, after.geometry.affine_lps)


def test_a_raised_voxel_of_a_dicom_stack_lies_in_the_same_slice(tmp_path):
    save_stack(a_stack(VOXELS, RescaleSlope="2", RescaleIntercept="5"), tmp_path / "scan")
    index = index_scans(tmp_path / "scan", patient_key=PatientKey)
    (series,) = index.cases[0].series
    before, rise = load_volume(series), np.zeros(VOXELS.shape)
    rise[3, 4, 5] = 8

    after = load_volume(read_volume(series, before).write(tmp_path, rise))

    assert [[0, 3, 4, 5]] == np.argwhere(after.voxels != before.voxels).tolist()
    assert 8 == float((after.voxels - before.voxels).max())


def test_a_voxel_of_an_inverted_dicom_stack_is_raised_not_lowered(tmp_path):
    images = a_stack(VOXELS, PhotometricInterpretation="MONOCHROME1")
    save_stack(images, tmp_path / "scan")
    index = index_scans(tmp_path / "scan", patient_key=PatientKey)
    (series,) = index.cases[0].series
    before, rise = load_volume(series), np.zeros(VOXELS.shape)
    rise[3, 4, 5] = 8

    after = load_volume(read_volume(series, before).write(tmp_path, rise))

    assert 8 == float((after.voxels - before.voxels)[0, 3, 4, 5])


def test_a_value_beyond_what_the_bits_can_store_ends_there(tmp_path):
    stored = np.full((40, 30), 4000, dtype=np.uint16)
    stored[:9] = 0
    images = a_stack(np.stack([stored.T] * 4, axis=2), BitsStored=12)
    save_stack(images, tmp_path / "scan")
    index = index_scans(tmp_path / "scan", patient_key=PatientKey)
    (series,) = index.cases[0].series
    before, rise = load_volume(series), np.zeros((30, 40, 4))
    rise[3, 20, 2] = 500

    after = load_volume(read_volume(series, before).write(tmp_path, rise))

    assert 4095 == float(after.voxels.max())
