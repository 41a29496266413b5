"""Labelled volumes, prepared once: what networks of whole exams learn from."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch.utils.data import Dataset

from medrec.data.dataset import to_targets
from medrec.data.leakage import digest_of
from medrec.errors import ManifestError, ScanError
from medrec.io.loading import load_file
from medrec.preprocess.augment_volumes import sample_slices
from medrec.preprocess.pipeline import ModelInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from medrec.domain.finding import Label
    from medrec.domain.reference import Reference
    from medrec.domain.volume import Volume
    from medrec.io.selection import Rules
    from medrec.preprocess.volumes import VolumeInput

    Prepare = Callable[[Volume], ModelInput | VolumeInput]


@dataclass(frozen=True, eq=False)
class VolumeDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Prepared volumes with what is known of them; the interface is that of SliceDataset.

    `items` are float16: stacks (N, 1, size, size) whose N differ, or boxes (1, D, H, W) of one
    size. `targets` is (V, K) float32, 1, 0 or NaN where unknown. `references` says what each volume
    is. `slices` is how many evenly spaced slices of a stack come, None for all.
    """

    items: tuple[torch.Tensor, ...]
    targets: torch.Tensor
    references: tuple[Reference, ...]
    labels: tuple[Label, ...]
    slices: int | None = None
    blank: int = 0

    def __len__(self) -> int:
        return len(self.references)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        item = self.items[index]
        if self.slices is not None:
            item = item[sample_slices(len(item), self.slices)]
        return item.float(), self.targets[index]

    def subset(self, rows: Sequence[int]) -> VolumeDataset:
        """The same for some rows, in their order."""
        chosen = torch.as_tensor(list(rows), dtype=torch.long)
        return replace(
            self,
            items=tuple(self.items[row] for row in rows),
            targets=self.targets[chosen],
            references=tuple(self.references[row] for row in rows),
        )

    def evenly(self, slices: int | None) -> VolumeDataset:
        """The same with so many evenly spaced slices of each stack, so that batches can be made."""
        return replace(self, slices=slices)

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
) -> VolumeDataset:
    """Load and prepare each volume that the references name.

    Its labels are those of its row without `slice`. Where that says nothing of a label, slices do:
    one positive makes the volume positive, all of them negative make it negative.

    Raises:
        ManifestError: Files that can't be read or prepared, or that hold a single slice; all are
            listed.
    """
    by_path: dict[str, list[Reference]] = defaultdict(list)
    for reference in references:
        by_path[reference.path].append(reference)
    items: list[torch.Tensor] = []
    kept: list[Reference] = []
    problems: list[str] = []
    for path, rows in by_path.items():
        try:
            volume = load_file(root / path, rules=rules)
            prepared = prepare(volume)
        except ScanError as error:
            problems.append(f"{path}: {error}")
            continue
        if volume.slice_count == 1:
            problems.append(f"{path}: holds one slice; a classifier of volumes needs stacks")
            continue
        seen = prepared.images if isinstance(prepared, ModelInput) else prepared.voxels
        items.append(seen.half())
        kept.append(exam_of(rows, labels))
    if problems:
        raise ManifestError(str(root), problems)
    return VolumeDataset(
        items=tuple(items),
        targets=to_targets((row.labels for row in kept), labels),
        references=tuple(kept),
        labels=tuple(labels),
    )


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
