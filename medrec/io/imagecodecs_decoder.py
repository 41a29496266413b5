"""JPEG and High-Throughput JPEG 2000 by imagecodecs: a decoding plugin of pydicom's.

No other permissive decoder reads JPEG Lossless or 12-bit JPEG; HTJ2K is read three times as fast as
by OpenJPEG. Colours are handed on as the stream holds them, and named.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pydicom.pixels.common import PhotometricInterpretation
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    HTJ2K,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.pixels.decoders.base import DecodeRunner

LABEL = "medrec"
_JPEG = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)
_HTJ2K = (HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K)
SYNTAXES = (*_JPEG, *_HTJ2K)
DECODER_DEPENDENCIES = dict.fromkeys(SYNTAXES, ("numpy", "imagecodecs"))

_ADOBE = b"\xff\xee\x00\x0eAdobe"
_ADOBE_TRANSFORM = 15
"""Where the marker segment says whether colours are RGB (0) or YCbCr (1)."""


def is_available(uid: str) -> bool:
    """Tell whether a transfer syntax can be read here (pydicom asks)."""
    return uid in SYNTAXES and find_spec("imagecodecs") is not None


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode one frame to little-endian bytes, colour by pixel (pydicom calls)."""
    if runner.transfer_syntax in _HTJ2K:
        frame = import_module("imagecodecs").htj2k_decode(src, planar=False)
        if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
            runner.set_option("photometric_interpretation", PhotometricInterpretation.RGB)
    else:
        frame = _decode_jpeg(src, runner)
    runner.set_option("bits_allocated", 8 * frame.dtype.itemsize)
    runner.set_option("planar_configuration", 0)
    return bytes(frame.tobytes())


def register() -> None:
    """Make pydicom use this decoder; a second call changes nothing."""
    for syntax in SYNTAXES:
        decoder = get_decoder(syntax)
        if LABEL not in (*decoder.available_plugins, *decoder.missing_dependencies):
            decoder.add_plugin(LABEL, (__name__, "decode_frame"))


def _decode_jpeg(src: bytes, runner: DecodeRunner) -> NDArray[Any]:
    decode = import_module("imagecodecs").jpeg8_decode
    if runner.samples_per_pixel == 1:
        return _signed(_within_bits(decode(src), runner), runner)
    adobe = src.find(_ADOBE, 0, 4096)
    if adobe >= 0:
        is_rgb = src[adobe + _ADOBE_TRANSFORM : adobe + _ADOBE_TRANSFORM + 1] == b"\0"
        name = PhotometricInterpretation.RGB if is_rgb else PhotometricInterpretation.YBR_FULL
        runner.set_option("photometric_interpretation", name)
    # Named alike, so that libjpeg converts nothing: a stream seldom says which colours it holds.
    frame: NDArray[Any] = decode(src, colorspace="YCBCR", outcolorspace="YCBCR")
    return frame


def _within_bits(frame: NDArray[Any], runner: DecodeRunner) -> NDArray[Any]:
    """Hold a lossy frame within the stored bits: 1025 of 10 bits is white, where its bits are 1."""
    is_lossy = runner.transfer_syntax in (JPEGBaseline8Bit, JPEGExtended12Bit)
    stream_bits = 8 if frame.dtype.itemsize == 1 else 12
    if not is_lossy or runner.pixel_representation == 1 or runner.bits_stored >= stream_bits:
        return frame
    clipped: NDArray[Any] = frame.clip(max=2**runner.bits_stored - 1)
    return clipped


def _signed(frame: NDArray[Any], runner: DecodeRunner) -> NDArray[Any]:
    """Carry the sign into the bits above those stored: the stream holds the stored bits alone."""
    allocated = 8 * frame.dtype.itemsize
    if runner.pixel_representation != 1 or runner.bits_stored >= allocated:
        return frame
    shift = allocated - runner.bits_stored
    signed: NDArray[Any] = frame.view(f"i{frame.dtype.itemsize}")
    return (signed << shift) >> shift
