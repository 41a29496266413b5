"""Pixels of a DICOM image: checked against the header, decoded, rescaled, dark to bright."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.encaps import generate_frames
from pydicom.multival import MultiValue
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from medrec.domain.codes import ReasonCode
from medrec.errors import RefusedScanError
from medrec.io import jpeg_decoder
from medrec.io.codestream import stream_size
from medrec.io.dicom_file import MAX_DECODED_BYTES, PixelElement, dicom_errors

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset, FileDataset

GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420")
_LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601."""

jpeg_decoder.register()
# One decoder for each syntax, so that two machines read alike. RLE: pydicom's own is slower than
# pylibjpeg's, but bad data can't make it abort the process.
_PLUGINS = {
    "1.2.840.10008.1.2.5": "pydicom",
    "1.2.840.10008.1.2.4.50": "pillow",
    "1.2.840.10008.1.2.4.51": jpeg_decoder.LABEL,
    "1.2.840.10008.1.2.4.57": jpeg_decoder.LABEL,
    "1.2.840.10008.1.2.4.70": jpeg_decoder.LABEL,
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pylibjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg",
    "1.2.840.10008.1.2.4.202": "pylibjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg",
}
_MOST_PADDING = 2
_FLOAT32_EXACT = 2**23
_LARGEST_RESCALE = 1e9


@dataclass(frozen=True, slots=True)
class PixelSpec:
    """How a header says that its pixels are stored."""

    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    is_signed: bool
    photometric: str
    is_inverse: bool

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


@lru_cache(maxsize=1024)  # the slices of a series ask the same
def check_syntax(syntax: UID, spec: PixelSpec) -> None:
    """Refuse a transfer syntax that no installed decoder reads (`unsupported_syntax`)."""
    if syntax in jpeg_decoder.SYNTAXES:
        is_available = jpeg_decoder.is_available(syntax) and spec.is_grey
    else:
        try:
            is_available = get_decoder(syntax).is_available
        except (NotImplementedError, ValueError):
            is_available = False
    if not is_available:
        detail = f"no decoder for transfer syntax {_told(UID(syntax))}"
        if syntax in jpeg_decoder.SYNTAXES:
            detail += ": for grey images, install imagecodecs"
        raise RefusedScanError(ReasonCode.UNSUPPORTED_SYNTAX, detail)


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
    check_syntax(syntax, spec)
    if length is None:
        _check_streams(dataset, spec)
    frames = _decode(dataset, spec, plugin=_PLUGINS.get(syntax, ""))
    shape = (spec.frames, spec.rows, spec.columns)
    if frames.size == math.prod(shape):
        return frames.reshape(shape)
    if not spec.is_grey and frames.size == 3 * math.prod(shape):
        grey: NDArray[Any] = frames.reshape(*shape, 3) @ _LUMA
        return grey
    detail = f"decoded to {frames.size} values where the header says {math.prod(shape)} pixels"
    raise RefusedScanError(ReasonCode.DECODE_ERROR, detail)


def to_levels(stored: NDArray[Any], spec: PixelSpec, modality: Dataset) -> NDArray[np.float64]:
    """Turn stored values into modality values, bright where the display is bright.

    `modality` is the dataset, or functional group, that holds the modality LUT or rescale. A
    MONOCHROME1 image is inverted in stored values, so that it equals its MONOCHROME2 twin exactly:
    lowest plus highest storable value, minus the value (PS3.3 C.7.6.3.1.2).

    Raises:
        RefusedScanError: `bad_rescale`.
    """
    if not spec.is_grey:
        return np.asarray(stored, dtype=np.float64)
    if modality.get("ModalityLUTSequence"):
        with dicom_errors():
            looked_up = np.asarray(apply_modality_lut(stored, modality), dtype=np.float64)
        return _lut_maximum(modality) - looked_up if spec.is_inverse else looked_up
    slope, intercept = read_rescale(modality)
    values = stored.astype(np.float64)
    return (spec.stored_sum - values if spec.is_inverse else values) * slope + intercept


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
    """First window (centre, width) as written; None without a usable one."""
    try:
        with dicom_errors():
            centre = _number(_first(voi.get("WindowCenter")), math.nan)
            width = _number(_first(voi.get("WindowWidth")), math.nan)
    except RefusedScanError:
        return None
    is_usable = math.isfinite(centre) and math.isfinite(width) and width > 0
    return (centre, width) if is_usable else None


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


def _decode(dataset: FileDataset, spec: PixelSpec, *, plugin: str) -> NDArray[Any]:
    try:
        with dicom_errors():
            frames = pixel_array(dataset, decoding_plugin=plugin)
            if spec.photometric == "PALETTE COLOR":
                frames = apply_color_lut(frames, dataset)
            return np.asarray(frames)
    except RuntimeError as error:
        raise RefusedScanError(ReasonCode.DECODE_ERROR, "the pixels can't be decoded") from error
    except RefusedScanError as error:
        if error.code != ReasonCode.MALFORMED:
            raise
        raise RefusedScanError(ReasonCode.DECODE_ERROR, "the pixels can't be decoded") from error


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


def _lut_maximum(modality: Dataset) -> float:
    with dicom_errors():
        return float(2 ** int(modality.ModalityLUTSequence[0].LUTDescriptor[2]) - 1)


def _number(value: object, default: float) -> float:
    return default if value is None or value == "" else float(str(value))


def _first(value: object) -> object:
    return value[0] if isinstance(value, MultiValue) and value else value


def _told(syntax: UID) -> str:
    """A transfer syntax in words; what is no UID may be anything, even a name."""
    if not re.fullmatch(r"[0-9.]{1,64}", syntax):
        return "(no UID)"
    return f"{syntax} ({syntax.name if syntax.is_transfer_syntax else 'unknown'})"
