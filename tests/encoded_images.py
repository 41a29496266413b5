"""DICOM images compressed by encoders other than the decoders under test, where there are any."""

from __future__ import annotations

from dataclasses import dataclass

import imagecodecs
import jpeg_ls
import numpy as np
from dicom_factory import an_image
from pydicom import dcmwrite
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
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

NATIVE = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
NEAR = 3
"""What a near-lossless pixel may be off by."""


@dataclass(frozen=True)
class Kind:
    """What a pixel is."""

    bits_stored: int
    bits_allocated: int = 16
    is_signed: bool = False
    samples: int = 1

    @property
    def name(self):
        sign = "signed" if self.is_signed else "unsigned"
        return f"{self.bits_stored}in{self.bits_allocated}{sign}x{self.samples}"

    def noise(self, *, frames, rows, columns):
        """Values of the whole range (frames, rows, columns[, samples]), extremes included."""
        low = -(2 ** (self.bits_stored - 1)) if self.is_signed else 0
        shape = (frames, rows, columns) + ((self.samples,) if self.samples > 1 else ())
        values = np.random.default_rng(11).integers(low, low + 2**self.bits_stored, shape)
        values[:, 0, :2] = np.array([low, low + 2**self.bits_stored - 1]).reshape(
            (2,) + (1,) * (len(shape) - 3)
        )
        return values.astype(f"{'i' if self.is_signed else 'u'}{self.bits_allocated // 8}")

    def ramp(self, *, frames, rows, columns):
        """Smooth values, for codecs that lose what is not."""
        y, x = np.mgrid[:rows, :columns]
        plane = (y / rows + x / columns) / 2 * (2**self.bits_stored - 1)
        picture = plane[..., np.newaxis] * np.linspace(1, 0.5, self.samples)
        values = np.repeat(picture[np.newaxis], frames, axis=0)
        if self.is_signed:
            values = values - 2 ** (self.bits_stored - 1)
        values = values.astype(f"{'i' if self.is_signed else 'u'}{self.bits_allocated // 8}")
        return values if self.samples > 1 else values[..., 0]


def raw_bits(values, kind):
    """The stored bits as unsigned values, 8 or 16 bit wide: for codecs that know no sign."""
    width = 8 if kind.bits_stored <= 8 else 16
    mask = 2**kind.bits_stored - 1
    return (values.astype(np.int64) & mask).astype(f"u{width // 8}")


def _jpeg(frame, kind, **options):
    # One name for both, so that the encoder stores the samples as they are.
    colour = {"colorspace": "RGB", "outcolorspace": "RGB"} if kind.samples > 1 else {}
    if kind.bits_stored > 8:
        options["bitspersample"] = kind.bits_stored
    return imagecodecs.jpeg8_encode(raw_bits(frame, kind), **colour, **options)


def unnamed(stream):
    """A JPEG that doesn't say that its colours are RGB, by a marker or by its components' names."""
    start = stream.find(b"\xff\xee\x00\x0eAdobe")
    stream = stream if start < 0 else stream[:start] + stream[start + 16 :]
    stream = stream.replace(b"R\x11\0G\x11\0B\x11\0", b"\1\x11\0\2\x11\0\3\x11\0")
    return stream.replace(b"\3R\0G\0B\0", b"\3\1\0\2\0\3\0")


def _narrow(frame, kind):
    """As wide as the stored bits need: the width that a JPEG 2000 stream is given."""
    return frame.astype(f"{'i' if kind.is_signed else 'u'}{1 if kind.bits_stored <= 8 else 2}")


def _jpeg2000(frame, kind, level):
    return imagecodecs.jpeg2k_encode(
        _narrow(frame, kind),
        level=level,
        codecformat="J2K",
        bitspersample=kind.bits_stored,
        reversible=level == 0,
        mct=kind.samples > 1,
    )


