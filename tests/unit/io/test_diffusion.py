from __future__ import annotations

import numpy as np
import pytest
from dicom_factory import an_image, save
from pydicom.uid import ImplicitVRLittleEndian

from medrec.io.discover import FoundFile
from medrec.io.header import read_header

VENDORS = [
    ("SIEMENS", 0x0019, "SIEMENS MR HEADER", 0x0C, "IS", "1000", 1000.0),
    ("GE MEDICAL SYSTEMS", 0x0043, "GEMS_PARM_01", 0x39, "IS", ["1000000800", 8, 0, 0], 800.0),
    ("GE MEDICAL SYSTEMS", 0x0043, "GEMS_PARM_01", 0x39, "IS", ["1000000000", 8, 0, 0], 0.0),
    ("GE MEDICAL SYSTEMS", 0x0043, "GEMS_PARM_01", 0x39, "IS", ["2", 0, 0, 0], None),
    ("Philips", 0x2001, "Philips Imaging DD 001", 0x03, "FL", 600.0, 600.0),
    ("Philips", 0x2001, "SOMEONE ELSE", 0x03, "FL", 600.0, None),
    ("ACME", 0x0019, "SIEMENS MR HEADER", 0x0C, "IS", "1000", None),
]


@pytest.mark.parametrize("is_implicit", [False, True])
@pytest.mark.parametrize("case", VENDORS)
def test_a_vendor_s_b_value_is_read_under_its_creator_alone(tmp_path, case, is_implicit):
    maker, group, creator, offset, vr, value, b = case
    image = an_image(np.arange(48, dtype=np.uint16).reshape(6, 8), Manufacturer=maker)
    image.private_block(group, creator, create=True).add_new(offset, vr, value)
    if is_implicit:
        image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    path = save(image, tmp_path / "image")

    assert b == read_header(FoundFile(path=path, source="image")).b_value


def test_the_standard_b_value_comes_first(tmp_path):
    image = an_image(np.arange(48, dtype=np.uint16).reshape(6, 8), DiffusionBValue=500.0)
    image.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", "1000")
    path = save(image, tmp_path / "image")

    assert read_header(FoundFile(path=path, source="image")).b_value == 500.0
