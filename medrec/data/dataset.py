"""Labelled slices, prepared once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch.utils.data import Dataset

from medrec.data.cache import count_slices, fill_memory
from medrec.data.leakage import digest_of
from medrec.data.named_slices import rows_by_slice
from medrec.data.pictures import Pictures
from medrec.data.preparing import Prepared
from medrec.domain.codes import ReasonCode
from medrec.errors import ManifestError, RefusedScanError
from medrec.io.loading import load_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medrec.data.cache import PictureCache
    from medrec.data.pack import PackEntry
    from medrec.data.planting import Planting
    from medrec.domain.finding import Label
    from medrec.domain.reference import Reference
    from medrec.domain.volume import Volume
    from medrec.io.selection import Rules
    from medrec.preprocess.pipeline import ModelInput

    Prepare = Callable[[Volume], ModelInput]

_UNKNOWN = float("nan")


@dataclass(frozen=True, eq=False)
class SliceDataset(Dataset[tuple[torch.Tensor, ...]]):
    """Prepared pictures with what is known of them.

    `images` is (N, 1, size, size), read where a row, a slice or a list of rows asks for it: float16
    (half the memory, and finer than any 8-bit screen), or float32 where the cache holds bytes.
    `targets` is (N, K) float32, 1, 0 or NaN where unknown, one column for each of `labels`.
    `references` says what each row is: rows of one volume stand together, in the order of its
    slices. `blank` counts the rows that were left out because their slice is blank.
    """

    images: Pictures | torch.Tensor
    targets: torch.Tensor
    references: tuple[Reference, ...]
    labels: tuple[Label, ...]
    blank: int = 0
    to_source: NDArray[np.float64] | None = None
    """(N, 3, 3), of each row as in `ModelInput`; None from a cache that doesn't hold it."""
    planting: Planting | None = None
    """What plants lesions into rows that are drawn for training; None: nothing does."""

    def __len__(self) -> int:
        return len(self.references)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        return self.images[index].float(), self.targets[index]

    def subset(self, rows: Sequence[int]) -> Self:
        """The same for some rows, in their order; pixels that lie in a cache are not copied."""
        chosen = torch.as_tensor(list(rows), dtype=torch.long)
        images = self.images
        return replace(
            self,
            images=images.subset(rows) if isinstance(images, Pictures) else images[chosen],
            targets=self.targets[chosen],
            references=tuple(self.references[row] for row in rows),
            blank=0,
            to_source=None if self.to_source is None else self.to_source[list(rows)],
            planting=self.planting and self.planting.subset(rows),
        )

    def known_rows(self) -> list[int]:
        """Rows of which at least one label is known: the others teach nothing."""
        known: list[int] = torch.isfinite(self.targets).any(dim=1).nonzero()[:, 0].tolist()
        return known

    def picture(self, row: int) -> torch.Tensor:
        """One prepared picture (size, size), for the audit."""
        return self.images[row][0]

    def digests(self) -> tuple[str, ...]:
        """A digest of each prepared picture, for `medrec.data.leakage.check_leakage`."""
        return tuple(digest_of(self.images[row].numpy()) for row in range(len(self)))


def prepare_slices(
    references: Sequence[Reference],
    *,
    root: Path,
    prepare: Prepare,
    labels: Sequence[Label],
    rules: Rules | None = None,
    cache: PictureCache | None = None,
) -> SliceDataset:
    """Load each volume once, prepare its slices, keep those that the references name.

    A reference without `slice` stands for all slices of its file. If the file holds several, a
    negative one makes each slice negative; a positive one leaves them unknown, since nobody said
    which slice shows the lesion.

    Args:
        references: Rows of a manifest; `path` is relative to `root`.
        root: The manifest's folder.
        prepare: The model's own Preprocessor.
        labels: The columns of the targets.
        rules: Which series of a DICOM folder counts, where it holds several.
        cache: Where pictures are kept, and taken from if they are there; in memory without it.

    Raises:
        ManifestError: Files that can't be read or prepared, and slices that don't exist; all are
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
    naming = _Naming(problems=dict(filled.problems))
    for path, entry in filled.entries.items():
        naming.name(path, entry, by_path[path])
    if naming.problems or not naming.kept:
        problems = [
            f"{path}: {naming.problems[path]}" for path in by_path if path in naming.problems
        ]
        raise ManifestError(str(root), problems or ["no slice that is not blank"])
    return SliceDataset(
        images=filled.pictures(naming.rows),
        targets=to_targets((row.labels for row in naming.kept), labels),
        references=tuple(naming.kept),
        labels=tuple(labels),
        blank=naming.named - len(naming.kept),
        to_source=_stack(naming.places),
    )


def _load(root: Path, prepare: Prepare, rules: Rules | None, path: str) -> Prepared:
    """Prepare one file below the root; one that shows nothing but air has no pictures.

    Raises:
        ScanError: The file can't be read or prepared.
    """
    try:
        volume = load_file(root / path, rules=rules)
        result = prepare(volume)
    except RefusedScanError as error:
        if error.code is not ReasonCode.BLANK_IMAGE:
            raise
        return Prepared(torch.empty(0), (), count_slices(root / path))
    place = tuple(result.to_source.ravel().tolist())
    return Prepared(result.images, result.slices, volume.slice_count, place)


def _stack(places: Sequence[tuple[float, ...] | None]) -> NDArray[np.float64] | None:
    """(N, 3, 3); None where the cache was filled by a medrec that didn't keep them."""
    known = [place for place in places if place is not None]
    return np.array(known).reshape(-1, 3, 3) if len(known) == len(places) else None


@dataclass(slots=True)
class _Naming:
    """Gives pictures the rows that name them."""

    problems: dict[str, str]
    kept: list[Reference] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    places: list[tuple[float, ...] | None] = field(default_factory=list)
    named: int = 0

    def name(self, path: str, entry: PackEntry, references: Sequence[Reference]) -> None:
        """Take what the references of one file name, in the order of the pictures."""
        try:
            named = rows_by_slice(references, entry.slice_count)
        except ValueError as error:
            self.problems[path] = str(error)
            return
        for place, number in enumerate(entry.slices):
            if number in named:
                self.kept.append(named[number])
                self.rows.append(entry.first + place)
                self.places.append(entry.to_source)
        self.named += len(named)


def to_targets(
    truths: Iterable[Mapping[Label, bool | None]], labels: Sequence[Label]
) -> torch.Tensor:
    """(N, K) float32; a label that is None or absent is NaN."""
    return torch.tensor(
        [
            [
                _UNKNOWN if truth.get(label) is None else float(bool(truth[label]))
                for label in labels
            ]
            for truth in truths
        ],
        dtype=torch.float32,
    )
