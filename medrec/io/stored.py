"""Grey values of films as files hold them, and files of the same kind with others in their place.

What is written lies in a folder that the caller gives and removes: of DICOM the header is as it
was, names included, so that it belongs where nobody else reads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian

from medrec.domain.codes import ReasonCode
from medrec.domain.modality import FileFormat
from medrec.domain.series import Series
from medrec.errors import RefusedScanError
from medrec.io.decoding import io_errors
from medrec.io.dicom_file import dicom_errors, read_whole
from medrec.io.dicom_pixels import decode_frames, read_pixel_spec
from medrec.io.raster import read_stored_raster

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import FileDataset

    from medrec.domain.series import ImageHeader

_NAME = "image"


class StoredFilm(Protocol):
    """A film whose grey values can be changed."""

    @property
    def pixels(self) -> NDArray[Any]:
        """Grey values (H, W), rows downward, before polarity, rescale and window."""

    def write(self, folder: Path, pixels: NDArray[Any]) -> Series:
        """Write a film of the same kind with other values of the same dtype; what it is as scan."""


def read_film(series: Series) -> StoredFilm:
    """Read the grey values of a film that `load_volume` has decoded before.

    It is decoded in this process: what crashes a decoder has crashed that of another one then.

    Raises:
        RefusedScanError: The pixels can't be read, or aren't one grey picture of one file.
        FailedScanError: The file can't be opened now (`io`).
    """
    header = series.first
    if len(series.headers) > 1 or header.format is FileFormat.NIFTI:
        raise RefusedScanError(ReasonCode.OUT_OF_SCOPE, "a volume, where a film is wanted")
    with io_errors():
        if header.format is FileFormat.RASTER:
            return RasterFilm(read_stored_raster(header.path), header)
        return read_dicom_plane(header)


@dataclass(frozen=True, eq=False)
class RasterFilm:
    """A PNG or JPEG; it is written as PNG, so that nothing but the change is changed."""

    pixels: NDArray[Any]
    header: ImageHeader

    def write(self, folder: Path, pixels: NDArray[Any]) -> Series:
        """Write a PNG of 8 or 16 bits."""
        path = folder / _NAME
        Image.fromarray(pixels).save(path, format="PNG", compress_level=1)
        return Series((replace(self.header, path=path, stamp=None),))


@dataclass(frozen=True, eq=False)
class DicomPlane:
    """A DICOM image of one grey frame, a film or a slice; it is written uncompressed.

    `highest` is the highest value that its bits can store.
    """

    pixels: NDArray[Any]
    header: ImageHeader
    dataset: FileDataset
    highest: int

    def write(self, folder: Path, pixels: NDArray[Any], *, name: str = _NAME) -> Series:
        """Write it with other stored values.

        Raises:
            RefusedScanError: Its header can't be written again.
        """
        path, dataset = folder / name, self.dataset
        data = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<"))).tobytes()
        with dicom_errors():
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            dataset.PixelData = data + b"\0" * (len(data) % 2)
            dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
            dcmwrite(path, dataset, implicit_vr=False, little_endian=True, overwrite=True)
        return Series((replace(self.header, path=path, stamp=None),))


def read_dicom_plane(header: ImageHeader) -> DicomPlane:
    """Decode one image to its stored values.

    Raises:
        RefusedScanError: It can't be decoded, is of colour, or has several frames.
        OSError: The file can't be opened.
    """
    dataset = read_whole(header.path)
    spec = read_pixel_spec(dataset)
    if not spec.is_grey or spec.frames != 1:
        detail = (
            f"{spec.frames} frames, {spec.photometric}: lesions are planted into files of one "
            "frame of grey values"
        )
        raise RefusedScanError(ReasonCode.OUT_OF_SCOPE, detail)
    bits = spec.bits_stored - int(spec.is_signed)
    return DicomPlane(decode_frames(dataset)[0], header, dataset, 2**bits - 1)
