"""Digests of files, by which copies are recognised."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PREAMBLE_AND_MAGIC_BYTES = 132
_GROUP_LENGTH_TAG = b"\x02\x00\x00\x00UL\x04\x00"
_META_START_BYTES = _PREAMBLE_AND_MAGIC_BYTES + len(_GROUP_LENGTH_TAG) + 4


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dataset_digest(path: Path) -> str:
    """SHA-256 of a DICOM file's dataset, in hexadecimal.

    Preamble and file meta group are left out: whoever passes a file on rewrites them.
    """
    with path.open("rb") as file:
        file.seek(dataset_offset(file.read(_META_START_BYTES)))
        return hashlib.file_digest(file, "sha256").hexdigest()


def dataset_offset(head: bytes) -> int:
    """Where the dataset starts in a DICOM file, from its first 144 bytes; 0 if they don't say."""
    length = head[_PREAMBLE_AND_MAGIC_BYTES:_META_START_BYTES]
    if len(length) < 12 or not length.startswith(_GROUP_LENGTH_TAG):  # noqa: PLR2004
        return 0
    return _META_START_BYTES + int(struct.unpack("<L", length[8:])[0])
