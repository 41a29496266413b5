"""De-identify one PNG or JPEG file: the pixels' own bytes, and none beside them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from medrec.domain.codes import ReasonCode
from medrec.errors import RefusedScanError
from medrec.io.raster import read_raster_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from medrec.io.discover import FoundFile

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_KEPT_CHUNKS: Final = {
    b"IHDR": 13, b"PLTE": 768, b"IDAT": None, b"IEND": 0, b"tRNS": 256, b"gAMA": 4, b"cHRM": 32,
    b"sRGB": 1, b"sBIT": 4, b"bKGD": 6, b"pHYs": 9,
}  # fmt: skip
"""Chunks that pixels are decoded or shown with, and the most bytes that they may have."""
_EOI, _SOS, _COM = 0xD9, 0xDA, 0xFE
_APP0, _APP14, _APP_LAST = 0xE0, 0xEE, 0xEF
_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_JFIF_BYTES, _ADOBE_BYTES = 14, 12


def deidentify_raster(file: FoundFile, target: Path) -> str:
    """Write a copy of a picture without text, profiles and thumbnails; returns its extension.

    Nothing is encoded again. What stands after the end of the picture is left behind.

    Raises:
        RefusedScanError: As `read_raster_header`, or `truncated`, `malformed`.
        OSError: A file can't be read or written.
    """
    read_raster_header(file)
    content = file.path.read_bytes()
    is_png = content.startswith(_PNG)
    try:
        kept = b"".join(_png_parts(content) if is_png else _jpeg_parts(content))
    except (IndexError, struct.error) as error:
        raise RefusedScanError(ReasonCode.TRUNCATED, "the picture ends too early") from error
    target.write_bytes(kept)
    return ".png" if is_png else ".jpg"


def _png_parts(content: bytes) -> Iterator[bytes]:
    """The signature and the chunks that stay (PNG, 5.3: length, type, data, CRC)."""
    yield _PNG
    position = len(_PNG)
    while True:
        length, kind = struct.unpack_from(">L4s", content, position)
        end = position + 12 + length
        if end > len(content):
            raise RefusedScanError(ReasonCode.TRUNCATED, "the picture ends too early")
        if kind in _KEPT_CHUNKS:
            most = _KEPT_CHUNKS[kind]
            if most is not None and length > most:
                raise RefusedScanError(ReasonCode.MALFORMED, "a PNG chunk is longer than it may be")
            yield content[position:end]
        if kind == b"IEND":
            return
        position = end


def _jpeg_parts(content: bytes) -> Iterator[bytes]:
    """The segments that stay, and the entropy-coded data between them (ITU-T T.81, B.1)."""
    yield content[:2]
    position, is_scan = 2, False
    while True:
        start, end, marker = _next_marker(content, position)
        if start > position and not is_scan:
            raise RefusedScanError(ReasonCode.MALFORMED, "bytes between the segments of a JPEG")
        yield content[position:start]
        if marker == _EOI:
            yield bytes([0xFF, _EOI])
            return
        (length,) = struct.unpack_from(">H", content, end)
        position, is_scan = end + length, marker == _SOS
        if position > len(content):
            raise RefusedScanError(ReasonCode.TRUNCATED, "the picture ends too early")
        if _is_kept(marker, content[end + 2 : position]):
            yield bytes([0xFF, marker]) + content[end:position]


def _next_marker(content: bytes, position: int) -> tuple[int, int, int]:
    """Where the next segment's marker starts and ends, and which it is."""
    while True:
        start = content.find(b"\xff", position)
        if start < 0:
            raise RefusedScanError(ReasonCode.TRUNCATED, "the picture ends too early")
        position = start
        while content[position] == 0xFF:  # noqa: PLR2004 (fill bytes)
            position += 1
        marker = content[position]
        position += 1
        if marker != 0 and marker not in _STANDALONE:
            return start, position, marker


def _is_kept(marker: int, payload: bytes) -> bool:
    if marker == _COM:
        return False
    if marker == _APP0:  # the pixels' aspect, without a thumbnail
        return payload.startswith(b"JFIF\0") and len(payload) == _JFIF_BYTES
    if marker == _APP14:  # how colours are coded: without it they come out wrong
        return payload.startswith(b"Adobe") and len(payload) == _ADOBE_BYTES
    return not _APP0 < marker <= _APP_LAST
