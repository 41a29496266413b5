"""Open a DICOM file that nobody vouches for: bounded, quiet, and with our own errors."""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.dataelem import RawDataElement
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import dcmread, read_file_meta_info, read_partial
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from medrec.domain.codes import ReasonCode
from medrec.errors import RefusedScanError, SkippedFileError
from medrec.io.digest import dataset_offset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from pydicom.dataset import FileDataset

MAX_DECODED_BYTES = 2 * 1024**3
"""What one file may grow to in memory."""

PIXEL_TAGS = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}
_LOGGER = logging.getLogger("pydicom")
_IS_SILENT = ContextVar("is_silent", default=False)
_UNDEFINED_LENGTH = 0xFFFFFFFF
_CHUNK_BYTES = 1 << 20
# Scans deflate to a half or a tenth. Black ones may deflate to a thousandth, but these are small.
_MOST_INFLATED = 100
_FREE_BYTES = 64 * 1024**2
_BAD_BYTES = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    LookupError,
    NotImplementedError,
    StopIteration,
    TypeError,
    ValueError,
    struct.error,
)
"""What pydicom was seen to raise on files with flipped, missing or added bytes."""


@dataclass(frozen=True, slots=True)
class PixelElement:
    """The element that holds the pixels, unread.

    `length` is None where it is undefined (encapsulated). `available` counts the bytes that the
    file holds from the element's value on; None where that can't be told (deflated).
    """

    keyword: str
    length: int | None
    available: int | None


@dataclass(frozen=True, slots=True)
class DicomHead:
    """A DICOM header without pixels.

    `is_cut` tells that the file ends amid an element, `is_mislabelled` that its elements are
    encoded in another way than its transfer syntax says.
    """

    dataset: FileDataset
    pixels: PixelElement | None
    has_preamble: bool
    is_cut: bool
    is_mislabelled: bool


def read_head(path: Path, keywords: Sequence[str]) -> DicomHead:
    """Read the named top-level elements of a file, up to its pixels.

    Raises:
        RefusedScanError: Not DICOM, cut short, nested too deep, or inflating beyond all bounds.
        SkippedFileError: A DICOMDIR.
        OSError: The file can't be opened.
    """
    with dicom_errors(), path.open("rb") as file:
        is_deflated = _check_inflated_size(path)
        size = path.stat().st_size
        walk = _Walk(file, is_deflated=is_deflated)
        dataset = read_partial(
            file,
            stop_when=walk.stop,
            force=True,
            specific_tags=[Tag(keyword) for keyword in keywords],
        )
        is_mislabelled = _is_mislabelled(dataset)
        if dataset.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
            detail = "a DICOMDIR: the table of contents of other files, no image"
            raise SkippedFileError(ReasonCode.NOT_AN_IMAGE, detail)
        if not str(dataset.get("SOPClassUID", "")).startswith("1.2."):
            raise RefusedScanError(ReasonCode.NOT_DICOM, "no element names a DICOM SOP class")
        return DicomHead(
            dataset=dataset,
            pixels=walk.pixels(size),
            has_preamble=bool(dataset.preamble),
            is_cut=not is_deflated and walk.value_end != size and walk.pixels(size) is None,
            is_mislabelled=is_mislabelled,
        )


def read_whole(path: Path) -> FileDataset:
    """Read a file whole, pixels included but not decoded, after `read_head` has found it bearable.

    Raises:
        RefusedScanError: As `read_head`, but for the bounds: deflated data are inflated once more.
        OSError: The file can't be opened.
    """
    with dicom_errors():
        dataset = dcmread(path, force=True)
        if "PixelData" not in dataset:  # pydicom drops everything when an element ends early
            raise RefusedScanError(ReasonCode.TRUNCATED, "the file ends before or amid its pixels")
        # A file without a meta group has no transfer syntax; the reader has found out how it is
        # encoded, and the decoders want it by name.
        if "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = guessed_syntax(dataset)
        return dataset


def guessed_syntax(dataset: FileDataset) -> UID:
    """The uncompressed transfer syntax that a dataset was read with."""
    is_implicit, is_little_endian = dataset.original_encoding
    if is_implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if is_little_endian else ExplicitVRBigEndian


