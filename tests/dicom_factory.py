"""DICOM files made up for tests: no patient, real structure."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import (
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

ROOT = "1.2.826.0.1.3680043.8.498"
AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
_CLASSES = {
    "MR": MRImageStorage,
    "CT": CTImageStorage,
    "DX": DigitalXRayImageStorageForPresentation,
}


def oblique() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Row and column direction of a plane turned about all three axes."""
    a, b = np.radians(25.0), np.radians(-15.0)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    turned = about_x @ about_y
    return tuple(turned[:, 0]), tuple(turned[:, 1])


def an_image(pixels: ArrayLike, *, number: int = 1, modality: str = "MR", **tags: Any) -> Dataset:
    """An image of stored values (rows, columns[, 3]); without a place unless the tags give one."""
    stored = np.asarray(pixels)
    dataset = FileDataset(None, {}, preamble=bytes(128))
    dataset.SOPClassUID = _CLASSES[modality]
    dataset.SOPInstanceUID = f"{ROOT}.3.{number}"
    dataset.StudyInstanceUID = f"{ROOT}.1.1"
    dataset.SeriesInstanceUID = f"{ROOT}.2.1"
    dataset.Modality = modality
    dataset.PatientID = "PLANTED-ID"
    dataset.PatientName = "Planted^Name"
    dataset.InstanceNumber = number
    dataset.SeriesNumber = 1
    dataset.Manufacturer = "SIEMENS"
    _set_pixels(dataset, stored)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tests want values that DICOM forbids
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
    if "BitsStored" in tags and "HighBit" not in tags:
        dataset.HighBit = dataset.BitsStored - 1
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def _set_pixels(dataset: Dataset, stored: NDArray[Any]) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.BitsAllocated = stored.dtype.itemsize * 8
    dataset.BitsStored = dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    if stored.ndim == 3:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = stored.shape[2], "RGB"
        dataset.PlanarConfiguration = 0
    data = stored.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW"


