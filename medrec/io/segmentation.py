"""DICOM segmentations to masks on the grid of the series that they were drawn on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from highdicom.seg import Segmentation

from medrec.domain.codes import ReasonCode
from medrec.domain.geometry import Geometry
from medrec.domain.modality import FileFormat
from medrec.errors import RefusedScanError, ScanError
from medrec.io.decoding import io_errors
from medrec.io.dicom_file import MAX_DECODED_BYTES, dicom_errors, read_head, read_whole
from medrec.io.discover import sniff

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medrec.domain.volume import Volume

_STORAGE = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_SHIFT = 0.02
"""How far, in pixels, grids may differ: positions are written in decimal."""


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment of a segmentation, on the planes that it stores.

    `mask` is (I, J, K) bool: columns, rows, planes; `geometry` places it. `series_uids` are those
    that it was drawn on.
    """

    label: str
    series_uids: frozenset[str]
    mask: NDArray[np.bool_]
    geometry: Geometry


def is_segmentation(path: Path) -> bool:
    """Whether a file is a DICOM segmentation."""
    try:
        with io_errors():
            if sniff(path) is not FileFormat.DICOM:
                return False
            return str(read_head(path, ["SOPClassUID"]).dataset.SOPClassUID) in _STORAGE
    except ScanError:
        return False


def read_segmentation(path: Path) -> list[Segment]:
    """Read every segment of a DICOM segmentation.

    Raises:
        RefusedScanError: It can't be used, or its planes make no regular volume.
        FailedScanError: The file can't be opened now (`io`).
    """
    with io_errors(), dicom_errors():
        dataset = read_whole(path)
        _check_size(dataset)
        try:
            found = Segmentation.from_dataset(dataset, copy=False)
            series = frozenset(str(uid) for _, uid, _ in found.get_source_image_uids())
            return [_segment(found, number, series) for number in found.segment_numbers]
        except RuntimeError as error:  # highdicom: irregular planes, no pixels of this segment
            detail = "its planes make no regular volume"
            raise RefusedScanError(ReasonCode.BAD_GEOMETRY, detail) from error


def _check_size(dataset: Any) -> None:  # noqa: ANN401 (pydicom's datasets have no types)
    pixels = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("NumberOfFrames", 1) or 1)
    if pixels > MAX_DECODED_BYTES:
        raise RefusedScanError(ReasonCode.TOO_LARGE, "more pixels than can be decoded")


def _segment(found: Any, number: int, series: frozenset[str]) -> Segment:  # noqa: ANN401
    volume = found.get_volume(segment_numbers=[number], combine_segments=False)
    stored = volume.array.reshape(volume.array.shape[:3])
    # highdicom's axes are planes, rows, columns; ours are the reverse.
    return Segment(
        label=str(found.get_segment_description(number).segment_label),
        series_uids=series,
        mask=np.ascontiguousarray(stored.transpose(2, 1, 0) > 0),
        geometry=Geometry(volume.affine[:, [2, 1, 0, 3]]),
    )


def on_grid(segment: Segment, volume: Volume) -> NDArray[np.bool_]:
    """The segment's mask on the whole grid of an image, (I, J, K).

    Planes may run the other way, and those without the segment may be missing.

    Raises:
        ValueError: The grids are not one, or a plane lies outside the image.
    """
    shape = volume.voxels.shape[1:]
    if volume.geometry is None:
        message = "the image has no place in the patient"
        raise ValueError(message)
    between = np.linalg.inv(volume.geometry.affine_lps) @ segment.geometry.affine_lps
    step = round(float(between[2, 2]))
    first = round(float(between[2, 3]))
    wanted = np.diag([1.0, 1.0, float(step), 1.0])
    wanted[2, 3] = first
    is_one_grid = (
        segment.mask.shape[:2] == shape[:2]
        and step != 0
        and np.abs(between - wanted).max() <= _SHIFT
    )
    if not is_one_grid:
        message = f"its grid is another: {segment.mask.shape}, the image's {shape}, or its place"
        raise ValueError(message)
    places = first + step * np.arange(segment.mask.shape[2])
    if places.min() < 0 or places.max() >= shape[2]:
        message = f"planes {places.min()} to {places.max()} of an image of {shape[2]} slices"
        raise ValueError(message)
    mask = np.zeros(shape, dtype=bool)
    mask[:, :, places] = segment.mask
    return mask
