from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from dicom_factory import an_image, save
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

from medrec.io.loading import load_file


def compressed(stored, stream, syntax, **tags):
    image = an_image(stored, **tags)
    image.PixelData = encapsulate([stream])
    image["PixelData"].is_undefined_length = True
    image.file_meta.TransferSyntaxUID = syntax
    return image


@pytest.mark.parametrize("syntax", [JPEGLossless, JPEGLosslessSV1])
@pytest.mark.parametrize(("kind", "bits"), [(np.uint16, 16), (np.uint16, 12), (np.int16, 12)])
def test_a_lossless_image_equals_the_uncompressed_one(tmp_path, syntax, kind, bits):
    values = np.random.default_rng(3).integers(0, 2**bits, (40, 56))
    values = (values - (2 ** (bits - 1) if kind is np.int16 else 0)).astype(kind)
    stored = values.view(np.uint16) & np.uint16(2**bits - 1)
    stream = imagecodecs.ljpeg_encode(stored, bitspersample=bits)

    image = compressed(values, stream, syntax, BitsStored=bits)
    found = load_file(save(image, tmp_path / "image")).slice_px(0)

    np.testing.assert_array_equal(found, values)


def test_a_12_bit_image_is_read_within_its_loss(tmp_path):
    rows, columns = np.mgrid[:40, :56]
    values = (rows * 50 + columns * 30).astype(np.uint16)
    stream = imagecodecs.jpeg_encode(values, level=99, bitspersample=12)

    image = compressed(values, stream, JPEGExtended12Bit, BitsStored=12)
    found = load_file(save(image, tmp_path / "image")).slice_px(0)

    assert np.abs(found - values).max() < 20


def test_a_lossy_value_beyond_the_stored_bits_stays_the_brightest(tmp_path):
    values = np.zeros((40, 56), np.uint16)
    values[5:27, 5:27] = 1023
    stream = imagecodecs.jpeg_encode(values, level=30, bitspersample=12)
    assert imagecodecs.jpeg_decode(stream).max() > 1023

    image = compressed(values, stream, JPEGExtended12Bit, BitsStored=10)
    found = load_file(save(image, tmp_path / "image")).slice_px(0)

    assert found[8:24, 8:24].min() > 800
    assert found.max() == 1023
