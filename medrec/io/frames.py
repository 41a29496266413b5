"""Part the frames of one file into stacks, by what its functional groups say of each frame."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from medrec.domain.series import FrameStack
from medrec.io.dicom_values import (
    integer_of,
    item_of,
    number_of,
    numbers_of,
    text_of,
    texts_of,
    value_of,
)
from medrec.io.image_type import kind_of
from medrec.io.repeats import Place, part_by_orientation, part_repeats

if TYPE_CHECKING:
    from collections.abc import Hashable

FRAME_KEYWORDS = (
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "DimensionIndexSequence",
)  # fmt: skip
_TYPE_GROUPS = ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence")
_ALONG_THE_STACK = {Tag("InStackPositionNumber"), Tag("ImagePositionPatient"), Tag("StackID")}


@dataclass(frozen=True, slots=True)
class _Frame:
    """One frame and what tells its stack."""

    number: int
    place: Place
    stack_id: str | None
    echo_time_ms: float | None
    temporal_position: int | None
    b_value: float | None
    gradient: tuple[float, ...] | None
    image_type: tuple[str, ...]
    dimensions: tuple[object, ...]

    @property
    def key(self) -> Hashable:
        """What always parts frames."""
        return (
            self.stack_id,
            None if self.echo_time_ms is None else round(self.echo_time_ms, 1),
            self.temporal_position,
            None if self.b_value is None else round(self.b_value),
            kind_of(self.image_type),
        )


def read_stacks(dataset: Dataset, frames: int) -> tuple[FrameStack, ...]:
    """The stacks of a multi-frame image, in order of their first frames.

    Empty for one frame, and where functional groups don't tell the frames apart: then the file is
    one stack, or is refused when it is decoded.
    """
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    if frames < 2 or len(per_frame) != frames:  # noqa: PLR2004
        return ()
    shared = item_of(dataset, "SharedFunctionalGroupsSequence")
    others = _other_dimensions(dataset)
    found = [_to_frame(number, [group, shared], others) for number, group in enumerate(per_frame)]
    parts: list[list[_Frame]] = []
    for alike in _collect(found):
        for parallel in part_by_orientation(alike, lambda frame: frame.place):
            parts += part_repeats(
                parallel,
                lambda frame: frame.place,
                (lambda frame: frame.gradient, lambda frame: frame.dimensions),
            )
    parts.sort(key=lambda part: part[0].number)
    return tuple(_to_stack(part) for part in parts)


def _to_stack(frames: list[_Frame]) -> FrameStack:
    first = frames[0]
    position, orientation = first.place
    return FrameStack(
        frames=tuple(frame.number for frame in frames),
        position_lps_mm=position,
        orientation=orientation,
        echo_time_ms=first.echo_time_ms,
        temporal_position=first.temporal_position,
        b_value=first.b_value,
        image_type=first.image_type,
    )


def _to_frame(number: int, groups: list[Dataset | None], others: tuple[int, ...]) -> _Frame:
    content, echo = _group(groups, "FrameContentSequence"), _group(groups, "MREchoSequence")
    diffusion = _group(groups, "MRDiffusionSequence")
    direction = _group([diffusion], "DiffusionGradientDirectionSequence")
    return _Frame(
        number=number,
        place=_place(groups),
        stack_id=text_of(content, "StackID"),
        echo_time_ms=number_of(echo, "EffectiveEchoTime"),
        temporal_position=integer_of(content, "TemporalPositionIndex"),
        b_value=number_of(diffusion, "DiffusionBValue"),
        gradient=numbers_of(direction, "DiffusionGradientOrientation", 3),
        image_type=_frame_type(groups),
        dimensions=_dimensions(content, others),
    )


def _place(groups: list[Dataset | None]) -> Place:
    position = _group(groups, "PlanePositionSequence")
    orientation = _group(groups, "PlaneOrientationSequence")
    at = numbers_of(position, "ImagePositionPatient", 3)
    turned = numbers_of(orientation, "ImageOrientationPatient", 6)
    return (
        (at[0], at[1], at[2]) if at else None,
        (turned[0], turned[1], turned[2], turned[3], turned[4], turned[5]) if turned else None,
    )


def _frame_type(groups: list[Dataset | None]) -> tuple[str, ...]:
    for keyword in _TYPE_GROUPS:
        group = _group(groups, keyword)
        values = (*texts_of(group, "FrameType"), *texts_of(group, "ComplexImageComponent"))
        if values:
            return values
    return ()


def _other_dimensions(dataset: Dataset) -> tuple[int, ...]:
    """Which of the DimensionIndexValues don't run along a stack."""
    pointers = [
        value_of(item, "DimensionIndexPointer")
        for item in dataset.get("DimensionIndexSequence") or ()
    ]
    return tuple(at for at, pointer in enumerate(pointers) if pointer not in _ALONG_THE_STACK)


def _dimensions(content: Dataset, others: tuple[int, ...]) -> tuple[object, ...]:
    values = content.get("DimensionIndexValues")
    listed = [values] if isinstance(values, int) else list(values or ())
    return tuple(listed[at] for at in others if at < len(listed))


def _group(groups: list[Dataset | None], keyword: str) -> Dataset:
    """The item of the first group that has one; an empty dataset where none does."""
    for group in groups:
        found = None if group is None else item_of(group, keyword)
        if found is not None:
            return found
    return Dataset()


def _collect(frames: list[_Frame]) -> list[list[_Frame]]:
    collected: defaultdict[Hashable, list[_Frame]] = defaultdict(list)
    for frame in frames:
        collected[frame.key].append(frame)
    return list(collected.values())
