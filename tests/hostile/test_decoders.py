"""Pixels that are made to break decoders: each costs its own file, and the next one is decoded."""

from __future__ import annotations

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from dicom_factory import an_image, save
from encoded_images import Kind, encoded
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from medrec.errors import ScanError
from medrec.io.decoding_worker import shared_worker
from medrec.io.loading import load_file

RAMP = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
COMPRESSED = (
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
    RLELossless,
)


def with_stream(stream, syntax, **tags):
    image = an_image(RAMP, **tags)
    image.PixelData = encapsulate([stream])
    image["PixelData"].is_undefined_length = True
    image.file_meta.TransferSyntaxUID = syntax
    return image


def code_of(path):
    try:
        load_file(path)
    except ScanError as error:
        return error.code
    return "ok"


@pytest.fixture(autouse=True)
def _the_next_file_is_decoded(tmp_path):
    yield
    assert "ok" == code_of(save(an_image(RAMP), tmp_path / "next"))


def an_rle_stream(runs):
    """Two segments, each of so many runs of 128 bytes."""
    segment = b"\x81\x00" * runs
    header = struct.pack("<16I", 2, 64, 64 + len(segment), *[0] * 13)
    return header + segment + segment


def test_a_run_length_bomb_whose_header_admits_it_is_too_large(tmp_path):
    bomb = with_stream(an_rle_stream(1000), RLELossless, Rows=40_000, Columns=40_000)

    assert "too_large" == code_of(save(bomb, tmp_path / "bomb"))


def test_a_run_length_bomb_whose_header_denies_it_is_no_picture(tmp_path):
    bomb = with_stream(an_rle_stream(2_000_000), RLELossless)  # 8 MB that grow to 512 MB

    assert code_of(save(bomb, tmp_path / "bomb")) in {"decode_error", "decoder_crashed"}


@pytest.mark.parametrize("cut", [0, 10, 64, 80])
def test_a_cut_run_length_stream_is_no_picture(tmp_path, cut):
    image = with_stream(an_rle_stream(64)[:cut] or b"\0\0", RLELossless)

    assert code_of(save(image, tmp_path / "cut")) in {"decode_error", "decoder_crashed"}


def test_run_length_offsets_beyond_the_stream_are_no_picture(tmp_path):
    stream = struct.pack("<16I", 2, 64, 2**32 - 1, *[0] * 13) + b"\x81\x00" * 64

    assert code_of(save(with_stream(stream, RLELossless), tmp_path / "beyond")) in {
        "decode_error",
        "decoder_crashed",
    }


@pytest.mark.parametrize("side", [60_000, 65_535])
def test_a_jpeg_2000_stream_that_lies_with_its_header_is_too_large(tmp_path, side):
    stream = imagecodecs.jpeg2k_encode(RAMP, level=0, codecformat="J2K")
    lie = stream.replace(struct.pack(">2I", 64, 64), struct.pack(">2I", side, side))
    assert lie != stream

    image = with_stream(lie, JPEG2000Lossless, Rows=side, Columns=side)

    assert "too_large" == code_of(save(image, tmp_path / "lie"))


def test_a_lie_within_the_limit_costs_no_more_than_its_file(tmp_path):
    """1.8 GB are within what a file may grow to; the stream holds 64 x 64 pixels of them."""
    stream = imagecodecs.jpeg2k_encode(RAMP, level=0, codecformat="J2K")
    lie = stream.replace(struct.pack(">2I", 64, 64), struct.pack(">2I", 30_000, 30_000))

    image = with_stream(lie, JPEG2000Lossless, Rows=30_000, Columns=30_000)

    assert code_of(save(image, tmp_path / "lie")) in {
        "decode_error",
        "decoder_crashed",
        "too_large",
        "blank_image",
    }


@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda syntax: syntax.name)
def test_a_garbage_stream_is_a_decode_error(tmp_path, syntax):
    garbage = np.random.default_rng(8).integers(0, 256, 4096).astype(np.uint8).tobytes()

    found = code_of(save(with_stream(garbage, syntax), tmp_path / "garbage"))

    assert found in {"decode_error", "decoder_crashed"}


@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda syntax: syntax.name)
def test_streams_with_flipped_bytes_end_in_a_picture_or_a_reason(tmp_path, syntax):
    kind = Kind(8, 8) if syntax == JPEGBaseline8Bit else Kind(12)
    image = encoded(kind.noise(frames=1, rows=33, columns=47), kind, syntax)
    whole, rng = image.PixelData, np.random.default_rng(4)
    ends = []

    for number in range(25):
        content = bytearray(whole)
        for place in rng.integers(16, len(content), rng.integers(1, 9)):
            content[place] = rng.integers(256)
        image.PixelData = bytes(content)
        ends.append(code_of(save(image, tmp_path / str(number))))

    assert set(ends) <= {
        "ok",
        "decode_error",
        "decoder_crashed",
        "size_mismatch",
        "truncated",
        "malformed",
        "too_large",
        "blank_image",
        "timeout",
    }
    assert len(ends) == 25


@pytest.mark.slow
def test_a_deflate_bomb_is_refused(tmp_path):
    image = an_image(RAMP)
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = save(image, tmp_path / "bomb")
    head = path.read_bytes()
    start = 132 + 12 + struct.unpack_from("<I", head, 140)[0]
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = deflater.compress(bytes(1 << 24)) + deflater.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(head[:start] + block * 140)  # 2.2 GB of zeros in 2.3 MB

    assert path.stat().st_size < 4_000_000
    assert "inflate_limit" == code_of(path)


def test_one_process_has_decoded_all_that_did_not_kill_it(tmp_path):
    load_file(save(an_image(RAMP), tmp_path / "a"))
    first = shared_worker().process_id

    code_of(save(with_stream(b"\xff\xd8garbage", JPEGBaseline8Bit), tmp_path / "b"))
    load_file(save(an_image(RAMP), tmp_path / "c"))

    assert first == shared_worker().process_id
