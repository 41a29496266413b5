"""Pixels of a DICOM image: checked against the header, decoded, rescaled, dark to bright."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.encaps import generate_frames
from pydicom.multival import MultiValue
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.uid import UID

from medrec.domain.codes import ReasonCode
from medrec.errors import RefusedScanError
from medrec.io.codestream import stream_size
from medrec.io.dicom_decoders import decoder_of
from medrec.io.dicom_file import MAX_DECODED_BYTES, PixelElement, dicom_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset, FileDataset

GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420")
_LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601."""

_MOST_PADDING = 2
_FLOAT32_EXACT = 2**23
_LARGEST_RESCALE = 1e9


@dataclass(frozen=True, slots=True)
class PixelSpec:
    """How a header says that its pixels are stored.

    `padding` is the lowest and highest stored value that stands for no picture, if any do.
    """

    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    is_signed: bool
    photometric: str
    is_inverse: bool
    padding: tuple[int, int] | None = None

    @property
    def stored_sum(self) -> int:
        """Lowest plus highest value that can be stored: what a value and its inverse add up to."""
        return -1 if self.is_signed else 2**self.bits_stored - 1

    @property
    def decoded_bytes(self) -> int:
        """Bytes of all frames as stored, uncompressed."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * self.frames * samples * self.bits_allocated // 8

    @property
    def is_grey(self) -> bool:
        """Whether a pixel is one value on a grey scale."""
        return self.photometric in GREY


def read_pixel_spec(dataset: Dataset) -> PixelSpec:
    """Read the Image Pixel module, and refuse contradictions (`malformed`)."""
    with dicom_errors():
        bits_stored = int(dataset.BitsStored)
        photometric = str(dataset.PhotometricInterpretation)
        spec = PixelSpec(
            rows=int(dataset.Rows),
            columns=int(dataset.Columns),
            frames=int(dataset.get("NumberOfFrames") or 1),
            samples=int(dataset.get("SamplesPerPixel") or 1),
            bits_allocated=int(dataset.BitsAllocated),
            bits_stored=bits_stored,
            is_signed=int(dataset.get("PixelRepresentation") or 0) == 1,
            photometric=photometric,
            is_inverse=photometric == "MONOCHROME1"
            or dataset.get("PresentationLUTShape") == "INVERSE",
            padding=_read_padding(dataset),
        )
        high_bit = dataset.get("HighBit")
    problems = _contradictions(spec, bits_stored - 1 if high_bit is None else int(high_bit))
    if problems:
        raise RefusedScanError(ReasonCode.MALFORMED, "; ".join(problems))
    return spec


def check_pixel_size(spec: PixelSpec, pixels: PixelElement) -> None:
    """Hold the pixel element against the header, before anything of its size is allocated.

    Raises:
        RefusedScanError: `truncated`, `size_mismatch` or `too_large`.
    """
    length, available, wanted = pixels.length, pixels.available, spec.decoded_bytes
    if length is not None and available is not None and length > available:
        detail = f"the file holds {available} of {length} bytes of pixel data"
        raise RefusedScanError(ReasonCode.TRUNCATED, detail)
    is_padded = length is not None and wanted <= length <= _MOST_PADDING * wanted
    if length is not None and not is_padded:
        detail = f"{length} bytes of pixel data where the header says {wanted}"
        raise RefusedScanError(ReasonCode.SIZE_MISMATCH, detail)
    if wanted > MAX_DECODED_BYTES:
        detail = f"{wanted / 1024**2:.0f} MiB decoded, over {MAX_DECODED_BYTES // 1024**2} MiB"
        raise RefusedScanError(ReasonCode.TOO_LARGE, detail)


def decode_frames(dataset: FileDataset) -> NDArray[Any]:
    """Decode to stored values (frames, rows, columns); colour becomes grey (float64, BT.601).

    Raises:
        RefusedScanError: `decode_error`, or what the checks of the header find.
    """
    spec = read_pixel_spec(dataset)
    with dicom_errors():
        element = dataset["PixelData"]
        length = None if element.is_undefined_length else len(element.value)
        syntax = UID(dataset.file_meta.TransferSyntaxUID)
    check_pixel_size(spec, PixelElement("PixelData", length=length, available=length))
    plugin = decoder_of(syntax).plugin
    if length is None:
        _check_streams(dataset, spec)
    frames, photometric = _decode(dataset, syntax, plugin=plugin)
    shape = (spec.frames, spec.rows, spec.columns)
    if frames.size == math.prod(shape):
        return frames.reshape(shape)
    if not spec.is_grey and frames.size == 3 * math.prod(shape):
        return _to_grey(frames.reshape(*shape, 3), photometric)
    detail = f"decoded to {frames.size} values where the header says {math.prod(shape)} pixels"
    raise RefusedScanError(ReasonCode.DECODE_ERROR, detail)


def to_levels(stored: NDArray[Any], spec: PixelSpec, modality: Dataset) -> NDArray[np.float32]:
    """Turn stored values into modality values, bright where the display is bright.

    `modality` is the dataset, or functional group, that holds the modality LUT or rescale. A
    MONOCHROME1 image is inverted in stored values, so that it equals its MONOCHROME2 twin exactly:
    lowest plus highest storable value, minus the value (PS3.3 C.7.6.3.1.2). Padding becomes as dark
    as the darkest pixel that is none: what it stands for is no part of the picture (C.7.5.1.1.2).

    Raises:
        RefusedScanError: `bad_rescale`.
    """
    if not spec.is_grey:
        return np.asarray(stored, dtype=np.float32)
    levels: NDArray[np.floating[Any]]
    if modality.get("ModalityLUTSequence"):
        with dicom_errors():
            looked_up = np.asarray(apply_modality_lut(stored, modality), dtype=np.float64)
        levels = _lut_maximum(modality) - looked_up if spec.is_inverse else looked_up
    else:
        levels = _rescaled(stored, spec, *read_rescale(modality))
    return _without_padding(levels, stored, spec).astype(np.float32, copy=False)


def _rescaled(
    stored: NDArray[Any], spec: PixelSpec, slope: float, intercept: float
) -> NDArray[np.floating[Any]]:
    is_exact = stored.dtype.itemsize <= 2 and slope == 1 and intercept.is_integer()  # noqa: PLR2004
    # Whole numbers of so few bits are exact in float32: the same values in a third of the time.
    kind = np.float32 if is_exact and abs(intercept) < _FLOAT32_EXACT else np.float64
    values: NDArray[np.floating[Any]] = stored.astype(kind)
    if spec.is_inverse:
        np.subtract(kind(spec.stored_sum), values, out=values)
    if slope != 1:
        values *= kind(slope)
    if intercept != 0:
        values += kind(intercept)
    return values


def _without_padding(
    levels: NDArray[np.floating[Any]], stored: NDArray[Any], spec: PixelSpec
) -> NDArray[np.floating[Any]]:
    if spec.padding is None:
        return levels
    is_padding = (stored >= spec.padding[0]) & (stored <= spec.padding[1])
    if is_padding.any() and not is_padding.all():
        levels[is_padding] = levels[~is_padding].min()
    return levels


def read_rescale(modality: Dataset) -> tuple[float, float]:
    """Slope and intercept, (1, 0) where there are none.

    Raises:
        RefusedScanError: They would flatten the image, or leave no finite values (`bad_rescale`).
    """
    with dicom_errors():
        slope = _number(modality.get("RescaleSlope"), 1.0)
        intercept = _number(modality.get("RescaleIntercept"), 0.0)
    is_usable = (
        math.isfinite(slope)
        and math.isfinite(intercept)
        and 0 < abs(slope) <= _LARGEST_RESCALE
        # Beyond it float32 can't tell neighbouring stored values apart.
        and abs(intercept) <= min(_FLOAT32_EXACT * abs(slope), _LARGEST_RESCALE)
    )
    if not is_usable:
        detail = f"slope {slope:g} and intercept {intercept:g} leave no image"
        raise RefusedScanError(ReasonCode.BAD_RESCALE, detail)
    return slope, intercept


def read_window(voi: Dataset) -> tuple[float, float] | None:
    """First window (centre, width) as written, else what the VOI table covers; None without any."""
    try:
        with dicom_errors():
            centre = _number(_first(voi.get("WindowCenter")), math.nan)
            width = _number(_first(voi.get("WindowWidth")), math.nan)
            if math.isnan(centre) and voi.get("VOILUTSequence"):
                centre, width = _covered(voi.VOILUTSequence[0].LUTDescriptor)
    except RefusedScanError:
        return None
    is_usable = math.isfinite(centre) and math.isfinite(width) and width > 0
    return (centre, width) if is_usable else None


def _covered(descriptor: Sequence[int]) -> tuple[float, float]:
    """The LINEAR window from the first to the last value of a table (PS3.3 C.11.2.1.1, 1.2)."""
    count = int(descriptor[0]) or 2**16
    return int(descriptor[1]) + count / 2, float(count)


def displayed_window(
    window: tuple[float, float] | None, spec: PixelSpec, modality: Dataset, *, function: str
) -> tuple[float, float] | None:
    """Map a window as written to the levels of `to_levels`: an inverted image inverts its centre.

    A LINEAR window is centred on centre - 0.5 (PS3.3 C.11.2.1.2), any other on the centre itself.
    """
    if window is None or not spec.is_inverse or not spec.is_grey:
        return window
    if modality.get("ModalityLUTSequence"):
        level_sum = _lut_maximum(modality)
    else:
        slope, intercept = read_rescale(modality)
        level_sum = spec.stored_sum * slope + 2 * intercept
    centre, width = window
    return level_sum + (1.0 if function == "LINEAR" else 0.0) - centre, width


def _check_streams(dataset: FileDataset, spec: PixelSpec) -> None:
    with dicom_errors():
        streams = list(generate_frames(dataset.PixelData, number_of_frames=spec.frames))
    for stream in streams:
        size = stream_size(stream)
        if size is not None and size != (spec.rows, spec.columns):
            detail = f"a stream of {size[0]} by {size[1]} pixels, "
            detail += f"where the header says {spec.rows} by {spec.columns}"
            raise RefusedScanError(ReasonCode.SIZE_MISMATCH, detail)


def _decode(dataset: FileDataset, syntax: UID, *, plugin: str) -> tuple[NDArray[Any], str]:
    """Frames as stored, and the photometric interpretation that they turned out to have."""
    try:
        with dicom_errors():
            decoder = get_decoder(syntax)
            frames, facts = decoder.as_array(dataset, raw=True, decoding_plugin=plugin)
            photometric = str(facts["photometric_interpretation"])
            if photometric == "PALETTE COLOR":
                frames = _look_up(frames, dataset, syntax)
            return np.asarray(frames), photometric
    except RuntimeError as error:
        raise RefusedScanError(ReasonCode.DECODE_ERROR, "the pixels can't be decoded") from error
    except RefusedScanError as error:
        if error.code != ReasonCode.MALFORMED:
            raise
        raise RefusedScanError(ReasonCode.DECODE_ERROR, "the pixels can't be decoded") from error


def _look_up(indices: NDArray[Any], dataset: FileDataset, syntax: UID) -> NDArray[Any]:
    colour: NDArray[Any] = apply_color_lut(indices, dataset)
    # pydicom 3.0.2 reads a plain table in this machine's byte order, whatever the file's is.
    is_plain = "SegmentedRedPaletteColorLookupTableData" not in dataset
    is_swapped = is_plain and not syntax.is_little_endian and colour.dtype.itemsize > 1
    return colour.byteswap() if is_swapped else colour


def _to_grey(colour: NDArray[Any], photometric: str) -> NDArray[Any]:
    """Brightness of (..., 3): the Y of YBR is just that."""
    grey: NDArray[Any] = colour[..., 0] if photometric.startswith("YBR") else colour @ _LUMA
    return grey


@lru_cache(maxsize=1024)  # the slices of a series ask the same
def _contradictions(spec: PixelSpec, high_bit: int) -> tuple[str, ...]:
    samples = 3 if spec.photometric in _COLOUR else 1
    checks = {
        f"{spec.rows} rows by {spec.columns} columns": min(spec.rows, spec.columns) < 1,
        f"{spec.frames} frames": spec.frames < 1,
        f"{spec.bits_stored} bits stored in {spec.bits_allocated}": not (
            1 <= spec.bits_stored <= spec.bits_allocated
        ),
        f"{spec.bits_allocated} bits allocated, where 8, 16 or 32 are read": (
            spec.bits_allocated not in (8, 16, 32)
        ),
        f"high bit {high_bit} of {spec.bits_stored} bits": high_bit != spec.bits_stored - 1,
        "an unknown photometric interpretation": (
            spec.photometric not in (*GREY, *_COLOUR, "PALETTE COLOR")
        ),
        f"{spec.samples} samples a pixel where its kind has {samples}": spec.samples != samples,
    }
    return tuple(problem for problem, is_wrong in checks.items() if is_wrong)


def _read_padding(dataset: Dataset) -> tuple[int, int] | None:
    """PixelPaddingValue to PixelPaddingRangeLimit, as signed as the pixels; None if unusable."""
    first = dataset.get("PixelPaddingValue")
    last = dataset.get("PixelPaddingRangeLimit", first)
    if not isinstance(first, int) or not isinstance(last, int):
        return None
    return min(first, last), max(first, last)


def _lut_maximum(modality: Dataset) -> float:
    with dicom_errors():
        return float(2 ** int(modality.ModalityLUTSequence[0].LUTDescriptor[2]) - 1)


def _number(value: object, default: float) -> float:
    return default if value is None or value == "" else float(str(value))


def _first(value: object) -> object:
    return value[0] if isinstance(value, MultiValue) and value else value
