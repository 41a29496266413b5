"""Headers of slices that differ in a few elements: what they share is worked out once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydicom.tag import Tag

from medrec.io.picked_elements import PickedElements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medrec.io.dicom_file import DicomHead

T = TypeVar("T")
Key = tuple[Any, ...]

_MOST_KEPT = 256
_LONGEST_KEPT_BYTES = 1 << 14


class Neighbours(Generic[T]):
    """What was made of a head, to be found by another head with the same elements.

    Args:
        own: Keywords of the elements that may differ: what is kept must be set right for them.
    """

    def __init__(self, own: Iterable[str]) -> None:
        self._own = frozenset(int(Tag(keyword)) for keyword in own)
        self._kept: dict[Key, T] = {}

    def key(self, head: DicomHead) -> Key | None:
        """All of a head but its own elements; None for one that nothing is kept of.

        That is one that pydicom read, or whose pixels the file doesn't hold.
        """
        dataset: object = head.dataset
        pixels = head.pixels
        if not isinstance(dataset, PickedElements) or pixels is None:
            return None
        if pixels.length is not None and pixels.length > (pixels.available or 0):
            return None
        shared = [one for one in dataset.stored.items() if one[0] not in self._own]
        return dataset.preamble, dataset.syntax, pixels.keyword, pixels.length, tuple(shared)

    def get(self, key: Key | None) -> T | None:
        """What was kept under a key."""
        return None if key is None else self._kept.get(key)

    def keep(self, key: Key | None, answer: T) -> None:
        """Keep an answer under a key that isn't None; in time all are forgotten."""
        if key is None or _is_long(key):
            return
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[key] = answer


def _is_long(key: Key) -> bool:
    return sum(len(value or b"") for _, (_, value) in key[-1]) > _LONGEST_KEPT_BYTES
