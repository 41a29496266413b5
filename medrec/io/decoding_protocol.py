"""What the two ends of a decoding process say to each other: lines of JSON, and voxels as bytes.

No pickle: the one that answers has run decoders on bytes that nobody vouches for, so that its
answer is only ever read as data, and checked.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from medrec.domain.codes import Note, NoteCode, ReasonCode
from medrec.domain.geometry import Geometry
from medrec.domain.series import Series
from medrec.domain.volume import Volume
from medrec.errors import FailedScanError, RefusedScanError, ScanError, SkippedFileError

if TYPE_CHECKING:
    from typing import BinaryIO

    from medrec.domain.series import ImageHeader
    from medrec.domain.volume import Float32Array

Message = dict[str, Any]

_LONGEST_LINE = 1 << 26
_ERRORS: dict[str, type[ScanError]] = {
    kind.__name__: kind for kind in (RefusedScanError, FailedScanError, SkippedFileError)
}


class ProtocolError(Exception):
    """The other end has gone, or says what can't be meant."""


def send(stream: BinaryIO, message: Message) -> None:
    """Write one message.

    Raises:
        OSError: The other end has gone.
    """
    stream.write(json.dumps(message, default=str).encode() + b"\n")
    stream.flush()


def receive(stream: BinaryIO) -> Message:
    """Read one message.

    Raises:
        ProtocolError: The other end has gone, or speaks no JSON.
    """
    line = stream.readline(_LONGEST_LINE)
    try:
        message = json.loads(line)
    except ValueError as error:
        raise ProtocolError from error
    if not isinstance(message, dict):
        raise ProtocolError
    return message


def from_series(series: Series) -> Message:
    """A series as a message; the names of its files may be no valid text."""
    named = [
        replace(header, path=Path(_escaped(str(header.path))), source=_escaped(header.source))
        for header in series.headers
    ]
    return {"headers": [asdict(header) for header in named]}


def to_series(message: Message) -> Series:
    """The series of a message."""
    headers: list[ImageHeader] = list(_series_adapter().validate_python(message).headers)
    return Series(
        tuple(
            replace(h, path=Path(_unescaped(str(h.path))), source=_unescaped(h.source))
            for h in headers
        )
    )


def from_error(error: ScanError) -> Message:
    """A refusal, failure or skip as a message."""
    return {"error": type(error).__name__, "code": error.code, "detail": error.detail}


def to_error(message: Message) -> ScanError:
    """The error of a message.

    Raises:
        ProtocolError: An error that medrec doesn't know.
    """
    try:
        kind = _ERRORS[message["error"]]
        return kind(ReasonCode(message["code"]), str(message["detail"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError from error


def send_volume(stream: BinaryIO, volume: Volume) -> None:
    """Write a volume: a message, then its voxels in the order in which they lie in memory.

    Raises:
        OSError: The other end has gone.
    """
    # As they lie in memory, so that nothing is copied, and sums come out alike to the last bit.
    axes = sorted(range(volume.voxels.ndim), key=lambda axis: -volume.voxels.strides[axis])
    values = np.ascontiguousarray(volume.voxels.transpose(axes))
    head = {
        "shape": values.shape,
        "axes": axes,
        "affine_lps": None if volume.geometry is None else volume.geometry.affine_lps.tolist(),
        "slice_axis": volume.slice_axis,
        "slice_sources": [_escaped(source) for source in volume.slice_sources],
        "window": volume.window,
        "notes": [(note.code, note.detail) for note in volume.notes],
    }
    send(stream, head)
    stream.write(values.data.cast("B"))
    stream.flush()


def receive_volume(head: Message, stream: BinaryIO, *, most_bytes: int) -> Volume:
    """Read the volume that a message announces.

    Raises:
        ProtocolError: It isn't one, is over the limit, or ends early.
    """
    try:
        affine, window = head["affine_lps"], head["window"]
        return Volume(
            voxels=_receive_voxels(head, stream, most_bytes=most_bytes),
            geometry=None if affine is None else Geometry(np.array(affine, dtype=np.float64)),
            slice_axis=int(head["slice_axis"]),
            slice_sources=tuple(_unescaped(source) for source in head["slice_sources"]),
            window=None if window is None else (float(window[0]), float(window[1])),
            notes=tuple(Note(NoteCode(code), str(detail)) for code, detail in head["notes"]),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise ProtocolError from error


def _receive_voxels(head: Message, stream: BinaryIO, *, most_bytes: int) -> Float32Array:
    shape = tuple(int(side) for side in head["shape"])
    size = math.prod(shape) * np.dtype(np.float32).itemsize
    if min(shape) < 1 or size > most_bytes:
        raise ProtocolError
    values: Float32Array = np.empty(shape, dtype=np.float32)
    if stream.readinto(values.data.cast("B")) != size:  # type: ignore[attr-defined]
        raise ProtocolError
    return values.transpose(np.argsort(head["axes"]))


@cache
def _series_adapter() -> TypeAdapter[Series]:
    return TypeAdapter(Series)


def _escaped(name: str) -> str:
    """The bytes of a file name, one character each: it may hold bytes that are no text."""
    return os.fsencode(name).decode("latin-1")


def _unescaped(name: str) -> str:
    return os.fsdecode(name.encode("latin-1"))
