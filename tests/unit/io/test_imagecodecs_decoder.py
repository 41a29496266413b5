from __future__ import annotations

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
    imagecodecs = pytest.importorskip("imagecodecs")
    values = np.random.default_rng(3).integers(0, 2**bits, (40, 56))
    values = (values - (2 ** (bits - 1) if kind is np.int16 else 0)).astype(kind)
    stored = values.view(np.uint16) & np.uint16(2**bits - 1)
    stream = imagecodecs.ljpeg_encode(stored, bitspersample=bits)

    image = compressed(values, stream, syntax, BitsStored=bits)
    found = load_file(save(image, tmp_path / "image")).slice_px(0)

    np.testing.assert_array_equal(found, values)


def test_a_12_bit_image_is_read_within_its_loss(tmp_path):
    imagecodecs = pytest.importorskip("imagecodecs")
    rows, columns = np.mgrid[:40, :56]
    values = (rows * 50 + columns * 30).astype(np.uint16)
    stream = imagecodecs.jpeg_encode(values, level=99, bitspersample=12)

    image = compressed(values, stream, JPEGExtended12Bit, BitsStored=12)
    found = load_file(save(image, tmp_path / "image")).slice_px(0)

    assert np.abs(found - values).max() < 20
