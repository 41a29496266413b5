"""Labelled slices, prepared once and kept in memory."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch.utils.data import Dataset

from medrec.data.leakage import digest_of
from medrec.errors import ManifestError, ScanError
from medrec.io.loading import load_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from medrec.domain.finding import Label
    from medrec.domain.reference import Reference
    from medrec.domain.volume import Volume
    from medrec.io.selection import Rules
    from medrec.preprocess.pipeline import ModelInput

    Prepare = Callable[[Volume], ModelInput]

_UNKNOWN = float("nan")


@dataclass(frozen=True, eq=False)
class SliceDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Prepared pictures with what is known of them.

    `images` is (N, 1, size, size) float16: half the memory, and finer than any 8-bit screen.
    `targets` is (N, K) float32, 1, 0 or NaN where unknown, one column for each of `labels`.
    `references` says what each row is: rows of one volume stand together, in the order of its
    slices. `blank` counts the rows that were left out because their slice is blank.
    """

    images: torch.Tensor
    targets: torch.Tensor
    references: tuple[Reference, ...]
    labels: tuple[Label, ...]
    blank: int = 0

    def __len__(self) -> int:
        return len(self.references)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.images[index].float(), self.targets[index]

    def subset(self, rows: Sequence[int]) -> SliceDataset:
        """The same for some rows, in their order."""
        chosen = torch.as_tensor(list(rows), dtype=torch.long)
        return SliceDataset(
            images=self.images[chosen],
            targets=self.targets[chosen],
            references=tuple(self.references[row] for row in rows),
            labels=self.labels,
        )

    def known_rows(self) -> list[int]:
        """Rows of which at least one label is known: the others teach nothing."""
        known: list[int] = torch.isfinite(self.targets).any(dim=1).nonzero()[:, 0].tolist()
        return known

    def digests(self) -> tuple[str, ...]:
        """A digest of each prepared picture, for `medrec.data.leakage.check_leakage`."""
        return tuple(digest_of(image) for image in self.images.numpy())


def prepare_slices(
    references: Sequence[Reference],
    *,
    root: Path,
    prepare: Prepare,
    labels: Sequence[Label],
    rules: Rules | None = None,
    on_volume: Callable[[str], None] | None = None,
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
        on_volume: Called with the path of each volume when it is done.

    Raises:
        ManifestError: Files that can't be read or prepared, and slices that don't exist; all are
            listed.
    """
    by_path: dict[str, list[Reference]] = defaultdict(list)
    for reference in references:
        by_path[reference.path].append(reference)
    images: list[torch.Tensor] = []
    kept: list[Reference] = []
    problems: list[str] = []
    rows_in_all = 0
    for path, rows in by_path.items():
        try:
            pictures, named, row_count = _prepare_file(root / path, rows, prepare, rules)
        except (ScanError, ValueError) as error:
            problems.append(f"{path}: {error}")
            continue
        images.append(pictures)
        kept += named
        rows_in_all += row_count
        if on_volume:
            on_volume(path)
    if problems or not kept:
        raise ManifestError(str(root), problems or ["no slice that is not blank"])
    return SliceDataset(
        images=torch.cat(images),
        targets=_to_targets((row.labels for row in kept), labels),
        references=tuple(kept),
        labels=tuple(labels),
        blank=rows_in_all - len(kept),
    )


def _prepare_file(
    path: Path, rows: Sequence[Reference], prepare: Prepare, rules: Rules | None
) -> tuple[torch.Tensor, list[Reference], int]:
    """Pictures (n, 1, size, size) float16 and the row of each, and how many rows there were.

    Raises:
        ScanError: The file can't be read or prepared.
        ValueError: A row names a slice that doesn't exist.
    """
    volume = load_file(path, rules=rules)
    named = _rows_by_slice(rows, volume.slice_count)
    result = prepare(volume)
    shown = [place for place, number in enumerate(result.slices) if number in named]
    pictures = result.images[shown].half()
    return pictures, [named[result.slices[place]] for place in shown], len(named)


def _rows_by_slice(rows: Sequence[Reference], slice_count: int) -> dict[int, Reference]:
    beyond = sorted(
        {row.slice for row in rows if row.slice is not None and row.slice >= slice_count}
    )
    if beyond:
        message = f"has {slice_count} slices, counted from 0; there is no slice {beyond[0]}"
        raise ValueError(message)
    named = {
        number: _one_slice(row, number, slice_count)
        for row in rows
        if row.slice is None
        for number in range(slice_count)
    }
    return named | {row.slice: row for row in rows if row.slice is not None}


def _one_slice(row: Reference, number: int, slice_count: int) -> Reference:
    if slice_count == 1:
        return row
    labels = {label: False if known is False else None for label, known in row.labels.items()}
    return replace(row, slice=number, labels=labels)


def _to_targets(
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
