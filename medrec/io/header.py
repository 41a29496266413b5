"""Read the header of one file, whatever its format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, assert_never

from medrec.domain.codes import ReasonCode
from medrec.domain.modality import FileFormat
from medrec.errors import FailedScanError, RefusedScanError, ScanError, SkippedFileError
from medrec.io.dicom import read_dicom_header, read_plain_dicom_header
from medrec.io.discover import FoundFile, is_regular_file, sniff
from medrec.io.nifti import read_nifti_header
from medrec.io.packing import packing_of
from medrec.io.raster import read_raster_header
from medrec.io.stamp import stamp_of

if TYPE_CHECKING:
    from medrec.domain.series import ImageHeader

_CLAIMS = {
    (".dcm", ".dicom", ".ima", ".dcm.gz"): (ReasonCode.NOT_DICOM, "DICOM"),
    (".nii", ".nii.gz"): (ReasonCode.NOT_NIFTI, "NIfTI"),
    (".png",): (ReasonCode.MALFORMED, "PNG"),
    (".jpg", ".jpeg"): (ReasonCode.MALFORMED, "JPEG"),
    (".zip",): (ReasonCode.MALFORMED, "zip"),
}
_APPLE_DOUBLE = b"\x00\x05\x16\x07"


class PackedFileError(SkippedFileError):
    """An archive, or a packed image: `medrec.io.sources` opens it."""


def read_header(file: FoundFile) -> ImageHeader:
    """Read what a file says of itself, without decoding a pixel.

    Raises:
        RefusedScanError: It is an image, or claims to be one, and can't be used.
        SkippedFileError: It is none, or it must be unpacked first (`PackedFileError`).
        FailedScanError: It can't be opened now (`io`).
    """
    try:
        if not is_regular_file(file.path):
            raise _not_regular(file)
        stamp = stamp_of(file.path)  # before the header: a change meanwhile is found out too
        plain = read_plain_dicom_header(file, stamp=stamp)
        return plain if plain is not None else replace(_read(file), stamp=stamp)
    except OSError as error:
        # The message of an OSError holds the path, which may hold a name.
        detail = f"the file can't be read now: {error.strerror or type(error).__name__}"
        raise FailedScanError(ReasonCode.IO, detail) from error


def _read(file: FoundFile) -> ImageHeader:
    match sniff(file.path):
        case FileFormat.DICOM:
            return read_dicom_header(file)
        case FileFormat.NIFTI:
            return read_nifti_header(file)
        case FileFormat.RASTER:
            return read_raster_header(file)
        case None if packing_of(file.path) is not None:
            raise PackedFileError(ReasonCode.NOT_AN_IMAGE, "packed: unpack it first")
        case None:
            raise _not_ours(file)
        case unknown:
            assert_never(unknown)


def _not_regular(file: FoundFile) -> ScanError:
    if file.path.is_symlink() and file.path.exists():
        detail = "a symbolic link is not followed: copy what it points to, or screen that"
        return SkippedFileError(ReasonCode.NOT_AN_IMAGE, detail)
    if file.path.is_dir():
        return FailedScanError(ReasonCode.IO, "the folder can't be listed: check its permissions")
    what = "a link that leads nowhere" if file.path.is_symlink() else "a pipe, socket or device"
    return FailedScanError(ReasonCode.IO, f"{what}: never opened; put the scan itself here")


def _not_ours(file: FoundFile) -> ScanError:
    """A file of no known format: refused if its name claims one, else skipped."""
    name = PurePosixPath(file.source).name.lower()  # an unpacked file's path is a number
    with file.path.open("rb") as opened:
        is_finder_junk = name.startswith("._") and opened.read(4) == _APPLE_DOUBLE
    for extensions, (code, format_name) in _CLAIMS.items():
        if name.endswith(extensions) and not is_finder_junk:
            detail = f"named as {format_name}, but its content is not {format_name}"
            return RefusedScanError(code, detail)
    return SkippedFileError(ReasonCode.NOT_AN_IMAGE, "no DICOM, NIfTI, PNG or JPEG")
