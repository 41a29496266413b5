#!/usr/bin/env python3
"""Make every file of data_samples from three public packages.

Usage:
    python make_samples.py PYRADIOMICS MRICRON PYDICOM_DATA

    PYRADIOMICS   the unpacked source archive of pyradiomics 3.0.1
    MRICRON       the folder of the unpacked Debian package mricron-data with ch2.nii.gz
    PYDICOM_DATA  the folder of the unpacked wheel of pydicom-data 1.0.0 with RG1_UNCR.dcm

The same inputs and the same library versions give the same bytes: no clock, no
random UID, no file name or time in a gzip header.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import nrrd  # type: ignore[import-untyped]
import numpy as np
import pydicom
from dicom_headers import (
    MR_STORED_MAXIMUM,
    Plane,
    Series,
    decimal,
    mr_image,
    patient_study_series,
    to_bytes,
    uid,
)
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
)
from scipy.ndimage import map_coordinates
from synthetic_mammogram import mammogram

log = logging.getLogger("make_samples")

HERE = Path(__file__).resolve().parent
SOURCES = {"README.md", "make_samples.py", "dicom_headers.py", "synthetic_mammogram.py"}
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
NIFTI_SCANNER, NIFTI_MNI = 1, 4

POLARITY_SLICE = 8  # of brain2: where its tumor outline is largest
TRUNCATED_SLICE = 9
CHEST_SHRINK = 2
# The source gives PixelSpacing 0. Its collimator edges span 368 mm by 392 mm over
# 1841 by 1955 pixels, which is 0.2 mm.
CHEST_DETECTOR_SPACING_MM = 0.2
CHEST_KEPT = (
    "Manufacturer",
    "BodyPartExamined",
    "KVP",
    "ViewPosition",
    "PatientOrientation",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "WindowCenter",
    "WindowWidth",
)


@dataclass(frozen=True, slots=True)
class Volume:
    """Voxels (I, J, K) and their place: `directions_lps[axis]` is one step in mm."""

    voxels: np.ndarray
    directions_lps: np.ndarray
    origin_lps: np.ndarray

    @property
    def affine_lps(self) -> np.ndarray:
        """Matrix (4, 4) from voxel index to LPS millimetres."""
        affine = np.eye(4)
        affine[:3, :3] = self.directions_lps.T
        affine[:3, 3] = self.origin_lps
        return affine

    def flipped(self, axis: int) -> Volume:
        """Return the same image with `axis` counted from its other end."""
        directions = self.directions_lps.copy()
        directions[axis] *= -1
        last = self.voxels.shape[axis] - 1
        origin = self.origin_lps + last * self.directions_lps[axis]
        return Volume(np.flip(self.voxels, axis), directions, origin)

    def axial(self, index: int) -> Plane:
        """Cut slice `index`; columns run along axis 0, rows along axis 1."""
        column_step, row_step, slice_step = self.directions_lps
        return Plane(
            pixels=self.voxels[:, :, index].T,
            position_mm=self.origin_lps + index * slice_step,
            along_row=column_step / np.linalg.norm(column_step),
            along_column=row_step / np.linalg.norm(row_step),
            spacing_mm=(float(np.linalg.norm(row_step)), float(np.linalg.norm(column_step))),
            thickness_mm=float(np.linalg.norm(slice_step)),
        )


def read_nrrd(path: Path) -> Volume:
    """Read an NRRD whose header states left-posterior-superior axes."""
    voxels, header = nrrd.read(str(path))
    if header["space"] != "left-posterior-superior":
        message = f"{path}: space is {header['space']}, expected left-posterior-superior"
        raise ValueError(message)
    return Volume(voxels, header["space directions"], header["space origin"])


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content`, making the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    log.info("%9d %s", len(content), path.relative_to(HERE))


def write_nifti(path: Path, voxels: np.ndarray, affine_ras: np.ndarray, *, code: int) -> None:
    """Write a gzipped NIfTI-1 in millimetres with qform and sform of `code`."""
    image: Any = nib.Nifti1Image(voxels, affine_ras)  # type: ignore[no-untyped-call]
    image.set_qform(affine_ras, code=code)
    image.set_sform(affine_ras, code=code)
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter(1, 0)
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as file:
        file.write(image.to_bytes())
    write_bytes(path, packed.getvalue())


def write_brain(name: str, image: Volume, mask: Volume) -> None:
    """Write the image as int16 and the tumor mask as uint8, on the grid of the source."""
    affine_ras = LPS_TO_RAS @ image.affine_lps
    folder = HERE / name
    write_nifti(folder / "image.nii.gz", image.voxels, affine_ras, code=NIFTI_SCANNER)
    labels = (mask.voxels > 0).astype(np.uint8)
    write_nifti(folder / "mask.nii.gz", labels, affine_ras, code=NIFTI_SCANNER)


def display_window(voxels: np.ndarray) -> tuple[int, int]:
    """Return window centre and width from 0 to the 99th percentile, both even."""
    half = int(np.percentile(voxels, 99)) // 4 * 2
    return half, 2 * half


def post_contrast(name: str, voxels: np.ndarray) -> Series:
    """Describe a post-contrast T1 series of the made-up patient SAMPLE^`name`."""
    return Series(
        name=name,
        description="AX T1 POST GD",
        image_type=("ORIGINAL", "PRIMARY", "OTHER"),
        contrast=True,
        window=display_window(voxels),
    )


def write_brain_dicom(image: Volume) -> None:
    """Write brain1 as one file a slice, from the feet up, rows from front to back."""
    upright = image.flipped(1)
    series = post_contrast("BRAIN1", image.voxels)
    for index in range(image.voxels.shape[2]):
        dataset = mr_image(upright.axial(index), series, number=index + 1)
        write_bytes(HERE / "brain1-dicom" / f"slice_{index + 1:02d}.dcm", to_bytes(dataset))


def write_polarity(image: Volume) -> None:
    """Write one tumor slice of brain2 as MONOCHROME2 and as its MONOCHROME1 twin.

    The twin stores 4095 minus the value, which is (2**BitsStored - 1) - value. PS3.3
    C.11.2.1.2 centres a window on c - 0.5, so its window centre is 4096 - c.
    """
    plane = image.flipped(1).axial(POLARITY_SLICE)
    bright = mr_image(plane, post_contrast("MONO2", image.voxels), number=1)
    write_bytes(HERE / "awkward" / "polarity" / "mono2.dcm", to_bytes(bright))
    dark = mr_image(plane, post_contrast("MONO1", image.voxels), number=1)
    dark.PhotometricInterpretation = "MONOCHROME1"
    dark.PixelData = (MR_STORED_MAXIMUM - plane.pixels).astype("<u2").tobytes()
    dark.WindowCenter = str(MR_STORED_MAXIMUM + 1 - int(bright.WindowCenter))
    write_bytes(HERE / "awkward" / "polarity" / "mono1.dcm", to_bytes(dark))


def write_truncated(image: Volume) -> None:
    """Write a slice of brain2 that ends after half of its pixel data."""
    plane = image.flipped(1).axial(TRUNCATED_SLICE)
    whole = to_bytes(mr_image(plane, post_contrast("TRUNCATED", image.voxels), number=1))
    write_bytes(HERE / "awkward" / "truncated.dcm", whole[: len(whole) - plane.pixels.size])


def cut(image: Volume, along_row: np.ndarray, along_column: np.ndarray) -> Plane:
    """Cut 128 by 128 pixels of 2 mm through the centre of `image`, by linear interpolation."""
    size, spacing_mm = 128, 2.0
    shape = np.array(image.voxels.shape)
    centre = image.affine_lps @ [*((shape - 1) / 2), 1.0]
    position = centre[:3] - (along_row + along_column) * spacing_mm * (size - 1) / 2
    steps = np.arange(size) * spacing_mm
    points = (
        position[:, None, None]
        + along_row[:, None, None] * steps[None, None, :]
        + along_column[:, None, None] * steps[None, :, None]
    )
    to_index = np.linalg.inv(image.affine_lps)
    indices = np.einsum("ij,jrc->irc", to_index[:3, :3], points) + to_index[:3, 3, None, None]
    values = map_coordinates(image.voxels.astype(float), indices, order=1, cval=0.0)
    pixels = np.rint(values).astype(np.int16)
    return Plane(pixels, position, along_row, along_column, (spacing_mm, spacing_mm), 6.5)


def write_localizer(image: Volume) -> None:
    """Write an axial, a coronal and a sagittal scout cut out of brain1."""
    series = Series(
        name="LOCALIZER",
        description="3-PLANE LOCALIZER",
        image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"),
        contrast=False,
        window=display_window(image.voxels),
    )
    left, posterior, inferior = np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, -1.0]])
    planes = {"axial": (left, posterior), "coronal": (left, inferior)}
    planes["sagittal"] = (posterior, inferior)
    for number, (name, (along_row, along_column)) in enumerate(planes.items(), start=1):
        dataset = mr_image(cut(image, along_row, along_column), series, number=number)
        write_bytes(HERE / "awkward" / "localizer" / f"{name}.dcm", to_bytes(dataset))


def shrink(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Average blocks of `factor` by `factor` pixels; rows and columns left over are cut."""
    rows, columns = (length // factor for length in pixels.shape)
    blocks = pixels[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return np.asarray(np.rint(blocks.mean(axis=(1, 3))), dtype=np.uint16)


def chest_film(source: Dataset) -> Dataset:
    """Build a chest film from `source`: its pixels, and only the elements named here."""
    film = patient_study_series("CHEST", "CR", "CHEST PA", ComputedRadiographyImageStorage)
    for keyword in CHEST_KEPT:
        film[keyword] = source[keyword]
    pixels = shrink(source.pixel_array, CHEST_SHRINK)
    film.ImageType = ["DERIVED", "PRIMARY"]
    film.DerivationDescription = f"Shrunk {CHEST_SHRINK} times by averaging, header replaced"
    film.SOPInstanceUID = uid("CHEST", "instance", "1")
    film.InstanceNumber = "1"
    film.ImagerPixelSpacing = [decimal(CHEST_DETECTOR_SPACING_MM * CHEST_SHRINK)] * 2
    film.LossyImageCompression = "00"
    film.Rows, film.Columns = pixels.shape
    film.PixelData = pixels.astype("<u2").tobytes()
    film["PixelData"].VR = "OW"
    return film


def compressed(dataset: Dataset, transfer_syntax: UID) -> Dataset:
    """Return `dataset` with its pixels compressed without loss, under the same UID."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.compress(transfer_syntax, generate_instance_uid=False)
    return dataset


def write_chest(source: Path) -> None:
    """Write the chest film in JPEG 2000, lossless."""
    film = compressed(chest_film(pydicom.dcmread(source)), JPEG2000Lossless)
    write_bytes(HERE / "chest" / "chest_pa.dcm", to_bytes(film))


def write_breast() -> None:
    """Write the drawn mammogram in JPEG-LS, lossless."""
    film = compressed(mammogram(), JPEGLSLossless)
    write_bytes(HERE / "breast" / "mammogram_synthetic.dcm", to_bytes(film))


def write_checksums() -> None:
    """Write checksums.txt for every file but itself and the sources."""
    listed = sorted(path for path in HERE.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(HERE).as_posix()}\n"
        for path in listed
        if path.name not in {*SOURCES, "checksums.txt"} and path.suffix != ".pyc"
    ]
    (HERE / "checksums.txt").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """Make all samples."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description="Make every file of data_samples.")
    for name in ("pyradiomics", "mricron", "pydicom_data"):
        parser.add_argument(name, type=Path)
    folders = parser.parse_args()
    brains = {
        name: [
            read_nrrd(folders.pyradiomics / "data" / f"{name}_{part}.nrrd")
            for part in ("image", "label")
        ]
        for name in ("brain1", "brain2")
    }
    for name, (image, mask) in brains.items():
        write_brain(name, image, mask)
    brain1, brain2 = brains["brain1"][0], brains["brain2"][0]
    write_brain_dicom(brain1)
    colin: Any = nib.load(folders.mricron / "ch2.nii.gz")
    colin_path = HERE / "healthy" / "colin27_t1.nii.gz"
    write_nifti(colin_path, np.asarray(colin.dataobj), colin.affine, code=NIFTI_MNI)
    write_chest(folders.pydicom_data / "RG1_UNCR.dcm")
    write_breast()
    write_polarity(brain2)
    write_truncated(brain2)
    write_localizer(brain1)
    write_bytes(HERE / "awkward" / "not_dicom.dcm", b"This is a text file, not a DICOM file.\n")
    write_checksums()


if __name__ == "__main__":
    main()
