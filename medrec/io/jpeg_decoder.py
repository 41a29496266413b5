"""JPEG Lossless and 12-bit JPEG, which hospitals use much, by imagecodecs where it is installed.

A decoding plugin of pydicom's (`Decoder.add_plugin`), for grey images only: a lossless stream does
not say whether its colours are RGB.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

if TYPE_CHECKING:
    import numpy as np
    from pydicom.pixels.decoders.base import DecodeRunner

LABEL = "medrec"
SYNTAXES = (JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)
DECODER_DEPENDENCIES = dict.fromkeys(SYNTAXES, ("numpy", "imagecodecs"))


def is_available(uid: str) -> bool:
    """Tell whether a transfer syntax can be read here (pydicom asks)."""
    return uid in SYNTAXES and find_spec("imagecodecs") is not None


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode one frame to little-endian bytes (pydicom calls).

    Raises:
        ValueError: A colour image.
    """
    if runner.samples_per_pixel != 1:
        message = "only grey images are read in this transfer syntax"
        raise ValueError(message)
    frame: np.ndarray[tuple[int, ...], np.dtype[np.unsignedinteger]]
    frame = import_module("imagecodecs").jpeg_decode(src)
    allocated = 8 * frame.dtype.itemsize
    runner.set_option("bits_allocated", allocated)
    if runner.pixel_representation == 1 and runner.bits_stored < allocated:
        # The stream holds the stored bits alone: the sign must be carried into the others.
        shift = allocated - runner.bits_stored
        signed = frame.view(f"i{frame.dtype.itemsize}")
        return bytes(((signed << shift) >> shift).tobytes())
    return frame.tobytes()


def register() -> None:
    """Make pydicom use this decoder; a second call changes nothing."""
    for syntax in SYNTAXES:
        decoder = get_decoder(syntax)
        if LABEL not in (*decoder.available_plugins, *decoder.missing_dependencies):
            decoder.add_plugin(LABEL, (__name__, "decode_frame"))
