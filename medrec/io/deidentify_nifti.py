"""De-identify one NIfTI file: a header without text, the old voxels bit for bit."""

from __future__ import annotations

import gzip
import math
import zlib
from typing import IO, TYPE_CHECKING, Any, Final, cast

from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header

from medrec.domain.codes import ReasonCode
from medrec.errors import RefusedScanError
from medrec.io.nifti import read_nifti_header

if TYPE_CHECKING:
    from pathlib import Path

    from medrec.io.discover import FoundFile

_GZIP = b"\x1f\x8b"
_TEXT_FIELDS: Final = (
    "data_type", "db_name", "extents", "session_error", "descrip", "aux_file", "intent_name",
    "unused_str",
)  # fmt: skip
"""All that is text, or unused and so of any content, in NIfTI-1 and NIfTI-2."""
_EXTENSION_FLAGS = bytes(4)
_LEVEL = 6


def deidentify_nifti(file: FoundFile, target: Path) -> str:
    """Write a copy of a volume without text: no fields, no extensions, nothing after the voxels.

    Returns its extension. A gzipped file's copy is gzipped, without a name or a time in its header.

    Raises:
        RefusedScanError: As `read_nifti_header`, or `truncated`.
        OSError: A file can't be read or written.
    """
    read_nifti_header(file)
    with file.path.open("rb") as raw:
        is_packed = raw.read(2) == _GZIP
        raw.seek(0)
        try:
            plain = _without_text(
                cast("IO[bytes]", gzip.GzipFile(fileobj=raw) if is_packed else raw)
            )
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise RefusedScanError(ReasonCode.TRUNCATED, "the file ends too early") from error
    if not is_packed:
        target.write_bytes(plain)
        return ".nii"
    with target.open("wb") as written, gzip.GzipFile("", "wb", _LEVEL, written, mtime=0) as packed:
        packed.write(plain)
    return ".nii.gz"


def _without_text(stream: IO[bytes]) -> bytes:
    header = _header_of(stream)
    size, start = header.sizeof_hdr, int(header.get_data_offset())
    if start < size:
        raise RefusedScanError(ReasonCode.MALFORMED, "the voxels start within the header")
    length = int(math.prod(header.get_data_shape())) * header.get_data_dtype().itemsize
    stream.seek(start)
    voxels = stream.read(length)
    if len(voxels) != length:
        raise RefusedScanError(ReasonCode.TRUNCATED, "the file ends amid its voxels")
    for name in _TEXT_FIELDS:
        if name in header.keys():  # noqa: SIM118 (a header is no dict)
            header.structarr[name] = 0 if name in ("extents", "session_error") else b""
    header.structarr["vox_offset"] = size + len(_EXTENSION_FLAGS)
    return bytes(header.binaryblock) + _EXTENSION_FLAGS + voxels


def _header_of(stream: IO[bytes]) -> Any:  # noqa: ANN401 (nibabel is untyped)
    """The header, which keeps every byte of the struct and its byte order."""
    first = stream.read(4)
    sizes = (int.from_bytes(first, "little"), int.from_bytes(first, "big"))
    kind: Any = Nifti1Header if Nifti1Header.sizeof_hdr in sizes else Nifti2Header
    return kind(first + stream.read(kind.sizeof_hdr - 4), check=False)
