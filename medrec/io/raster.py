"""Read PNG and JPEG files.

Pixels are taken as stored: an EXIF orientation is not applied, since boxes, masks and heat maps of
such a file are in its stored pixels too.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from medrec.domain.codes import Note, NoteCode, ReasonCode
from medrec.domain.modality import FileFormat
from medrec.domain.series import ImageHeader
from medrec.domain.volume import Volume
from medrec.errors import RefusedScanError
from medrec.io.digest import file_digest
from medrec.io.voxels import check_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from medrec.io.discover import FoundFile

MAX_PIXELS = 100_000_000
"""Five times a large film."""

_LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601."""
_ROWS_AT_ONCE = 64
_GREY_MODES = {"1", "L", "I", "I;16", "I;16B", "F"}
_NOTES = (Note(NoteCode.NO_PHYSICAL_SIZE, "PNG and JPEG state no pixel spacing"),)


def read_raster_header(file: FoundFile) -> ImageHeader:
    """Read a picture's size; its identity is the digest of the file.

    Raises:
        RefusedScanError: `malformed`, `too_large` or `out_of_scope` (a PNG that moves).
        OSError: The file can't be opened.
    """
    with _opened(file.path) as image:
        return ImageHeader(
            path=file.path,
            source=file.source,
            format=FileFormat.RASTER,
            identity=file_digest(file.path),
            shape=(image.width, image.height, 1),
            notes=_NOTES,
        )


def load_raster(path: Path, *, source: str) -> Volume:
    """Read a picture as (1, columns, rows, 1); colour becomes grey (BT.601), alpha is dropped.

    Raises:
        RefusedScanError: As `read_raster_header`, or `truncated`, `blank_image`.
        OSError: The file can't be opened.
    """
    with _opened(path) as image:
        grey = _to_grey(image)
    voxels = np.ascontiguousarray(grey.T[np.newaxis, :, :, np.newaxis], dtype=np.float32)
    check_values(voxels)
    return Volume(voxels=voxels, geometry=None, slice_axis=2, slice_sources=(source,), notes=_NOTES)


def write_grey_levels(path: Path, levels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write grey levels (rows, columns) of 8 or 16 bit as a new PNG.

    Raises:
        FileExistsError: Something lies there.
        OSError: The folder can't be written.
    """
    with path.open("xb") as file:
        Image.fromarray(np.ascontiguousarray(levels)).save(file, format="PNG")


def load_raster_mask(path: Path) -> NDArray[np.bool_]:
    """Read a PNG mask as (columns, rows, 1), True where a pixel is not black.

    Raises:
        RefusedScanError: As `read_raster_header`, or a JPEG, whose loss smears black.
        OSError: The file can't be opened.
    """
    with _opened(path) as image:
        if image.format != "PNG":
            detail = "a mask must be lossless: save it as PNG or NIfTI"
            raise RefusedScanError(ReasonCode.UNSUPPORTED_DTYPE, detail)
        return np.ascontiguousarray((_to_grey(image) > 0).T[:, :, np.newaxis])


def read_raster_shape(path: Path) -> tuple[int, int, int]:
    """The columns and rows of a picture, and 1, without decoding it.

    Raises:
        RefusedScanError: As `read_raster_header`.
        OSError: The file can't be opened.
    """
    with _opened(path) as image:
        return image.width, image.height, 1


def read_stored_raster(path: Path) -> NDArray[Any]:
    """Grey values (rows, columns) as stored, uint8 or uint16; true colour is rounded to 8 bits.

    Raises:
        RefusedScanError: As `load_raster`.
        OSError: The file can't be opened.
    """
    with _opened(path) as image:
        grey = _to_grey(image)
    if grey.dtype in (np.uint8, np.uint16):
        return grey
    if grey.dtype == np.bool_:
        return grey.astype(np.uint8) * 255
    return np.round(grey).clip(0, 65535).astype(np.uint16 if grey.max() > 255 else np.uint8)  # noqa: PLR2004


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An opened picture of bearable size, and our errors for Pillow's."""
    with path.open("rb") as file, _quiet():
        try:
            with Image.open(file, formats=("PNG", "JPEG")) as image:
                _check(image)
                yield image
        except Image.DecompressionBombError as error:
            raise _too_large() from error
        except (UnidentifiedImageError, SyntaxError, ValueError) as error:
            raise RefusedScanError(ReasonCode.MALFORMED, "no readable PNG or JPEG") from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise RefusedScanError(ReasonCode.TRUNCATED, "the picture ends too early") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's warnings and its log quiet: at DEBUG it quotes texts of EXIF, maybe names."""
    logger = logging.getLogger("PIL")
    level = logger.level
    logger.setLevel(max(level, logging.INFO))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _check(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large()
    frames = getattr(image, "n_frames", 1)
    # A JPEG of several pictures is a camera's: the first one is the picture, the others previews.
    if image.format == "PNG" and frames > 1:
        raise RefusedScanError(ReasonCode.OUT_OF_SCOPE, f"{frames} frames: save one picture of it")


def _too_large() -> RefusedScanError:
    return RefusedScanError(ReasonCode.TOO_LARGE, f"more than {MAX_PIXELS:,} pixels")


def _to_grey(image: Image.Image) -> NDArray[Any]:
    """Grey values (rows, columns) as stored, 8 or 16 bit."""
    if image.mode in _GREY_MODES:
        return np.asarray(image)
    if image.mode == "LA":
        return np.asarray(image.getchannel("L"))
    colour = image.convert("RGB")
    grey = np.empty((image.height, image.width), dtype=np.float32)
    # Row by row block: as float64 at once, a picture within the limit would take gigabytes.
    for top in range(0, image.height, _ROWS_AT_ONCE):
        block = colour.crop((0, top, image.width, min(top + _ROWS_AT_ONCE, image.height)))
        grey[top : top + _ROWS_AT_ONCE] = np.asarray(block, dtype=np.float64) @ _LUMA
    return grey
