"""Cut a DICOM file into planes: decoded pictures, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset

from medrec.domain.codes import ReasonCode
from medrec.domain.modality import PROJECTIONS, to_modality
from medrec.errors import RefusedScanError
from medrec.io.dicom_file import dicom_errors, read_whole
from medrec.io.dicom_pixels import (
    PixelSpec,
    decode_frames,
    displayed_window,
    read_pixel_spec,
    read_window,
    to_levels,
)
from medrec.io.dicom_values import integer_of, numbers_of, text_of
from medrec.io.stacking import PlanePlace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Plane:
    """One picture: `levels` (rows, columns) float32, dark to bright; None where no place is known.

    `window` is (centre, width) in the same levels.
    """

    levels: NDArray[np.float32]
    place: PlanePlace | None
    window: tuple[float, float] | None


def read_planes(path: Path, *, frames: Sequence[int] | None = None) -> list[Plane]:
    """Decode a file to its frames in stored order, or to those of the numbers (from 0) given.

    Raises:
        RefusedScanError: The pixels can't be read as the header says.
        OSError: The file can't be opened.
    """
    dataset = read_whole(path)
    spec = read_pixel_spec(dataset)
    stored = decode_frames(dataset)
    if frames is not None and max(frames) >= spec.frames:
        detail = "the file has changed since its header was read"
        raise RefusedScanError(ReasonCode.SIZE_MISMATCH, detail)
    wanted = range(spec.frames) if frames is None else frames
    return [_to_plane(dataset, spec, stored[frame], frame) for frame in wanted]


def _to_plane(dataset: Dataset, spec: PixelSpec, stored: NDArray[np.generic], frame: int) -> Plane:
    with dicom_errors():
        groups = _FrameGroups(dataset, frame, is_multi_frame=spec.frames > 1)
        modality = groups.of("PixelValueTransformationSequence")
        voi = groups.of("FrameVOILUTSequence")
        function = text_of(voi, "VOILUTFunction") or "LINEAR"
        # A film is a shadow: its pixels lie at no place in the patient, whatever its header says.
        is_film = spec.frames == 1 and to_modality(text_of(dataset, "Modality")) in PROJECTIONS
        place = None if is_film else _read_place(groups)
    levels = to_levels(stored, spec, modality).astype(np.float32)
    window = displayed_window(read_window(voi), spec, modality, function=function)
    return Plane(levels=levels, place=place, window=window)


class _FrameGroups:
    """Where a frame's attributes stand: in its functional groups, in the shared ones, or on top."""

    def __init__(self, dataset: Dataset, frame: int, *, is_multi_frame: bool) -> None:
        per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
        shared = dataset.get("SharedFunctionalGroupsSequence") or []
        self._dataset = dataset
        self._is_multi_frame = is_multi_frame
        self._frame = frame
        self._groups = [*per_frame[frame : frame + 1], *shared[:1]]

    @property
    def name(self) -> str:
        """How a technician finds the frame."""
        if self._is_multi_frame:
            return f"frame {self._frame + 1}"
        number = integer_of(self._dataset, "InstanceNumber")
        return "" if number is None else f"instance {number}"

    def of(self, keyword: str) -> Dataset:
        """The item of a functional group, else the dataset itself."""
        for group in self._groups:
            if group.get(keyword):
                item: Dataset = group[keyword].value[0]
                return item
        return self._dataset

    def place_of(self, keyword: str) -> Dataset:
        """As `of`, but nothing for one of many frames: they can't all lie where the file says."""
        item = self.of(keyword)
        return Dataset() if item is self._dataset and self._is_multi_frame else item


def _read_place(groups: _FrameGroups) -> PlanePlace | None:
    position = numbers_of(groups.place_of("PlanePositionSequence"), "ImagePositionPatient", 3)
    orientation = numbers_of(
        groups.place_of("PlaneOrientationSequence"), "ImageOrientationPatient", 6
    )
    measures = groups.of("PixelMeasuresSequence")
    spacing = numbers_of(measures, "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None or min(spacing) <= 0:
        return None
    return PlanePlace(
        position_lps_mm=np.array(position),
        row_direction=np.array(orientation[:3]),
        column_direction=np.array(orientation[3:]),
        row_spacing_mm=spacing[0],
        column_spacing_mm=spacing[1],
        thickness_mm=_positive(measures, "SpacingBetweenSlices")
        or _positive(measures, "SliceThickness"),
        name=groups.name,
    )


def _positive(dataset: Dataset, keyword: str) -> float | None:
    value = dataset.get(keyword)
    number = float(str(value)) if value not in (None, "") else 0.0
    return number if 0 < number < float("inf") else None
