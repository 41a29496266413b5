"""Read the header of an ordinary DICOM file in one go; what is unusual is left to pydicom.

pydicom keeps every element that it passes and opens the file anew for each question. A scan folder
is mostly images of one scanner, of which some forty elements are wanted: this reader steps over the
others. It never guesses: at the first thing that isn't plain it says so, and `read_head` reads the
file from its start.
"""

from __future__ import annotations

import os
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, cast

from pydicom.dataelem import empty_value_for_VR
from pydicom.filereader import ENCODED_VR
from pydicom.uid import (
    UID,
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from medrec.io.dicom_file import PIXEL_TAGS, DicomHead, PixelElement
from medrec.io.picked_elements import PickedElements, StoredElement, encodings_of

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import FileDataset

_WINDOW_BYTES = 8192
_META_AT = 132
_UNDEFINED_LENGTH = 0xFFFFFFFF
_CHARSET = 0x00080005
_SOP_CLASS = 0x00080016
_SYNTAX_KEY = 0x00100002
_ITEM_END = 0xFFFEE00D
# Group and element are read as one number, which is no tag yet: the group is its lower half.
_EXPLICIT = Struct("<L2sH").unpack_from  # group and element, VR, length (PS3.5 7.1.2)
_IMPLICIT = Struct("<LL").unpack_from  # group and element, length (PS3.5 7.1.3)
_LENGTH = Struct("<L").unpack_from
_LONG_VRS = {vr for vr in ENCODED_VR if vr.decode() in EXPLICIT_VR_LENGTH_32}
_SHORT_VRS = ENCODED_VR - _LONG_VRS
_VR_NAMES = {vr: vr.decode() for vr in ENCODED_VR}
_SYNTAXES = {
    syntax.encode(): UID(syntax)
    for syntax in AllTransferSyntaxes
    if syntax not in (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian)
}


class _NotPlainError(Exception):
    """Something that pydicom has to judge."""


def read_plain_head(path: Path, tags: frozenset[int]) -> DicomHead | None:
    """Read the named top-level elements, up to the pixels; None where it isn't all plain.

    Plain is a file with a preamble, a little-endian dataset that is encoded as the file says, one
    known character set, nothing of undefined length before the pixels, and pixels.

    Raises:
        OSError: The file can't be opened.
    """
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return _read(file, tags)
    except _NotPlainError:
        return None
    finally:
        os.close(file)


def _read(file: int, tags: frozenset[int]) -> DicomHead:
    start = os.read(file, _WINDOW_BYTES)
    syntax, at = _read_meta(start)
    walk = _Walk(file, start, tags)
    pixels = walk.implicit(at) if syntax == ImplicitVRLittleEndian else walk.explicit(at)
    elements = walk.elements
    encodings = encodings_of(_bytes_of(elements, _CHARSET, vr="CS"))
    sop_class = _bytes_of(elements, _SOP_CLASS, vr="UI")
    if encodings is None or not sop_class.startswith(b"1.2.") or b"\\" in sop_class:
        raise _NotPlainError
    dataset = PickedElements(elements, preamble=start[:128], syntax=syntax, encodings=encodings)
    return DicomHead(
        dataset=cast("FileDataset", dataset),
        pixels=pixels,
        has_preamble=True,
        is_cut=False,
        is_mislabelled=False,
    )


def _bytes_of(elements: dict[int, StoredElement], tag: int, *, vr: str) -> bytes:
    stored_vr, value = elements.get(tag, (vr, None))
    if stored_vr not in (None, vr):
        raise _NotPlainError
    return value or b""


def _read_meta(start: bytes) -> tuple[UID, int]:
    """The transfer syntax, and where the dataset begins (PS3.10 7.1)."""
    if start[_META_AT - 4 : _META_AT + 8] != b"DICM\x02\x00\x00\x00UL\x04\x00":
        raise _NotPlainError
    at, end, syntax = _META_AT, len(start) - 12, None
    while at <= end:
        key, vr, length = _EXPLICIT(start, at)
        if key & 0xFFFF != 2:  # noqa: PLR2004 (file meta information)
            break
        at += 8
        if vr in _LONG_VRS:
            length = _LENGTH(start, at)[0]
            at += 4
        elif vr not in _SHORT_VRS:
            raise _NotPlainError
        if key == _SYNTAX_KEY:
            syntax = _SYNTAXES.get(start[at : at + length].rstrip(b"\0")) if vr == b"UI" else None
        at += length
    if syntax is None or at > end or _EXPLICIT(start, at)[0] & 0xFFFF == 0:
        raise _NotPlainError
    return syntax, at


class _Walk:
    """Steps through a dataset, and holds a window of the file.

    `elements` are those of the wanted tags, the last of each where a tag repeats.
    """

    def __init__(self, file: int, window: bytes, tags: frozenset[int]) -> None:
        self.elements: dict[int, StoredElement] = {}
        self._file = file
        self._size = os.fstat(file).st_size
        self._window = window
        self._window_at = 0
        self._tag_of = _tags_by_key(tags)

    def explicit(self, at: int) -> PixelElement:
        """Walk elements that name their VR, from a place in the window to the pixels."""
        tag_of, window, end = self._tag_of, self._window, len(self._window) - 12
        if not _looks_explicit(window, at):
            raise _NotPlainError
        while True:
            if at > end:
                at = self._move_window(at, least=12)
                window, end = self._window, len(self._window) - 12
            key, vr, length = _EXPLICIT(window, at)
            at += 8
            if vr not in _SHORT_VRS:
                length, at = self._long_length(vr, at), at + 4
            if key in tag_of:
                tag = tag_of[key]
                if tag in _STOPS:
                    return self._pixels(tag, at, length)
                self._take(tag, _VR_NAMES[vr], at, length)
            elif length == _UNDEFINED_LENGTH:
                raise _NotPlainError
            at += length

    def implicit(self, at: int) -> PixelElement:
        """Walk elements that don't name their VR, from a place in the window to the pixels."""
        if _looks_explicit(self._window, at):
            raise _NotPlainError
        while True:
            if at > len(self._window) - 8:
                at = self._move_window(at, least=8)
            key, length = _IMPLICIT(self._window, at)
            at += 8
            if key in self._tag_of:
                tag = self._tag_of[key]
                if tag in _STOPS:
                    return self._pixels(tag, at, length)
                self._take(tag, None, at, length)
            elif length == _UNDEFINED_LENGTH:
                raise _NotPlainError
            at += length

    def _move_window(self, at: int, *, least: int) -> int:
        """Read on from a place in the window; the same place in the new one."""
        self._window_at += at
        self._window = os.pread(self._file, _WINDOW_BYTES, self._window_at)
        if len(self._window) < least:
            raise _NotPlainError
        return 0

    def _long_length(self, vr: bytes, at: int) -> int:
        if vr not in _LONG_VRS:
            raise _NotPlainError
        return int(_LENGTH(self._window, at)[0])

    def _take(self, tag: int, vr: str | None, at: int, length: int) -> None:
        value: bytes | None = self._window[at : at + length]
        if not value:
            value = _empty_value(vr)
        elif len(value) < length:
            if length == _UNDEFINED_LENGTH or self._window_at + at + length > self._size:
                raise _NotPlainError
            value = os.pread(self._file, length, self._window_at + at)
        self.elements[tag] = vr, value

    def _pixels(self, tag: int, at: int, length: int) -> PixelElement:
        if tag == _ITEM_END:
            raise _NotPlainError
        return PixelElement(
            keyword=PIXEL_TAGS[tag],
            length=None if length == _UNDEFINED_LENGTH else length,
            available=self._size - self._window_at - at,
        )


_STOPS = {*PIXEL_TAGS, _ITEM_END}


@lru_cache(maxsize=8)
def _tags_by_key(tags: frozenset[int]) -> dict[int, int]:
    """Tags, by group and element as they are read as one number."""
    return {(tag & 0xFFFF) << 16 | tag >> 16: tag for tag in (*tags, *_STOPS)}


@lru_cache(maxsize=64)
def _empty_value(vr: str | None) -> bytes | None:
    return cast("bytes | None", empty_value_for_VR(vr, raw=True))


def _looks_explicit(window: bytes, at: int) -> bool:
    """As pydicom tells it: by two capital letters where the VR of the first element would be."""
    return 0x40 < window[at + 4] < 0x5B and 0x40 < window[at + 5] < 0x5B  # noqa: PLR2004
