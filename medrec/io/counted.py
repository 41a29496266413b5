"""Collections that are made anew each time they are gone through, instead of held."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


class Counted(Collection[T]):
    """Things that come from `start` whenever they are wanted, and whose number is known."""

    def __init__(self, count: int, start: Callable[[], Iterator[T]]) -> None:
        self._count = count
        self._start = start

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        return self._start()

    def __contains__(self, item: object) -> bool:
        return any(one == item for one in self)


def changed(things: Collection[T], change: Callable[[T], U]) -> Counted[U]:
    """The same things, each changed when its turn comes."""
    return Counted(len(things), lambda: map(change, things))