def save(dataset: Dataset, path: Path) -> Path:
    """Write an image as a DICOM file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def a_stack(
    voxels: NDArray[Any],
    *,
    directions: tuple[Any, Any] = AXIAL,
    spacing_mm: tuple[float, float, float] = (0.5, 0.75, 5.0),
    origin_mm: tuple[float, float, float] = (-20.0, -30.0, 10.0),
    **tags: Any,
) -> list[Dataset]:
    """Images of voxels (columns, rows, slices), first slice first; spacing along i, j, k."""
    row, column = np.array(directions[0]), np.array(directions[1])
    normal = np.cross(row, column)
    images = []
    for index in range(voxels.shape[2]):
        position = np.array(origin_mm) + index * spacing_mm[2] * normal
        images.append(
            an_image(
                np.ascontiguousarray(voxels[:, :, index].T),
                number=index + 1,
                **{
                    "ImagePositionPatient": decimals(position),
                    "ImageOrientationPatient": decimals([*row, *column]),
                    "PixelSpacing": decimals([spacing_mm[1], spacing_mm[0]]),
                    "SliceThickness": str(spacing_mm[2]),
                    **tags,
                },
            )
        )
    return images


def save_stack(images: list[Dataset], folder: Path) -> Path:
    """Write the images of a stack; names say nothing of their order."""
    for index, image in enumerate(images):
        save(image, folder / f"IM{(index * 7) % len(images):04d}_{index}")
    return folder


def affine_of(
    directions: tuple[Any, Any],
    spacing_mm: tuple[float, float, float],
    origin_mm: tuple[float, float, float],
) -> NDArray[np.float64]:
    """The affine (column, row, slice) to LPS+ mm that such a stack has by definition."""
    row, column = np.array(directions[0]), np.array(directions[1])
    affine = np.eye(4)
    affine[:3, :3] = np.stack([row, column, np.cross(row, column)], axis=1) * spacing_mm
    affine[:3, 3] = origin_mm
    return affine


def a_multi_frame(voxels: NDArray[Any], *, spacing_mm: float = 4.0) -> Dataset:
    """An Enhanced MR image of axial frames, stored last slice first."""
    columns, rows, count = voxels.shape
    frames = np.ascontiguousarray(voxels.transpose(2, 1, 0)[::-1])
    image = an_image(frames[0], SOPClassUID=EnhancedMRImageStorage, NumberOfFrames=count)
    image.Rows, image.Columns = rows, columns
    image.PixelData = frames.tobytes()
    shared = _item(
        PlaneOrientationSequence=_item(ImageOrientationPatient=decimals([*AXIAL[0], *AXIAL[1]])),
        PixelMeasuresSequence=_item(PixelSpacing=["0.75", "0.5"], SliceThickness="4"),
    )
    image.SharedFunctionalGroupsSequence = Sequence([shared])
    image.PerFrameFunctionalGroupsSequence = Sequence(
        [
            _item(
                PlanePositionSequence=_item(
                    ImagePositionPatient=decimals([1.0, 2.0, (count - 1 - index) * spacing_mm])
                ),
                PixelValueTransformationSequence=_item(RescaleSlope="2", RescaleIntercept="-1"),
            )
            for index in range(count)
        ]
    )
    return image


def decimals(values: ArrayLike) -> list[str]:
    """Decimal strings of at most 16 characters."""
    return [f"{value:.10g}"[:16] for value in np.asarray(values, dtype=float)]


def _item(**tags: Any) -> Dataset:
    item = Dataset()
    for keyword, value in tags.items():
        setattr(item, keyword, Sequence([value]) if isinstance(value, Dataset) else value)
    return item


def an_enhanced(
    stacks: list[tuple[NDArray[Any], dict[str, Any]]],
    *,
    spacing_mm: float = 4.0,
    dimensions: tuple[str, ...] = (),
    in_turn: bool = True,
) -> Dataset:
    """An Enhanced MR image of several stacks of one size, a frame of each in turn, or one by one.

    Each stack is its voxels (columns, rows, slices) and what its frames say: `stack_id`, `time`
    (TemporalPositionIndex), `echo` (ms), `b`, `gradient`, `frame_type`, `directions`, `slope`,
    `index` (values of the `dimensions` named by keyword).
    """
    columns, rows, count = stacks[0][0].shape
    frames, groups = [], []
    order = [(index, stack) for index in range(count) for stack in stacks]
    if not in_turn:
        order = [(index, stack) for stack in stacks for index in range(count)]
    for index, (voxels, facts) in order:
        frames.append(np.ascontiguousarray(voxels[:, :, index].T))
        groups.append(_frame_item(index, spacing_mm, facts))
    image = an_image(frames[0], SOPClassUID=EnhancedMRImageStorage, NumberOfFrames=len(frames))
    image.Rows, image.Columns = rows, columns
    image.PixelData = np.stack(frames).tobytes()
    measures = _item(
        PixelSpacing=["0.75", "0.5"],
        SliceThickness=str(spacing_mm),
        SpacingBetweenSlices=str(spacing_mm),
    )
    image.SharedFunctionalGroupsSequence = Sequence([_item(PixelMeasuresSequence=measures)])
    image.PerFrameFunctionalGroupsSequence = Sequence(groups)
    if dimensions:
        pointers = [_item(DimensionIndexPointer=Tag(keyword)) for keyword in dimensions]
        image.DimensionIndexSequence = Sequence(pointers)
    return image


def _frame_item(index: int, spacing_mm: float, facts: dict[str, Any]) -> Dataset:
    row, column = facts.get("directions", AXIAL)
    position = np.array([1.0, 2.0, 3.0]) + index * spacing_mm * np.cross(row, column)
    content = _item(StackID=facts.get("stack_id", "1"), InStackPositionNumber=index + 1)
    if "time" in facts:
        content.TemporalPositionIndex = facts["time"]
    if "index" in facts:
        content.DimensionIndexValues = [index + 1, *facts["index"]]
    item = _item(
        FrameContentSequence=content,
        PlanePositionSequence=_item(ImagePositionPatient=decimals(position)),
        PlaneOrientationSequence=_item(ImageOrientationPatient=decimals([*row, *column])),
    )
    if "echo" in facts:
        item.MREchoSequence = Sequence([_item(EffectiveEchoTime=facts["echo"])])
    if "b" in facts:
        diffusion = _item(DiffusionBValue=facts["b"])
        if "gradient" in facts:
            gradient = _item(DiffusionGradientOrientation=facts["gradient"])
            diffusion.DiffusionGradientDirectionSequence = Sequence([gradient])
        item.MRDiffusionSequence = Sequence([diffusion])
    if "frame_type" in facts:
        item.MRImageFrameTypeSequence = Sequence([_item(FrameType=facts["frame_type"])])
    if "slope" in facts:
        rescale = _item(RescaleSlope=facts["slope"], RescaleIntercept="0")
        item.PixelValueTransformationSequence = Sequence([rescale])
    return item
