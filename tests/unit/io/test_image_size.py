"""How large an image is, from its header."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from dicom_factory import a_stack, save_stack
from PIL import Image

from medrec.domain.box import ImageSize
from medrec.io.image_size import known_image_size, read_image_size


def test_a_picture_has_its_columns_and_rows(tmp_path):
    Image.new("L", (30, 20), 7).save(tmp_path / "a.png")

    assert ImageSize(30, 20) == read_image_size(tmp_path / "a.png")


def test_a_volume_cut_along_its_first_axis_has_the_other_two_in_stored_order(tmp_path):
    image = nib.Nifti1Image(np.zeros((6, 40, 50), np.int16), np.diag([5.0, 1.0, 1.0, 1.0]))
    nib.save(image, tmp_path / "v.nii")

    assert ImageSize(40, 50, 6) == read_image_size(tmp_path / "v.nii")


def test_an_image_that_is_not_there_has_no_known_size(tmp_path):
    assert known_image_size(tmp_path / "gone.png") is None


def test_a_folder_of_dicom_has_as_many_slices_as_files(tmp_path):
    save_stack(a_stack(np.ones((16, 12, 5), np.int16)), tmp_path / "series")

    assert ImageSize(16, 12, 5) == read_image_size(tmp_path / "series")