@contextmanager
def dicom_errors() -> Iterator[None]:
    """Turn whatever pydicom raises on bad bytes into a refusal, and keep its warnings quiet.

    Its messages quote values of the header, which may be names: they are never passed on.
    """
    try:
        with _SILENT if _IS_SILENT.get() else silence():
            yield
    except InvalidDicomError as error:
        raise RefusedScanError(ReasonCode.NOT_DICOM, "no DICOM header") from error
    except RecursionError as error:
        raise RefusedScanError(ReasonCode.NESTING, "sequences are nested too deep") from error
    except MemoryError as error:
        raise RefusedScanError(ReasonCode.TOO_LARGE, "more than the memory holds") from error
    except (EOFError, zlib.error) as error:
        raise RefusedScanError(ReasonCode.TRUNCATED, "the file ends amid an element") from error
    except OSError as error:
        if error.errno is not None:  # the disk's, not pydicom's own
            raise
        raise RefusedScanError(ReasonCode.TRUNCATED, "the file ends amid an element") from error
    except _BAD_BYTES as error:
        detail = f"the header can't be parsed ({type(error).__name__})"
        raise RefusedScanError(ReasonCode.MALFORMED, detail) from error


@contextmanager
def silence() -> Iterator[None]:
    """Keep pydicom's warnings quiet: around many files, it takes less than around each."""
    was_disabled, _LOGGER.disabled = _LOGGER.disabled, True
    token = _IS_SILENT.set(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _IS_SILENT.reset(token)
        _LOGGER.disabled = was_disabled


_SILENT = nullcontext()
"""Within another block that silences, there is nothing to do."""


class _Walk:
    """Follows pydicom through the elements, to learn where the last one ends."""

    def __init__(self, file: BinaryIO, *, is_deflated: bool) -> None:
        self._file = file
        self._is_deflated = is_deflated
        self._stopped: tuple[str, int, int] | None = None
        self.value_end = 0

    def stop(self, tag: int, _vr: str | None, length: int) -> bool:
        """Stop at the pixels (pydicom's `stop_when`)."""
        start = self._file.tell()
        self.value_end = start + (0 if length == _UNDEFINED_LENGTH else length)
        if tag in PIXEL_TAGS:
            self._stopped = (PIXEL_TAGS[tag], length, start)
            return True
        if length == _UNDEFINED_LENGTH:
            self.value_end = -1
        return False

    def pixels(self, size: int) -> PixelElement | None:
        """The pixel element, if one was met in a file of `size` bytes."""
        if self._stopped is None:
            return None
        keyword, length, start = self._stopped
        return PixelElement(
            keyword=keyword,
            length=None if length == _UNDEFINED_LENGTH else length,
            available=None if self._is_deflated else size - start,
        )


def _is_mislabelled(dataset: FileDataset) -> bool:
    """Whether pydicom had to read implicit elements as explicit ones, or the other way round."""
    elements: list[object] = [dataset.get_item(tag) for tag in list(dataset.keys())]
    element = next((found for found in elements if isinstance(found, RawDataElement)), None)
    syntax = UID(str(dataset.file_meta.get("TransferSyntaxUID", "")))
    if element is None or not syntax.is_transfer_syntax:
        return False
    return bool(element.is_implicit_VR != syntax.is_implicit_VR)


def _check_inflated_size(path: Path) -> bool:
    """Tell whether the dataset is deflated, and refuse it when it inflates beyond the limit."""
    with path.open("rb") as file:
        head = file.read(144)
        if head[128:132] != b"DICM":
            return False
        if read_file_meta_info(path).get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return False
        offset = dataset_offset(head)
        if not offset:
            raise RefusedScanError(ReasonCode.MALFORMED, "the file meta group has no length")
        file.seek(offset)
        _inflate_within_limit(file, _allowed_bytes(path.stat().st_size))
    return True


def _allowed_bytes(packed: int) -> int:
    return min(MAX_DECODED_BYTES, max(_FREE_BYTES, _MOST_INFLATED * packed))


def _inflate_within_limit(file: BinaryIO, allowed: int) -> None:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = 0
    pending = file.read(_CHUNK_BYTES)
    while pending and not inflater.eof:
        inflated += len(inflater.decompress(pending, _CHUNK_BYTES))
        if inflated > allowed:
            detail = f"the deflated dataset grows beyond {allowed // 1024**2} MiB"
            raise RefusedScanError(ReasonCode.INFLATE_LIMIT, detail)
        pending = inflater.unconsumed_tail or file.read(_CHUNK_BYTES)
