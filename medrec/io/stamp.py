"""Find out files that change between the reading of their header and that of their pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.domain.codes import ReasonCode
from medrec.errors import FailedScanError

if TYPE_CHECKING:
    from pathlib import Path

    from medrec.domain.series import Series


def stamp_of(path: Path) -> tuple[int, int]:
    """Bytes of a file, and when it was changed, in ns.

    Raises:
        OSError: Nothing is there any more.
    """
    found = path.lstat()
    return found.st_size, found.st_mtime_ns


def check_unchanged(series: Series) -> None:
    """See that the files of a series are what they were when their headers were read.

    Raises:
        FailedScanError: One has changed or vanished (`io`): what was read of it may be a mixture.
    """
    for header in series.headers:
        try:
            is_same = header.stamp is None or header.stamp == stamp_of(header.path)
        except OSError as error:
            detail = f"the file can't be read now: {error.strerror or type(error).__name__}"
            raise FailedScanError(ReasonCode.IO, detail) from error
        if not is_same:
            detail = "the file changed while it was read: wait until it is whole, then try again"
            raise FailedScanError(ReasonCode.IO, detail)
