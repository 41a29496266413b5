"""The one decoder of each DICOM transfer syntax: two machines read alike, or one of them refuses.

Permissive licences only. `pylibjpeg-libjpeg` and its likes (GPL) are never asked, even where they
are installed: left to itself pydicom would ask them first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from pydicom.config import IGNORE
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from medrec.domain.codes import ReasonCode
from medrec.errors import RefusedScanError
from medrec.io import imagecodecs_decoder

imagecodecs_decoder.register()

GPL_PACKAGES = ("pylibjpeg-libjpeg",)
"""Decoders under the GPL that pydicom would use if it were let."""


@dataclass(frozen=True, slots=True)
class PixelDecoder:
    """What decodes a transfer syntax: a plugin of pydicom's, and the package that it stands on."""

    plugin: str
    package: str
    module: str

    @property
    def is_installed(self) -> bool:
        """Whether the package is there."""
        return find_spec(self.module) is not None


_PYDICOM = PixelDecoder("", "pydicom", "pydicom")
_IMAGECODECS = PixelDecoder(imagecodecs_decoder.LABEL, "imagecodecs", "imagecodecs")
_CHARLS = PixelDecoder("pyjpegls", "pyjpegls", "jpeg_ls")
_OPENJPEG = PixelDecoder("pylibjpeg", "pylibjpeg-openjpeg", "openjpeg")
_RLE = PixelDecoder("pylibjpeg", "pylibjpeg-rle", "rle")

DECODERS: dict[UID, PixelDecoder] = {
    ImplicitVRLittleEndian: _PYDICOM,
    ExplicitVRLittleEndian: _PYDICOM,
    ExplicitVRBigEndian: _PYDICOM,
    DeflatedExplicitVRLittleEndian: _PYDICOM,
    JPEGBaseline8Bit: _IMAGECODECS,
    JPEGExtended12Bit: _IMAGECODECS,
    JPEGLossless: _IMAGECODECS,
    JPEGLosslessSV1: _IMAGECODECS,
    JPEGLSLossless: _CHARLS,
    JPEGLSNearLossless: _CHARLS,
    JPEG2000Lossless: _OPENJPEG,
    JPEG2000: _OPENJPEG,
    HTJ2KLossless: _IMAGECODECS,
    HTJ2KLosslessRPCL: _IMAGECODECS,
    HTJ2K: _IMAGECODECS,
    # Bad data can make it abort its process, which is why it has one of its own.
    RLELossless: _RLE,
}


def decoder_of(syntax: str) -> PixelDecoder:
    """The decoder of a transfer syntax.

    Raises:
        RefusedScanError: There is none, or it isn't installed (`unsupported_syntax`).
    """
    uid = UID(syntax, validation_mode=IGNORE)
    decoder = DECODERS.get(uid)
    if decoder is not None and _is_usable(uid, decoder):
        return decoder
    detail = f"no decoder for transfer syntax {_told(uid)}"
    if decoder is not None:
        detail += f": install {decoder.package}"
    raise RefusedScanError(ReasonCode.UNSUPPORTED_SYNTAX, detail)


def gpl_decoders() -> tuple[str, ...]:
    """The GPL decoders that are installed here, with their versions; medrec uses none of them."""
    found = []
    for package in GPL_PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return tuple(found)


@lru_cache(maxsize=64)  # every file of a folder asks for one of a few
def _is_usable(syntax: UID, decoder: PixelDecoder) -> bool:
    if not decoder.is_installed:
        return False
    return not decoder.plugin or decoder.plugin in get_decoder(syntax).available_plugins


def _told(syntax: UID) -> str:
    """A transfer syntax in words; what is no UID may be anything, even a name."""
    if not re.fullmatch(r"[0-9.]{1,64}", syntax):
        return "(no UID)"
    return f"{syntax} ({syntax.name if syntax.is_transfer_syntax else 'unknown'})"
