"""Inflate one gzipped image that nobody vouches for."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from medrec.domain.codes import ReasonCode
from medrec.errors import RefusedScanError
from medrec.io.discover import FoundFile
from medrec.io.inflating import LIMITS, UnpackLimits, disk_errors, write_within

if TYPE_CHECKING:
    from typing import BinaryIO


def inflate(file: FoundFile, workspace: Path, *, limits: UnpackLimits = LIMITS) -> FoundFile:
    """Inflate a gzipped file into the workspace; its source stays its own.

    Raises:
        RefusedScanError: `inflate_limit`, `truncated` or `malformed`; nothing of it is left.
        FailedScanError: It can't be read, or the workspace can't be written, now (`io`).
    """
    with disk_errors():
        target = Path(tempfile.mkdtemp(prefix="gzip-", dir=workspace)) / "inflated"
        try:
            with file.path.open("rb") as packed:
                _inflate(packed, target, limits.allowed_bytes(file.path.stat().st_size), limits)
        except BaseException:
            target.unlink(missing_ok=True)
            target.parent.rmdir()
            raise
    return FoundFile(path=target, source=file.source)


def _inflate(packed: BinaryIO, target: Path, allowed: int, limits: UnpackLimits) -> None:
    try:
        with gzip.open(packed) as stream:
            write_within(
                stream,
                target,
                allowed=min(allowed, limits.member_bytes),
                code=ReasonCode.INFLATE_LIMIT,
                reserve=limits.disk_reserve_bytes,
            )
    except EOFError as error:
        detail = "the gzipped file ends too early: copy it again"
        raise RefusedScanError(ReasonCode.TRUNCATED, detail) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        detail = "the gzipped file is damaged: copy it again"
        raise RefusedScanError(ReasonCode.MALFORMED, detail) from error
