from __future__ import annotations

import struct

import numpy as np
import pytest
from dicom_factory import an_image, decimals, save
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from medrec.errors import RefusedScanError
from medrec.io.loading import load_file

RAMP = np.arange(48, dtype=np.uint16).reshape(6, 8) * 80


def load(tmp_path, pixels=RAMP, **tags):
    return load_file(save(an_image(pixels, **tags), tmp_path / "image"))


def picture(tmp_path, pixels=RAMP, **tags):
    return load(tmp_path, pixels, **tags).slice_px(0)


def refusal(tmp_path, pixels=RAMP, **tags):
    with pytest.raises(RefusedScanError) as caught:
        load(tmp_path, pixels, **tags)
    return caught.value.code


def test_columns_run_along_i_and_rows_along_j(tmp_path):
    volume = load(tmp_path, modality="DX")

    assert volume.voxels.shape == (1, 8, 6, 1)
    assert volume.voxels[0, 7, 2, 0] == RAMP[2, 7]
    np.testing.assert_array_equal(volume.slice_px(0), RAMP)


def test_rescale_is_applied(tmp_path):
    found = picture(tmp_path, RescaleSlope="0.5", RescaleIntercept="-1024")

    np.testing.assert_array_equal(found, RAMP * np.float32(0.5) - 1024)


def test_signed_values_are_read_and_unused_bits_are_not(tmp_path):
    values = np.arange(-24, 24, dtype=np.int16).reshape(6, 8)

    whole = picture(tmp_path, values)
    cut = picture(tmp_path, (values.view(np.uint16) & 0x0FFF).view(np.int16), BitsStored=12)
    overlaid = picture(tmp_path, RAMP | np.uint16(0x8000), BitsStored=12)

    np.testing.assert_array_equal(whole, values)
    np.testing.assert_array_equal(cut, values)
    np.testing.assert_array_equal(overlaid, RAMP)


@pytest.mark.parametrize("rescale", [{}, {"RescaleSlope": "0.37", "RescaleIntercept": "-11.5"}])
@pytest.mark.parametrize(
    ("values", "inverse"),
    [
        (RAMP, 4095 - RAMP),
        (RAMP.astype(np.int16) - 2048, -1 - (RAMP.astype(np.int16) - 2048)),
    ],
    ids=["unsigned", "signed"],
)
def test_a_monochrome1_image_equals_its_monochrome2_twin_bit_by_bit(
    tmp_path, values, inverse, rescale
):
    bright = load(tmp_path, values, BitsStored=12, **rescale)
    dark = load(
        tmp_path, inverse, BitsStored=12, PhotometricInterpretation="MONOCHROME1", **rescale
    )

    np.testing.assert_array_equal(bright.voxels, dark.voxels)
    assert [note.code for note in dark.notes] == ["polarity_normalised", "no_physical_size"]


def test_a_window_is_inverted_with_its_monochrome1_image(tmp_path):
    tags = {"BitsStored": 12, "WindowWidth": "800"}

    bright = load(tmp_path, WindowCenter="1000", **tags)
    dark = load(
        tmp_path,
        4095 - RAMP,
        WindowCenter="3096",  # 4095 - (1000 - 0.5) + 0.5: PS3.3 C.11.2.1.2
        PhotometricInterpretation="MONOCHROME1",
        **tags,
    )

    assert bright.window == dark.window == (1000.0, 800.0)


def test_an_exact_window_is_inverted_about_its_centre(tmp_path):
    found = load(
        tmp_path,
        BitsStored=12,
        WindowCenter="1000",
        WindowWidth="800",
        VOILUTFunction="LINEAR_EXACT",
        PhotometricInterpretation="MONOCHROME1",
        RescaleSlope="2",
        RescaleIntercept="10",
    )

    assert found.window == (4095 * 2 + 2 * 10 - 1000, 800)


def a_voi_table(first, entries):
    table = Dataset()
    table.LUTDescriptor = [len(entries), first, 16]
    table.LUTData = entries
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "US"
    return Sequence([table])


