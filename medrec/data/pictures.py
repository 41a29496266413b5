"""Prepared pictures by row, wherever their pixels lie: in memory, or in a file mapped into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Items = NDArray[np.float16] | NDArray[np.uint8] | NDArray[np.uint16]

WHITES = {"uint8": 255, "uint16": 65535}
"""The stored value of 1 where pixels are whole numbers, by their type."""


@dataclass(frozen=True)
class PixelFile:
    """A raw file of items of one shape, mapped when it is first read.

    A process that gets one by pickle maps the file itself: no pixels travel.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: str

    @cached_property
    def items(self) -> Items:
        """All items (N, *shape), read only."""
        return np.asarray(np.memmap(self.path, self.dtype, "r").reshape(-1, *self.shape))

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("path", "shape", "dtype")}


@dataclass(frozen=True)
class PixelArray:
    """Items (N, *shape) in memory."""

    items: Items


@dataclass(frozen=True, eq=False)
class Pictures:
    """Some rows of a source of pixels, in any order: a subset holds row numbers, no pixels.

    Indexed by a row, a slice or a list of rows, it copies those pictures into a tensor: float16 as
    they are stored, or float32 in [0, 1] where they are stored as whole numbers.
    """

    source: PixelFile | PixelArray
    rows: NDArray[np.int64] = field(repr=False)

    @classmethod
    def of(cls, images: torch.Tensor) -> Pictures:
        """Pictures (N, ...) float16 or uint8 that are in memory already, all of them."""
        return cls(PixelArray(images.numpy()), np.arange(len(images)))

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, then the shape of a picture."""
        return len(self), *self.source.items.shape[1:]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int | slice | Sequence[int] | torch.Tensor) -> torch.Tensor:
        chosen = self.rows[np.asarray(index) if isinstance(index, torch.Tensor) else index]
        values = np.array(self.source.items[chosen])
        white = WHITES.get(values.dtype.name)
        return torch.from_numpy(values if white is None else values.astype(np.float32) / white)

    def subset(self, rows: Sequence[int]) -> Pictures:
        """The same source, fewer rows."""
        return Pictures(self.source, self.rows[np.asarray(rows, dtype=np.int64)])
