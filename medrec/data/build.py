"""Data from its config."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from medrec.config.training import ManifestData, MasksData
from medrec.data.importers import import_masks
from medrec.data.manifest import read_manifest
from medrec.data.splits import plan_splits, read_places, read_splits, write_splits
from medrec.data.unlabelled import choose_unlabelled, list_volumes
from medrec.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medrec.config.training import Data, SplitConfig
    from medrec.data.splits import SplitPlan
    from medrec.data.unlabelled import Patients
    from medrec.domain.reference import Reference


def build_references(
    config: Data, *, labels: Sequence[str], folder: Path
) -> tuple[list[Reference], Path]:
    """Read what the config says of the data: the rows, and the folder that their paths start from.

    `folder` is the config's own: relative paths of the config start there.

    Raises:
        ManifestError: The archive isn't here (with where to get it), or rows that are wrong.
    """
    match config:
        case ManifestData(manifest=manifest):
            return read_manifest(folder / manifest, labels=labels), (folder / manifest).parent
        case MasksData():
            root = _root_of(config, folder)
            cases = root / config.cases if config.cases else None
            references = import_masks(
                root, images=config.images, mask=config.mask, label=config.label, cases=cases
            )
            return references, root
        case _:
            assert_never(config)


def _root_of(config: MasksData, folder: Path) -> Path:
    root = folder / config.root if config.root else None
    if root is None or not root.is_dir():
        problem = f"set data.root to the archive's folder; get it from {config.get_it_from}"
        raise ManifestError(str(root or "data.root"), [problem])
    return root


def build_unlabelled(
    config: Data, *, splits: Path | None, patients: Patients, folder: Path
) -> tuple[list[Reference], Path]:
    """Rows of the scans that may teach without labels, and the folder that their paths start from.

    Raises:
        ManifestError: The archive isn't here, or rows or splits that are wrong.
        DataSplitError: Nobody knows who is held out, or nobody is left.
    """
    match config:
        case MasksData(images=images, mask=mask):
            root = _root_of(config, folder)
            references = list_volumes(root, images, mask=mask)
        case _:
            references, root = build_references(config, labels=(), folder=folder)
    places = read_places(folder / splits) if splits else None
    return choose_unlabelled(references, places, patients=patients), root


def build_splits(
    config: SplitConfig, references: Sequence[Reference], *, folder: Path
) -> SplitPlan:
    """Read the frozen splits, or plan them and freeze them where the config names a file.

    Raises:
        ManifestError: A frozen file that is wrong or doesn't place every patient.
        DataSplitError: Too few patients to split.
    """
    path = folder / config.file if config.file else None
    if path and path.exists():
        return read_splits(path, references)
    plan = plan_splits(
        references,
        test_fraction=config.test_fraction,
        folds=config.folds,
        stratify_by=config.stratify_by,
        seed=config.seed,
    )
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_splits(path, plan)
    return plan
