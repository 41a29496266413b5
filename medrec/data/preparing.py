"""Files prepared by several processes, handed over in order: what one process would make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Dataset

from medrec.errors import ScanError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Part = tuple[NDArray[np.float32], tuple[int, ...], int, tuple[float, ...] | None, str | None]
    """The fields of `Prepared`, the pictures as an array."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """The pictures (n, *shape) float32 of one file, (0,) of none, and the source slice of each.

    Of `slice_count` slices those that aren't in `slices` are blank. `to_source` is the map of
    indices of a picture to those of the source, row after row: (3, 3) of slices; of
    volumes (4, 4), and then the axis that the source was cut along. `note` is kept as it is.
    """

    images: torch.Tensor
    slices: tuple[int, ...]
    slice_count: int
    to_source: tuple[float, ...] | None = None
    note: str | None = None


if TYPE_CHECKING:
    Load = Callable[[str], Prepared]
    """Prepares the file at a path below the root."""


def prepare_all(
    paths: Sequence[str], load: Load, *, workers: int
) -> Iterator[tuple[str, Prepared | str]]:
    """Each path in order with its pictures, or with what is wrong with it.

    Without workers each file is prepared when it is asked for. Each worker is at most two files
    ahead; it decodes in a child process of its own, as this process does.
    """
    if workers == 0 or len(paths) == 1:
        yield from ((path, _try(load, path)) for path in paths)
        return
    loader: DataLoader[Part | str] = DataLoader(
        _Files(paths, load),
        batch_size=None,
        num_workers=min(workers, len(paths)),
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # the process's own random numbers stay as they are
    )
    for path, found in zip(paths, loader, strict=True):
        if isinstance(found, str):
            yield path, found
        else:
            images, *facts = found
            yield path, Prepared(torch.from_numpy(images), *facts)


@dataclass(frozen=True, eq=False)
class _Files(Dataset["Part | str"]):
    paths: Sequence[str]
    load: Load

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Part | str:
        found = _try(self.load, self.paths[index])
        if isinstance(found, str):
            return found
        # Arrays go through a pipe; tensors would fill the shared memory, which may be small.
        images = found.images.numpy()
        return images, found.slices, found.slice_count, found.to_source, found.note


def _try(load: Load, path: str) -> Prepared | str:
    try:
        return load(path)
    except (ScanError, ValueError) as error:
        return str(error)


def _as_it_is(item: Any) -> Any:  # noqa: ANN401 (whatever a worker made)
    return item
