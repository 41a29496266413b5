"""DICOM headers of the samples: made-up patients, no dates, UIDs that never change."""
# ruff: noqa: INP001  (a folder of data, not a Python package)

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import format_number_as_ds

if TYPE_CHECKING:
    import numpy as np

MR_BITS_STORED = 12
MR_STORED_MAXIMUM = 2**MR_BITS_STORED - 1
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "medrec data samples")


@dataclass(frozen=True, slots=True)
class Plane:
    """Pixels (rows, columns) and their place in LPS millimetres.

    `along_row` and `along_column` are unit vectors; `spacing_mm` is (between rows,
    between columns), as PixelSpacing has it.
    """

    pixels: np.ndarray
    position_mm: np.ndarray
    along_row: np.ndarray
    along_column: np.ndarray
    spacing_mm: tuple[float, float]
    thickness_mm: float


@dataclass(frozen=True, slots=True)
class Series:
    """What the images of one MR series share; each has a study of its own."""

    name: str
    description: str
    image_type: tuple[str, ...]
    contrast: bool
    window: tuple[int, int]


def uid(*parts: str) -> UID:
    """Return the UID under 2.25 that always belongs to these words."""
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(parts)).int}")


def decimal(value: float) -> str:
    """Write a number as a decimal string of at most 16 characters, to a nanometre."""
    return str(format_number_as_ds(float(round(value, 9)) + 0.0))


def decimals(values: np.ndarray | tuple[float, ...]) -> list[str]:
    """Write several numbers as decimal strings."""
    return [decimal(value) for value in values]


def patient_study_series(name: str, modality: str, description: str, sop_class: UID) -> Dataset:
    """Start a dataset with the patient, study and series elements every image has."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID = sop_class
    for keyword in ("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"):
        setattr(dataset, keyword, "")
    dataset.Modality = modality
    dataset.Manufacturer = ""
    dataset.StudyDescription = "medrec sample"
    dataset.SeriesDescription = description
    dataset.PatientName = f"SAMPLE^{name}"
    dataset.PatientID = f"SAMPLE-{name}"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = ""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Header replaced by a made-up one"
    dataset.StudyInstanceUID = uid(name, "study")
    dataset.SeriesInstanceUID = uid(name, "series")
    dataset.StudyID = "1"
    dataset.SeriesNumber = "1"
    return dataset


def _add_acquisition(dataset: Dataset, series: Series) -> None:
    """Add what is known of the acquisition; times are unknown and stay empty."""
    dataset.BodyPartExamined = "BRAIN"
    dataset.PatientPosition = "HFS"
    dataset.ScanningSequence = "SE"
    dataset.SequenceVariant = "NONE"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "2D"
    dataset.RepetitionTime = None
    dataset.EchoTime = None
    dataset.EchoTrainLength = None
    if series.contrast:
        dataset.ContrastBolusAgent = "Gadolinium, product not recorded"


def _add_place(dataset: Dataset, plane: Plane) -> None:
    """Add the image plane."""
    dataset.PositionReferenceIndicator = ""
    dataset.ImagePositionPatient = decimals(plane.position_mm)
    dataset.ImageOrientationPatient = decimals((*plane.along_row, *plane.along_column))
    dataset.PixelSpacing = decimals(plane.spacing_mm)
    dataset.SliceThickness = decimal(plane.thickness_mm)
    dataset.SpacingBetweenSlices = decimal(plane.thickness_mm)


def _add_pixels(dataset: Dataset, pixels: np.ndarray, window: tuple[int, int]) -> None:
    """Add unsigned 12-bit MONOCHROME2 pixels."""
    if pixels.min() < 0 or pixels.max() > MR_STORED_MAXIMUM:
        message = f"pixel values {pixels.min()}..{pixels.max()} do not fit {MR_BITS_STORED} bits"
        raise ValueError(message)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = MR_BITS_STORED
    dataset.HighBit = MR_BITS_STORED - 1
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = (str(value) for value in window)
    dataset.PixelData = pixels.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"


def mr_image(plane: Plane, series: Series, *, number: int) -> Dataset:
    """Build image `number` of a classic MR series."""
    dataset = patient_study_series(series.name, "MR", series.description, MRImageStorage)
    dataset.SOPInstanceUID = uid(series.name, "instance", str(number))
    dataset.FrameOfReferenceUID = uid(series.name, "frame of reference")
    dataset.ImageType = list(series.image_type)
    dataset.InstanceNumber = str(number)
    _add_acquisition(dataset, series)
    _add_place(dataset, plane)
    _add_pixels(dataset, plane.pixels, series.window)
    return dataset


def to_bytes(dataset: Dataset) -> bytes:
    """Encode as a DICOM file with an empty preamble; uncompressed unless already compressed."""
    compressed = getattr(dataset, "file_meta", None)
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = compressed.TransferSyntaxUID if compressed else ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid("implementation")
    meta.ImplementationVersionName = "MEDREC_SAMPLES"
    dataset.file_meta = meta
    dataset.preamble = bytes(128)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