def test_a_voi_table_is_the_window_that_it_covers(tmp_path):
    found = load(tmp_path, VOILUTSequence=a_voi_table(100, [0] * 50))

    # PS3.3 C.11.2.1.2: lowest up to centre - 0.5 - (width - 1) / 2, highest beyond the other end.
    centre, width = found.window
    assert (100.0, 149.0) == (centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2)


def test_a_window_outranks_a_voi_table(tmp_path):
    tags = {"WindowCenter": "40", "WindowWidth": "80"}

    assert load(tmp_path, VOILUTSequence=a_voi_table(100, [0] * 50), **tags).window == (40, 80)


def test_an_inverse_presentation_inverts_once(tmp_path):
    both = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}

    shape_alone = picture(tmp_path, BitsStored=12, PresentationLUTShape="INVERSE")
    with_monochrome1 = picture(tmp_path, BitsStored=12, **both)

    np.testing.assert_array_equal(shape_alone, 4095 - RAMP)
    np.testing.assert_array_equal(with_monochrome1, 4095 - RAMP)


PADDED = np.where(RAMP < 900, 2000, RAMP).astype(np.uint16)


def test_padding_is_as_dark_as_the_darkest_pixel_that_is_none(tmp_path):
    found = picture(tmp_path, PADDED, PixelPaddingValue=2000)

    np.testing.assert_array_equal(found, np.where(PADDED == 2000, 960, PADDED))


def test_padding_of_a_monochrome1_image_is_dark_too(tmp_path):
    tags = {"BitsStored": 12, "PhotometricInterpretation": "MONOCHROME1"}

    found = picture(tmp_path, PADDED, PixelPaddingValue=2000, **tags)

    np.testing.assert_array_equal(found, np.where(PADDED == 2000, 4095 - 3760, 4095 - PADDED))


def test_a_range_of_padding_is_padding_from_end_to_end(tmp_path):
    values = RAMP.astype(np.int16) - 2000

    found = picture(tmp_path, values, PixelPaddingValue=-1200, PixelPaddingRangeLimit=-2000)

    np.testing.assert_array_equal(found, np.maximum(values, -1120))


def test_an_image_that_is_all_padding_is_left_alone(tmp_path):
    found = picture(tmp_path, PixelPaddingValue=0, PixelPaddingRangeLimit=65535)

    np.testing.assert_array_equal(found, RAMP)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_modality_table_is_looked_up(tmp_path, photometric):
    table = Dataset()
    table.LUTDescriptor = [256, 0, 16]
    table.LUTData = [value * value for value in range(256)]
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "US"
    values = np.arange(48, dtype=np.uint8).reshape(6, 8)

    found = picture(
        tmp_path,
        values,
        ModalityLUTSequence=Sequence([table]),
        PhotometricInterpretation=photometric,
    )

    squares = values.astype(float) ** 2
    wanted = squares if photometric == "MONOCHROME2" else 65535 - squares
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("slope", "intercept"),
    [("0", "0"), ("1", "1e30"), ("1e30", "0"), ("1e-9", "1000"), ("nan", "0"), ("1", "inf")],
)
def test_a_rescale_that_leaves_no_image_is_refused(tmp_path, slope, intercept):
    path = save(
        an_image(RAMP, RescaleSlope="7777777.7", RescaleIntercept="6666666.6"), tmp_path / "image"
    )
    content = path.read_bytes()
    for old, new in ((b"7777777.7 ", slope), (b"6666666.6 ", intercept)):
        assert old in content
        content = content.replace(old, new.encode().ljust(len(old)))
    path.write_bytes(content)

    with pytest.raises(RefusedScanError) as caught:
        load_file(path)

    assert caught.value.code == "bad_rescale"


@pytest.mark.parametrize("planes", [0, 1])
def test_colour_becomes_grey(tmp_path, planes):
    colour = np.random.default_rng(1).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    stored = colour if planes == 0 else colour.transpose(2, 0, 1)
    image = an_image(colour, PlanarConfiguration=planes)
    image.PixelData = np.ascontiguousarray(stored).tobytes()

    found = load_file(save(image, tmp_path / "image")).slice_px(0)

    np.testing.assert_allclose(found, colour @ [0.299, 0.587, 0.114], atol=1e-4)


