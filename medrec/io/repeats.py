"""Part images of several stacks that share a place: by orientation, and repeats of one stack."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from numpy.typing import NDArray

Item = TypeVar("Item")
Position = tuple[float, float, float] | None
Orientation = tuple[float, float, float, float, float, float] | None
Place = tuple[Position, Orientation]
"""ImagePositionPatient and ImageOrientationPatient; None where unknown."""

_COSINE_TOLERANCE = 0.01
_SAME_PLACE_MM = 0.01
_SAME_STACK_MM = 0.1


def part_by_orientation(
    items: Iterable[Item], place_of: Callable[[Item], Place]
) -> list[list[Item]]:
    """Part by orientation within a tolerance: rounding would part neighbours at its borders.

    In order of the cosines, so that the result hangs on no file's name; equal ones keep theirs.
    """
    groups: list[list[Item]] = []
    for item in sorted(items, key=lambda one: place_of(one)[1] or ()):
        for members in groups:
            if _is_parallel(place_of(members[0])[1], place_of(item)[1]):
                members.append(item)
                break
        else:
            groups.append([item])
    return groups


def part_repeats(
    items: Sequence[Item],
    place_of: Callable[[Item], Place],
    keys: Iterable[Callable[[Item], Hashable]],
) -> list[list[Item]]:
    """Part a stack that was acquired several times, by the first key that parts it cleanly.

    Cleanly means that every part covers the same places, each once. Where places don't repeat
    nothing is parted, or interleaved halves of one stack would become two; where no key does,
    neither: the stack is then refused for its duplicate positions.
    """
    if not _repeats(_distances(items, place_of)):
        return [list(items)]
    for key in keys:
        parts: defaultdict[Hashable, list[Item]] = defaultdict(list)
        for item in items:
            parts[key(item)].append(item)
        distances = [_distances(part, place_of) for part in parts.values()]
        if len(parts) > 1 and _are_repeats_of_one(distances):
            return list(parts.values())
    return [list(items)]


def _are_repeats_of_one(stacks: list[NDArray[np.float64] | None]) -> bool:
    first = stacks[0]
    return first is not None and all(
        one is not None
        and not _repeats(one)
        and one.shape == first.shape
        and np.abs(one - first).max() <= _SAME_STACK_MM
        for one in stacks
    )


def _repeats(distances: NDArray[np.float64] | None) -> bool:
    return (
        distances is not None and len(distances) > 1 and np.diff(distances).min() < _SAME_PLACE_MM
    )


def _distances(
    items: Sequence[Item], place_of: Callable[[Item], Place]
) -> NDArray[np.float64] | None:
    """Sorted distances along the normal of the first plane, in mm; None if a place is unknown."""
    orientation = place_of(items[0])[1]
    positions = [place_of(item)[0] for item in items]
    if orientation is None or any(position is None for position in positions):
        return None
    with np.errstate(all="ignore"):
        normal = np.cross(orientation[:3], orientation[3:])
        return np.sort(np.array(positions, dtype=np.float64) @ normal)


def _is_parallel(one: Orientation, other: Orientation) -> bool:
    if one is None or other is None:
        return one is other
    pairs = zip(one, other, strict=True)
    return all(abs(first - second) <= _COSINE_TOLERANCE for first, second in pairs)