def _jpegls(frame, kind, near):
    """By pyjpegls, which is told how many bits are stored; imagecodecs would write all of them."""
    raw = raw_bits(frame, kind)
    return bytes(
        jpeg_ls.encode_buffer(
            raw.tobytes(),
            frame.shape[0],
            frame.shape[1],
            kind.samples,
            kind.bits_stored,
            near,
            2 if kind.samples > 1 else 0,
        )
    )


def _run_length(frame):
    """PS3.5 annex G: one segment for each byte of each sample, the highest byte first."""
    octets = frame.astype(frame.dtype.newbyteorder(">")).view("u1")
    octets = octets.reshape(frame.shape[0] * frame.shape[1], -1)
    segments = [imagecodecs.packbits_encode(plane.tobytes()) for plane in octets.T]
    segments = [segment + b"\0" * (len(segment) % 2) for segment in segments]
    places = np.cumsum([64] + [len(segment) for segment in segments[:-1]])
    header = [len(segments), *places] + [0] * (15 - len(segments))
    return np.array(header, "<u4").tobytes() + b"".join(segments)


ENCODERS = {
    RLELossless: lambda f, _: _run_length(f),
    JPEGBaseline8Bit: lambda f, k: _jpeg(f, k, level=95),
    JPEGExtended12Bit: lambda f, k: _jpeg(f, k, level=95),
    JPEGLossless: lambda f, k: _jpeg(f, k, lossless=True, predictor=4),
    JPEGLosslessSV1: lambda f, k: _jpeg(f, k, lossless=True, predictor=1),
    JPEGLSLossless: lambda f, k: _jpegls(f, k, 0),
    JPEGLSNearLossless: lambda f, k: _jpegls(f, k, NEAR),
    JPEG2000Lossless: lambda f, k: _jpeg2000(f, k, 0),
    JPEG2000: lambda f, k: _jpeg2000(f, k, 60),
    HTJ2KLossless: lambda f, k: imagecodecs.htj2k_encode(_narrow(f, k), reversible=True),
    HTJ2KLosslessRPCL: lambda f, k: imagecodecs.htj2k_encode(_narrow(f, k), reversible=True),
    HTJ2K: lambda f, k: imagecodecs.htj2k_encode(_narrow(f, k), level=0.0005, reversible=False),
}


def encoded(values, kind, syntax, *, photometric=None):
    """A DICOM image of frames (frames, rows, columns[, samples]) in a transfer syntax."""
    image = an_image(values[0], BitsStored=kind.bits_stored, NumberOfFrames=len(values))
    if kind.samples > 1:
        image.PhotometricInterpretation = "RGB"
    if photometric:
        image.PhotometricInterpretation = photometric
    image.file_meta.TransferSyntaxUID = syntax
    image.PixelData = values.tobytes() + b"\0" * (values.nbytes % 2)
    if syntax == ExplicitVRBigEndian:
        image.PixelData = values.astype(values.dtype.newbyteorder(">")).tobytes()
        image.PixelData += b"\0" * (values.nbytes % 2)
        image["PixelData"].VR = "OB" if kind.bits_allocated == 8 else "OW"
    elif syntax not in NATIVE:
        streams = [ENCODERS[syntax](frame, kind) for frame in values]
        if photometric and photometric.startswith("YBR"):
            streams = [unnamed(stream) for stream in streams]
        image.PixelData = encapsulate(streams)
        image["PixelData"].is_undefined_length = True
    return image


def write(image, path):
    """Write an image in the encoding of its transfer syntax."""
    syntax = image.file_meta.TransferSyntaxUID
    if syntax == ExplicitVRBigEndian:
        dcmwrite(path, image, implicit_vr=False, little_endian=False, force_encoding=True)
    elif syntax == ImplicitVRLittleEndian:
        dcmwrite(path, image, implicit_vr=True, little_endian=True, force_encoding=True)
    else:
        image.save_as(path, enforce_file_format=True)
    return path
