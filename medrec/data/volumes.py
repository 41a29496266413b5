"""Labelled volumes, prepared once: what networks of whole exams learn from."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Self

import torch
from torch.utils.data import Dataset

from medrec.data.cache import fill_memory
from medrec.data.dataset import to_targets
from medrec.data.leakage import digest_of
from medrec.data.pieces import are_pieces, from_pieces, to_pieces
from medrec.data.preparing import Prepared
from medrec.errors import ManifestError
from medrec.io.loading import load_file
from medrec.preprocess.augment_volumes import sample_slices
from medrec.preprocess.pipeline import ModelInput
from medrec.preprocess.volumes import VolumePreprocessor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from medrec.data.cache import PictureCache
    from medrec.data.pack import PackEntry
    from medrec.data.pictures import Pictures
    from medrec.data.planting import Planting
    from medrec.domain.finding import Label
    from medrec.domain.reference import Reference
    from medrec.domain.volume import Volume
    from medrec.io.selection import Rules
    from medrec.preprocess.volumes import VolumeInput

    Prepare = Callable[[Volume], ModelInput | VolumeInput]

_PLACE = 4 * 4 + 1
"""Numbers of a place; what follows them is a shape."""
_FLAT = "holds one slice; a classifier of volumes needs stacks"


@dataclass(frozen=True, eq=False)
class Stacks:
    """Volumes by row, each some pictures in sequence; read where one is asked for.

    `spans` says which of `pictures` make each volume. `are_boxes`: a volume is one picture, a box
    of voxels (1, D, H, W); else it is a stack (N, 1, size, size). They come as `Pictures` do.
    `shapes` are those of boxes (D, H, W) that differ: each is kept as a run of pieces, see
    `to_pieces`.
    """

    pictures: Pictures
    spans: tuple[range, ...]
    are_boxes: bool
    shapes: tuple[tuple[int, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.spans)

    def __getitem__(self, row: int) -> torch.Tensor:
        span = self.spans[row]
        if self.shapes:
            return from_pieces(self.pictures[slice(span.start, span.stop)], self.shapes[row])
        return self.pictures[span.start if self.are_boxes else slice(span.start, span.stop)]

    def __iter__(self) -> Iterator[torch.Tensor]:
        return (self[row] for row in range(len(self)))

    def subset(self, rows: Sequence[int]) -> Stacks:
        """The same pictures, fewer volumes: no pixels are copied."""
        return replace(
            self,
            spans=tuple(self.spans[row] for row in rows),
            shapes=tuple(self.shapes[row] for row in rows) if self.shapes else (),
        )


@dataclass(frozen=True, eq=False)
class VolumeDataset(Dataset[tuple[torch.Tensor, ...]]):
    """Prepared volumes with what is known of them; the interface is that of SliceDataset.

    `items` are float16, or float32 where the cache holds bytes: stacks (N, 1, size, size) whose N
    differ, or boxes (1, D, H, W) of one size or of one spacing. `targets` is (V, K) float32, 1, 0
    or NaN where unknown. `references` says what each volume is. `slices` is how many evenly spaced
    slices of a stack come, None for all. `places` says of each volume how its indices map to the
    source's, row after row, and which axis the source was cut along; None from a cache that doesn't
    hold it.
    """

    items: Stacks
    targets: torch.Tensor
    references: tuple[Reference, ...]
    labels: tuple[Label, ...]
    slices: int | None = None
    blank: int = 0
    places: tuple[tuple[float, ...] | None, ...] = ()
    planting: Planting | None = None
    """As in SliceDataset; nothing is planted into volumes yet."""

    def __len__(self) -> int:
        return len(self.references)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        item = self.items[index]
        if self.slices is not None:
            item = item[sample_slices(len(item), self.slices)]
        return item.float(), self.targets[index]

    def subset(self, rows: Sequence[int]) -> Self:
        """The same for some rows, in their order."""
        chosen = torch.as_tensor(list(rows), dtype=torch.long)
        return replace(
            self,
            items=self.items.subset(rows),
            targets=self.targets[chosen],
            references=tuple(self.references[row] for row in rows),
            places=tuple(self.places[row] for row in rows) if self.places else (),
        )

    def evenly(self, slices: int | None) -> Self:
        """The same with so many evenly spaced slices of each stack, so that batches can be made."""
        return replace(self, slices=slices)

    @property
    def differ_in_shape(self) -> bool:
        """Whether no batch can be made of whole boxes."""
        return bool(self.items.shapes)

    def known_rows(self) -> list[int]:
        """Rows of which at least one label is known: the others teach nothing."""
        known: list[int] = torch.isfinite(self.targets).any(dim=1).nonzero()[:, 0].tolist()
        return known

    def picture(self, row: int) -> torch.Tensor:
        """The middle slice of a volume (H, W), for the audit."""
        item = self.items[row]
        stack = item[:, 0] if item.shape[1] == 1 else item[0]  # slices (N, 1, H, W), else a box
        return stack[len(stack) // 2]

    def digests(self) -> tuple[str, ...]:
        """A digest of each prepared volume, for `medrec.data.leakage.check_leakage`."""
        return tuple(digest_of(item.numpy()) for item in self.items)


def prepare_volumes(
    references: Sequence[Reference],
    *,
    root: Path,
    prepare: Prepare,
    labels: Sequence[Label],
    rules: Rules | None = None,
    cache: PictureCache | None = None,
) -> VolumeDataset:
    """Load and prepare each volume that the references name.

    Its labels are those of its row without `slice`. Where that says nothing of a label, slices do:
    one positive makes the volume positive, all of them negative make it negative. Prepared volumes
    are kept in `cache`, and taken from it if they are there; in memory without it.

    Raises:
        ManifestError: Files that can't be read or prepared, or that hold a single slice; all are
            listed.
        OutputError: The cache's disk is too small, or can't be written.
    """
    by_path: dict[str, list[Reference]] = defaultdict(list)
    for reference in references:
        by_path[reference.path].append(reference)

    load = partial(_load, root, prepare, rules)
    if cache is None:
        filled = fill_memory(by_path, load=load)
    else:
        filled = cache.fill(by_path, root=root, load=load)
    flat = {path for path, entry in filled.entries.items() if entry.slice_count == 1}
    problems = dict(filled.problems) | dict.fromkeys(flat, _FLAT)
    if problems:
        raise ManifestError(
            str(root), [f"{path}: {problems[path]}" for path in by_path if path in problems]
        )
    entries = [filled.entries[path] for path in by_path]
    kept = [exam_of(rows, labels) for rows in by_path.values()]
    return VolumeDataset(
        items=Stacks(
            pictures=filled.pictures([n for one in entries for n in range(one.first, one.end)]),
            spans=tuple(_spans([len(one.slices) for one in entries])),
            are_boxes=isinstance(prepare, VolumePreprocessor),
            shapes=_shapes(entries) if are_pieces(prepare) else (),
        ),
        targets=to_targets((row.labels for row in kept), labels),
        references=tuple(kept),
        labels=tuple(labels),
        places=tuple(one.to_source and one.to_source[:_PLACE] for one in entries),
    )


def _load(root: Path, prepare: Prepare, rules: Rules | None, path: str) -> Prepared:
    """Prepare one file below the root; a box of voxels is one picture.

    Raises:
        ScanError: The file can't be read or prepared.
    """
    volume = load_file(root / path, rules=rules)
    result = prepare(volume)
    if isinstance(result, ModelInput):
        return Prepared(result.images, result.slices, volume.slice_count)
    place = (*result.to_source.ravel().tolist(), float(volume.slice_axis))
    if are_pieces(prepare):
        pieces = to_pieces(result.voxels)
        shape = tuple(map(float, result.voxels.shape[1:]))
        return Prepared(pieces, tuple(range(len(pieces))), volume.slice_count, (*place, *shape))
    return Prepared(result.voxels[None], (0,), volume.slice_count, place)


def _shapes(entries: Iterable[PackEntry]) -> tuple[tuple[int, ...], ...]:
    """Those of boxes that were kept in pieces, told behind their places."""
    return tuple(tuple(map(int, (one.to_source or ())[_PLACE:])) for one in entries)


def _spans(lengths: Iterable[int]) -> Iterator[range]:
    """Where each of some runs lies that stand one behind the other."""
    first = 0
    for length in lengths:
        yield range(first, first + length)
        first += length


def exam_of(rows: Sequence[Reference], labels: Iterable[Label]) -> Reference:
    """One row for a volume from all that a manifest says of it, as evaluation reads it."""
    whole = next((row for row in rows if row.slice is None), None)
    slices = [row for row in rows if row.slice is not None]
    truth: dict[Label, bool | None] = {}
    for label in labels:
        stated = whole.labels.get(label) if whole else None
        known = [row.labels.get(label) for row in slices]
        truth[label] = stated if stated is not None else _any(known)
    return replace(whole or rows[0], slice=None, labels=truth)


def _any(known: Sequence[bool | None]) -> bool | None:
    if True in known:
        return True
    return False if known and None not in known else None
