"""The size that a JPEG, JPEG-LS or JPEG 2000 stream states itself.

A decoder allocates what the stream says, not what the DICOM header says: compare them first.
"""

from __future__ import annotations

import struct

_JPEG2000 = b"\xff\x4f\xff\x51"
_JP2_BOX = b"\x00\x00\x00\x0cjP  "
_JPEG = b"\xff\xd8"
_START_OF_SCAN = 0xDA
# Start of frame markers: 0xC0 to 0xCF but for DHT, JPG and DAC; 0xF7 is that of JPEG-LS.
_START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


def stream_size(stream: bytes) -> tuple[int, int] | None:
    """Rows and columns as the stream states them; None if it is none of ours, or broken."""
    try:
        if stream.startswith((_JPEG2000, _JP2_BOX)):
            return _jpeg2000_size(stream)
        return _jpeg_size(stream) if stream.startswith(_JPEG) else None
    except struct.error:
        return None


def _jpeg2000_size(stream: bytes) -> tuple[int, int] | None:
    """From the SIZ segment (ISO/IEC 15444-1 A.5.1), which follows the start of the stream."""
    start = stream.find(_JPEG2000)
    if start < 0:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", stream, start + 8)
    return bottom - top, right - left


def _jpeg_size(stream: bytes) -> tuple[int, int] | None:
    """From the first frame segment (ISO/IEC 10918-1 B.2.2)."""
    place = 2
    while True:
        prefix, marker, length = struct.unpack_from(">BBH", stream, place)
        if prefix != 0xFF or marker == _START_OF_SCAN:  # noqa: PLR2004 (every marker's first byte)
            return None
        if marker in _START_OF_FRAME:
            rows, columns = struct.unpack_from(">HH", stream, place + 5)
            return rows, columns
        if marker == 0xFF:  # noqa: PLR2004 (a fill byte before a marker)
            place += 1
        else:
            place += 2 + length