def test_grey_in_colour_stays_what_it_is(tmp_path):
    grey = RAMP.astype(np.uint8)

    found = picture(tmp_path, np.repeat(grey[:, :, np.newaxis], 3, axis=2))

    np.testing.assert_array_equal(found, grey)


@pytest.mark.parametrize("value", [0, 77])
def test_a_constant_image_is_blank(tmp_path, value):
    assert refusal(tmp_path, np.full((6, 8), value, np.uint16)) == "blank_image"


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16])
def test_a_compressed_image_equals_the_uncompressed_one(tmp_path, syntax, kind):
    values = np.random.default_rng(3).integers(0, 250, (40, 56)).astype(kind)
    if kind is np.int16:
        values -= 100
    image = an_image(values)
    plugins = {RLELossless: "pydicom", JPEG2000Lossless: "pylibjpeg", JPEGLSLossless: "pyjpegls"}
    image.compress(syntax, encoding_plugin=plugins[syntax], generate_instance_uid=False)

    found = load_file(save(image, tmp_path / "image")).slice_px(0)

    np.testing.assert_array_equal(found, values)


def test_big_endian_pixels_are_read(tmp_path):
    image = an_image(RAMP)
    image.PixelData = RAMP.astype(">u2").tobytes()
    image.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    path = tmp_path / "image"
    dcmwrite(path, image, implicit_vr=False, little_endian=False, force_encoding=True)

    np.testing.assert_array_equal(load_file(path).slice_px(0), RAMP)


def test_a_broken_stream_is_a_decode_error(tmp_path):
    image = an_image(np.random.default_rng(1).integers(0, 99, (40, 40)).astype(np.uint8))
    image.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg")
    path = save(image, tmp_path / "image")
    content = path.read_bytes()
    start = content.index(b"\xff\x4f\xff\x51")
    path.write_bytes(content[:start] + b"\x13" * 200 + content[start + 200 :])

    with pytest.raises(RefusedScanError) as caught:
        load_file(path)

    assert caught.value.code == "decode_error"


@pytest.mark.parametrize(
    ("syntax", "old", "new"),
    [
        (JPEG2000Lossless, struct.pack(">2I", 40, 32), struct.pack(">2I", 60_000, 60_000)),
        (JPEGLSLossless, struct.pack(">2H", 32, 40), struct.pack(">2H", 60_000, 60_000)),
    ],
)
def test_a_stream_that_claims_another_size_is_never_decoded(tmp_path, syntax, old, new):
    image = an_image(np.random.default_rng(1).integers(0, 99, (32, 40)).astype(np.uint8))
    image.compress(syntax)
    path = save(image, tmp_path / "image")
    content = path.read_bytes()
    pixels = content.index(b"\xe0\x7f\x10\x00")
    path.write_bytes(content[:pixels] + content[pixels:].replace(old, new, 1))

    with pytest.raises(RefusedScanError, match="60000 by 60000") as caught:
        load_file(path)

    assert caught.value.code == "size_mismatch"


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_a_compressed_file_that_ends_early_is_refused(tmp_path, syntax):
    image = an_image(np.random.default_rng(1).integers(0, 99, (40, 40)).astype(np.uint8))
    image.compress(syntax)
    path = save(image, tmp_path / "image")
    path.write_bytes(path.read_bytes()[:-400])

    with pytest.raises(RefusedScanError) as caught:
        load_file(path)

    assert caught.value.code in {"truncated", "decode_error"}


def test_a_film_has_no_geometry(tmp_path):
    assert load(tmp_path, modality="DX", PixelSpacing=["0.2", "0.2"]).geometry is None


def test_a_lone_slice_with_a_place_has_a_geometry(tmp_path):
    tags = {
        "ImagePositionPatient": decimals([1, 2, 3]),
        "ImageOrientationPatient": decimals([1, 0, 0, 0, 1, 0]),
        "PixelSpacing": ["0.75", "0.5"],
    }

    thick = load(tmp_path, SliceThickness="4", **tags)
    unknown = load(tmp_path, **tags)

    wanted = [[0.5, 0, 0, 1], [0, 0.75, 0, 2], [0, 0, 4, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(thick.geometry.affine_lps, wanted)
    assert unknown.geometry is None
