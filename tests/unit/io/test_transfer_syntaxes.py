"""Each transfer syntax, each kind of pixel: against the original, or a second decoder."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from encoded_images import NATIVE, NEAR, Kind, encoded, raw_bits, write
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from medrec.io.dicom_decoders import DECODERS
from medrec.io.dicom_file import read_whole
from medrec.io.dicom_pixels import decode_frames

LUMA = [0.299, 0.587, 0.114]
GREY = [
    Kind(8, 8),
    Kind(8, 8, is_signed=True),
    Kind(8),
    Kind(10),
    Kind(12),
    Kind(12, is_signed=True),
    Kind(16),
    Kind(16, is_signed=True),
]
WIDE = [Kind(32, 32), Kind(20, 32), Kind(24, 32, is_signed=True)]
COLOUR = [Kind(8, 8, samples=3)]
DEEP_COLOUR = [Kind(16, samples=3), Kind(12, samples=3)]

LOSSLESS = {
    **dict.fromkeys(NATIVE, GREY + WIDE + COLOUR + DEEP_COLOUR),
    RLELossless: GREY + WIDE + COLOUR + DEEP_COLOUR,
    JPEGLossless: GREY + COLOUR + DEEP_COLOUR,
    JPEGLosslessSV1: GREY + COLOUR + DEEP_COLOUR,
    JPEGLSLossless: GREY + COLOUR + DEEP_COLOUR[:1],
    JPEG2000Lossless: GREY + COLOUR + DEEP_COLOUR[:1],
    HTJ2KLossless: GREY + COLOUR + DEEP_COLOUR[:1],
    HTJ2KLosslessRPCL: GREY + COLOUR,
}
LOSSY = {
    JPEGBaseline8Bit: [Kind(8, 8), *COLOUR],
    JPEGExtended12Bit: [Kind(8, 8), Kind(12), Kind(12, is_signed=True), *COLOUR],
    JPEGLSNearLossless: [Kind(8, 8), Kind(12), Kind(16), *COLOUR],
    JPEG2000: [Kind(8, 8), Kind(12), Kind(12, is_signed=True), Kind(16), *COLOUR],
    HTJ2K: [Kind(8, 8), Kind(12), Kind(16, is_signed=True), *COLOUR],
}


def cases(table):
    return [
        pytest.param(syntax, kind, id=f"{syntax.name.split('(')[0].strip()}-{kind.name}")
        for syntax, kinds in table.items()
        for kind in kinds
    ]


def to_grey(values, kind):
    return values @ LUMA if kind.samples > 1 else values


def decoded(image, tmp_path):
    return decode_frames(read_whole(write(image, tmp_path / "image")))


def test_the_tables_cover_every_syntax_that_has_a_decoder():
    assert set(DECODERS) == {*LOSSLESS, *LOSSY}


@pytest.mark.parametrize(("frames", "rows", "columns"), [(1, 41, 57), (3, 15, 17)])
@pytest.mark.parametrize(("syntax", "kind"), cases(LOSSLESS))
def test_a_lossless_image_is_the_original_to_the_last_bit(
    tmp_path, syntax, kind, frames, rows, columns
):
    values = kind.noise(frames=frames, rows=rows, columns=columns)

    found = decoded(encoded(values, kind, syntax), tmp_path)

    np.testing.assert_array_equal(to_grey(values, kind), found)


@pytest.mark.parametrize(("syntax", "kind"), cases(LOSSY))
def test_a_lossy_image_is_the_original_within_its_loss(tmp_path, syntax, kind):
    values = kind.ramp(frames=2, rows=41, columns=57)

    found = decoded(encoded(values, kind, syntax), tmp_path)

    loss = NEAR if syntax == JPEGLSNearLossless else 0.015 * 2**kind.bits_stored
    np.testing.assert_allclose(found, to_grey(values, kind), atol=loss)


def second_opinions():
    """Another decoder for a stream: where two agree, neither invents anything."""
    pillow = {"decoding_plugin": "pillow", "raw": True}
    return {
        JPEGBaseline8Bit: lambda image, _: get_decoder(JPEGBaseline8Bit).as_array(image, **pillow),
        JPEGLSNearLossless: lambda _, stream: [imagecodecs.jpegls_decode(stream)],
        JPEG2000: lambda _, stream: [imagecodecs.jpeg2k_decode(stream)],
        JPEGLossless: lambda _, stream: [imagecodecs.ljpeg_decode(stream)],
        RLELossless: lambda image, _: get_decoder(RLELossless).as_array(
            image, decoding_plugin="pydicom"
        ),
        HTJ2KLossless: lambda image, _: get_decoder(HTJ2KLossless).as_array(
            image, decoding_plugin="pylibjpeg"
        ),
    }


@pytest.mark.parametrize(
    ("syntax", "kind"),
    cases(
        {
            syntax: [Kind(8, 8)] if syntax == JPEGBaseline8Bit else [Kind(8, 8), Kind(12)]
            for syntax in second_opinions()
        }
    ),
)
def test_a_second_decoder_reads_the_same(tmp_path, syntax, kind):
    image = encoded(kind.ramp(frames=1, rows=41, columns=57), kind, syntax)
    stream = next(generate_frames(image.PixelData, number_of_frames=1))

    wanted = second_opinions()[syntax](image, stream)[0]

    found = decoded(image, tmp_path)[0]
    np.testing.assert_array_equal(raw_bits(np.asarray(wanted), kind), raw_bits(found, kind))


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGBaseline8Bit, RLELossless, *NATIVE])
def test_the_grey_of_ybr_is_its_y(tmp_path, syntax):
    kind = Kind(8, 8, samples=3)
    values = kind.ramp(frames=1, rows=41, columns=56)

    image = encoded(values, kind, syntax, photometric="YBR_FULL")

    np.testing.assert_allclose(decoded(image, tmp_path), values[..., 0], atol=3)


def test_the_grey_of_a_subsampled_native_image_is_its_y(tmp_path):
    kind = Kind(8, 8, samples=3)
    values = kind.noise(frames=2, rows=5, columns=8)
    y = values[..., 0].reshape(2, 5, 4, 2)
    chroma = values[:, :, ::2, 1:]
    image = encoded(values, kind, NATIVE[1], photometric="YBR_FULL_422")
    image.PixelData = np.concatenate([y, chroma], axis=-1).tobytes()

    np.testing.assert_array_equal(values[..., 0], decoded(image, tmp_path))


def test_an_adobe_marker_says_which_colours_a_jpeg_holds(tmp_path):
    kind = Kind(8, 8, samples=3)
    values = kind.ramp(frames=1, rows=40, columns=56)
    image = encoded(values, kind, JPEGBaseline8Bit)
    image.PhotometricInterpretation = "YBR_FULL_422"

    found = decoded(image, tmp_path)

    np.testing.assert_allclose(found, values @ LUMA, atol=3)


@pytest.mark.parametrize("mct", ["YBR_RCT", "YBR_ICT"])
def test_a_jpeg_2000_image_comes_back_as_rgb_whatever_its_transform(tmp_path, mct):
    kind = Kind(8, 8, samples=3)
    values = kind.ramp(frames=1, rows=41, columns=57)
    syntax = JPEG2000Lossless if mct == "YBR_RCT" else JPEG2000

    found = decoded(encoded(values, kind, syntax, photometric=mct), tmp_path)

    np.testing.assert_allclose(found, values @ LUMA, atol=0 if mct == "YBR_RCT" else 2)


@pytest.mark.parametrize("syntax", [*NATIVE, RLELossless])
def test_colour_by_plane_is_read_as_colour_by_pixel_is(tmp_path, syntax):
    kind = Kind(8, 8, samples=3)
    values = kind.noise(frames=2, rows=5, columns=8)
    image = encoded(values, kind, syntax)
    image.PlanarConfiguration = 1
    if syntax != RLELossless:
        image.PixelData = values.transpose(0, 3, 1, 2).tobytes()

    np.testing.assert_array_equal(values @ LUMA, decoded(image, tmp_path))


@pytest.mark.parametrize("syntax", [*NATIVE, RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_a_palette_is_looked_up(tmp_path, syntax):
    kind = Kind(8, 8)
    values = kind.noise(frames=1, rows=15, columns=18)
    image = encoded(values, kind, syntax, photometric="PALETTE COLOR")
    tables = np.random.default_rng(2).integers(0, 65536, (3, 256)).astype("<u2")
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        order = "<u2" if image.file_meta.TransferSyntaxUID.is_little_endian else ">u2"
        setattr(image, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        image[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(image, f"{name}PaletteColorLookupTableData", table.astype(order).tobytes())

    wanted = np.tensordot(LUMA, tables.astype(float), axes=1)[values]

    np.testing.assert_allclose(decoded(image, tmp_path), wanted, rtol=1e-12)


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("syntax", [*NATIVE, RLELossless])
def test_bits_above_the_high_bit_are_not_read(tmp_path, syntax, is_signed):
    kind = Kind(12, is_signed=is_signed)
    values = kind.noise(frames=1, rows=5, columns=8)
    rubbish = (values.view(np.uint16) & 0x0FFF) | np.uint16(0xA000)

    found = decoded(encoded(rubbish.view(values.dtype), kind, syntax), tmp_path)

    np.testing.assert_array_equal(values, found)
