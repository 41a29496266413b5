"""Which scans may teach without labels: never those of patients who are held out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from medrec.domain.reference import Reference, Split
from medrec.errors import DataSplitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medrec.data.splits import Place

Patients = Literal["train", "train_and_unplaced", "all"]


def list_volumes(root: Path, images: str, *, mask: str) -> list[Reference]:
    """One row for each file that a glob finds, without labels; masks are not opened.

    The patient is the name of the file's folder, as `medrec.data.importers.import_masks` has it.
    """
    return [
        Reference(path=path.relative_to(root).as_posix(), patient=path.parent.name, labels={})
        for path in sorted(root.glob(images))
        if path.name != mask
    ]


def choose_unlabelled(
    references: Sequence[Reference], places: Mapping[str, Place] | None, *, patients: Patients
) -> list[Reference]:
    """Keep the rows of patients who may be seen, and nothing of them but where the scan is.

    Args:
        references: Rows; what they say of labels and attributes is dropped.
        places: Where frozen splits put each patient; None goes by the rows' own `split`.
        patients: `train`: those of the split train, and all must have a place;
            `train_and_unplaced`: also those without one; `all`: everybody.

    Raises:
        DataSplitError: No splits, or patients without a place, or nobody left.
    """
    split_of = {row.patient: _split(row, places) for row in references}
    problems = _problems(split_of, patients)
    if problems:
        raise DataSplitError("\n".join(problems))
    seen = {
        name
        for name, split in split_of.items()
        if patients == "all"
        or split is Split.TRAIN
        or (split is None and patients == "train_and_unplaced")
    }
    if not seen:
        message = "nobody is left to learn from: no patient of the data has the split train"
        raise DataSplitError(message)
    return [replace(row, labels={}, attributes={}) for row in references if row.patient in seen]


def _split(row: Reference, places: Mapping[str, Place] | None) -> Split | None:
    if places is None:
        return row.split
    place = places.get(row.patient)
    return place.split if place else None


def _problems(split_of: Mapping[str, Split | None], patients: Patients) -> list[str]:
    """What makes it unsure who is held out."""
    if patients == "all":
        return []
    placed = sum(split is not None for split in split_of.values())
    if placed == 0:
        # Also where patients are named in another way than in the splits: all would be let in.
        problem = (
            "no patient of the data has a split, so nobody knows who is held out: name the file of "
            "frozen splits under `splits`, with patients named as in the data; or set "
            "`patients: all` where none of these scans will ever test a model"
        )
        return [problem]
    unplaced = len(split_of) - placed
    if unplaced and patients == "train":
        problem = (
            f"{unplaced} of {len(split_of)} patients have no split: add them to the splits, or set "
            "`patients: train_and_unplaced` to learn from them too"
        )
        return [problem]
    return []
