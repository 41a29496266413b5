"""A drawn mammogram: no patient, no clinical meaning, a header as a real one has it."""
# ruff: noqa: INP001  (a folder of data, not a Python package)

from __future__ import annotations

import numpy as np
from dicom_headers import decimal, patient_study_series, uid
from pydicom.dataset import Dataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation

ROWS, COLUMNS = 832, 640
SPACING_MM = 0.28
BITS_STORED = 12
MASS_ROW_COLUMN = (470, 250)
MASS_RADIUS_PX = 34


def _smooth_noise(rng: np.random.Generator, power: float) -> np.ndarray:
    """Draw noise (ROWS, COLUMNS) of mean 0 and deviation 1 whose spectrum falls as 1/f**power."""
    spectrum = np.fft.rfft2(rng.standard_normal((ROWS, COLUMNS)))
    frequency = np.hypot(np.fft.fftfreq(ROWS)[:, None], np.fft.rfftfreq(COLUMNS)[None, :])
    frequency[0, 0] = 1.0
    spectrum /= frequency**power
    spectrum[0, 0] = 0.0
    noise = np.fft.irfft2(spectrum, s=(ROWS, COLUMNS))
    return np.asarray(noise / noise.std())


def _breast_depth(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return 1 at the chest wall, 0 at the skin and negative in the air."""
    return np.asarray(1.0 - np.hypot((row - ROWS / 2) / 350.0, column / 500.0))


def _mass(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return the drawn mass, 0 to 1, with twelve spicules."""
    down, right = row - MASS_ROW_COLUMN[0], column - MASS_ROW_COLUMN[1]
    distance, angle = np.hypot(down, right), np.arctan2(down, right)
    edge = MASS_RADIUS_PX * (1.0 + 0.45 * np.abs(np.cos(6.0 * angle + np.sin(3.0 * angle))) ** 6)
    return np.asarray(1.0 / (1.0 + np.exp((distance - edge) / 3.5)))


def draw() -> np.ndarray:
    """Draw stored values (ROWS, COLUMNS) uint16, bright where tissue is dense."""
    rng = np.random.default_rng(20260101)
    row, column = np.mgrid[0:ROWS, 0:COLUMNS].astype(float)
    depth = _breast_depth(row, column)
    thickness = np.clip(depth / 0.12, 0.0, 1.0) ** 0.5
    gland = np.exp(-(((row - ROWS / 2) / 210.0) ** 2) - ((column - 230.0) / 190.0) ** 2)
    texture = _smooth_noise(rng, 1.5)
    tissue = 900.0 + 650.0 * gland * (1.0 + 0.35 * texture) + 110.0 * texture
    skin = 350.0 * np.exp(-(((depth - 0.012) / 0.008) ** 2))
    values = thickness * tissue + skin + 800.0 * _mass(row, column)
    values += 12.0 * rng.standard_normal((ROWS, COLUMNS)) * (depth > 0.0) + 40.0
    return np.asarray(np.rint(np.clip(values, 0, 2**BITS_STORED - 1)), dtype=np.uint16)


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    """Build a code item."""
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item


def _add_acquisition(dataset: Dataset) -> None:
    """Say it is a craniocaudal view of the left breast, drawn and not taken."""
    dataset.BodyPartExamined = "BREAST"
    dataset.ImageLaterality = "L"
    dataset.ViewPosition = "CC"
    dataset.OrganExposed = "BREAST"
    dataset.PatientOrientation = ["A", "R"]
    dataset.PositionerType = "MAMMOGRAPHIC"
    dataset.BreastImplantPresent = "NO"
    dataset.DetectorType = "DIRECT"
    dataset.ImagerPixelSpacing = [decimal(SPACING_MM)] * 2
    view = _code("399162004", "SCT", "cranio-caudal")
    view.ViewModifierCodeSequence = []
    dataset.ViewCodeSequence = [view]
    dataset.AnatomicRegionSequence = [_code("76752008", "SCT", "Breast")]
    dataset.AcquisitionContextSequence = []
    dataset.DerivationDescription = "Drawn by a program: synthetic, shows no patient"


def _add_pixels(dataset: Dataset, pixels: np.ndarray) -> None:
    """Add the pixels and how they are meant to be shown."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = BITS_STORED
    dataset.HighBit = BITS_STORED - 1
    dataset.PixelRepresentation = 0
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = -1
    dataset.RescaleIntercept, dataset.RescaleSlope = "0", "1"
    dataset.RescaleType = "US"
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.WindowCenter, dataset.WindowWidth = "1400", "2800"
    dataset.LossyImageCompression = "00"
    dataset.BurnedInAnnotation = "NO"
    dataset.PixelData = pixels.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"


def mammogram() -> Dataset:
    """Build the drawn mammogram."""
    sop_class = DigitalMammographyXRayImageStorageForPresentation
    dataset = patient_study_series("MAMMOGRAM", "MG", "SYNTHETIC L CC", sop_class)
    dataset.DeidentificationMethod = "Synthetic, never had a patient"
    dataset.SOPInstanceUID = uid("MAMMOGRAM", "instance", "1")
    dataset.ImageType = ["DERIVED", "PRIMARY", ""]
    dataset.InstanceNumber = "1"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    _add_acquisition(dataset)
    _add_pixels(dataset, draw())
    return dataset
