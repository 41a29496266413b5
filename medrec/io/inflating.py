"""Write what unpacks from a file that nobody vouches for: counted, and stopped at a limit."""

from __future__ import annotations

import errno
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from medrec.domain.codes import ReasonCode
from medrec.errors import FailedScanError, RefusedScanError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK_BYTES = 1 << 20
_MIB = 1024**2


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """How far packed files may grow.

    Scans deflate to a half or a tenth; masks of zeros to a thousandth, but these are small. So a
    file may always grow to `free_bytes`, and beyond that by no more than `ratio`.
    """

    members: int = 100_000
    member_bytes: int = 2 * 1024**3
    total_bytes: int = 16 * 1024**3
    ratio: int = 100
    free_bytes: int = 64 * _MIB
    directory_bytes: int = 16 * _MIB
    name_letters: int = 4096
    disk_reserve_bytes: int = 512 * _MIB

    def allowed_bytes(self, packed_bytes: int) -> int:
        """What a file of `packed_bytes` may unpack to."""
        return min(self.total_bytes, max(self.free_bytes, self.ratio * packed_bytes))


LIMITS = UnpackLimits()


class Readable(Protocol):
    """A stream of unpacked bytes."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes; none at the end."""
        ...


def write_within(
    stream: Readable, target: Path, *, allowed: int, code: ReasonCode, reserve: int
) -> int:
    """Write a stream to a new file, and tell its bytes.

    Raises:
        RefusedScanError: More than `allowed` bytes come out (`code`).
        FailedScanError: The disk would be left with less than `reserve` bytes (`io`).
        OSError: The disk's.
    """
    written = 0
    with target.open("xb") as file:
        while chunk := stream.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > allowed:
                detail = f"it unpacks to more than {allowed // _MIB} MiB"
                raise RefusedScanError(code, detail)
            check_disk(target.parent, wanted=len(chunk), reserve=reserve)
            file.write(chunk)
    return written


def check_disk(folder: Path, *, wanted: int, reserve: int) -> None:
    """See that `wanted` more bytes leave the disk of a folder enough to live on.

    Raises:
        FailedScanError: They don't (`io`).
    """
    free = shutil.disk_usage(folder).free
    if free - wanted < reserve:
        detail = (
            f"the disk of the temporary folder has {free // _MIB} MiB left: "
            "make room, or set TMPDIR to another disk"
        )
        raise FailedScanError(ReasonCode.IO, detail)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what a disk raises into a failure that may be tried again; its message holds no path."""
    try:
        yield
    except OSError as error:
        place = "written to the temporary folder" if error.errno == errno.ENOSPC else "read now"
        detail = f"the file can't be {place}: {error.strerror or type(error).__name__}"
        raise FailedScanError(ReasonCode.IO, detail) from error
