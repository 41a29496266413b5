"""What `medrec configure --detect` reads beside labels: boxes, or masks of which boxes are made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medrec.data.boxes import (
    absolute,
    boxes_of_row,
    boxes_of_rows,
    nothing_if_negative,
    write_boxes,
)
from medrec.data.boxes_of_masks import boxes_of_masks
from medrec.data.manifest import write_manifest
from medrec.domain.reference import LabelledBox, Reference, Split
from medrec.errors import ManifestError
from medrec.io.image_size import known_image_size
from medrec.workflows.importing import check_free
from medrec.workflows.relocating import relocate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.data.boxes import Boxes
    from medrec.data.boxes_of_masks import BoxesPer
    from medrec.data.splits import SplitPlan

_NO_BOXES = (
    "no row names a boxes file or a mask, and a detector learns from boxes: `medrec dataset "
    "import` makes them of COCO, YOLO, a table or masks"
)


@dataclass(frozen=True, slots=True)
class Boxed:
    """Rows of a manifest and what lies in each.

    `told` are the rows with the labels that only their boxes tell; `boxes` those of each row, None
    where nobody knows; `of_masks` boxes made of masks, by the path of their image: they stand in no
    file yet.
    """

    references: tuple[Reference, ...]
    told: tuple[Reference, ...]
    boxes: tuple[Boxes | None, ...]
    of_masks: tuple[tuple[str, LabelledBox], ...] = ()


def read_boxed(references: Sequence[Reference], *, root: Path, per: BoxesPer) -> Boxed:
    """Read the boxes of all rows; make them of masks where a row has a mask and no boxes file.

    Raises:
        ManifestError: Whatever is wrong with boxes and masks, all at once.
    """
    problems: list[str] = []
    masked = [row for row in references if row.mask and not row.boxes]
    made: list[tuple[str, LabelledBox]] = []
    found: list[Boxes | None] = [None] * len(references)
    try:
        found = list(boxes_of_rows(references, root=root, size_of=known_image_size))
    except ManifestError as error:
        problems += error.problems
    try:
        made = _of_masks(masked, root=root, per=per)
    except ManifestError as error:
        problems += error.problems
    if problems:
        where = "boxes"
        raise ManifestError(where, problems)
    table = _by_image(made, root)
    boxes = tuple(
        (boxes_of_row(row, table, root) if row.mask else nothing_if_negative(row))
        if own is None
        else own
        for row, own in zip(references, found, strict=True)
    )
    told = tuple(_tell(row, own) for row, own in zip(references, boxes, strict=True))
    return Boxed(tuple(references), told, boxes, tuple(made))


def _of_masks(
    rows: Sequence[Reference], *, root: Path, per: BoxesPer
) -> list[tuple[str, LabelledBox]]:
    """Boxes of masks under the one label of their image that is positive.

    Raises:
        ManifestError: Masks that can't be read, or of which nobody says what they outline.
    """
    by_path: dict[str, list[Reference]] = {}
    for row in rows:
        by_path.setdefault(row.path, []).append(row)
    by_label: dict[str, list[Reference]] = {}
    problems = []
    for path, own in by_path.items():
        names = {str(name) for row in own for name in row.labels}
        positive = {str(name) for row in own for name, truth in row.labels.items() if truth}
        if len(chosen := names if len(names) == 1 else positive) > 1:
            problems.append(f"{path}: has a mask and several labels: which one does it outline?")
        by_label.setdefault(min(chosen, default=""), []).extend(own)
    found = []
    for label, own in by_label.items():
        try:
            made = boxes_of_masks(own, root=root, label=label, per=per)
        except ManifestError as error:
            problems += error.problems
            continue
        if made and not label:
            wrong = sorted({path for path, _ in made})
            problems += [f"{path}: its mask outlines what no label names" for path in wrong]
        found += made
    if problems:
        raise ManifestError(str(root), problems)
    return found


def _by_image(made: Sequence[tuple[str, LabelledBox]], root: Path) -> Mapping[Path, Boxes]:
    table: dict[Path, Boxes] = {}
    for path, box in made:
        image = absolute(root / path)
        table[image] = (*table.get(image, ()), box)
    return table


def _tell(row: Reference, boxes: Boxes | None) -> Reference:
    """The row, with labels that only its boxes tell."""
    if boxes is None:
        return row
    present = {name for one in boxes if not one.is_ignored for name in one.names}
    labels = {
        label: known if known is not None else label in present
        for label, known in row.labels.items()
    }
    return replace(row, labels=labels)


def wrong_boxes(boxed: Boxed, plan: SplitPlan | None) -> list[str]:
    """What keeps a detector from learning from these boxes."""
    if not any(row.boxes or row.mask for row in boxed.references):
        return [_NO_BOXES]
    labels = list(dict.fromkeys(str(name) for row in boxed.references for name in row.labels))
    every = [one for own in boxed.boxes for one in own or () if not one.is_ignored]
    if not every:
        return ["boxes files and masks hold no box: a detector learns from boxes"]
    strangers = sorted({str(one.label) for one in every if not set(one.names) & set(labels)})
    shown = ", ".join(sorted({str(one.label) for one in every}))
    problems = [
        f"boxes of {name!r}: no label column has this name; add one (empty cells will do, with "
        "--label), or leave these boxes out"
        for name in strangers
    ]
    for name in labels:
        if not any(name in one.names for one in every):
            problems.append(
                f"column {name}: no box shows it (boxes show {shown}); leave it out by naming the "
                "others with --label"
            )
        elif plan is not None:
            problems += _of_one_split(name, boxed, plan)
    return problems


def _splits_of(name: str, boxed: Boxed, plan: SplitPlan) -> set[Split]:
    """The splits of patients who have a box of a label."""
    return {
        plan.place_of(row).split
        for row, own in zip(boxed.references, boxed.boxes, strict=True)
        if any(name in one.names and not one.is_ignored for one in own or ())
    }


def _of_one_split(name: str, boxed: Boxed, plan: SplitPlan) -> list[str]:
    have = _splits_of(name, boxed, plan)
    lacking = [split.value for split in (Split.TRAIN, Split.TEST) if split not in have]
    if not lacking:
        return []
    only = ", ".join(sorted(split.value for split in have))
    problem = (
        f"column {name}: all its boxes are of patients of {only}, none of {' and '.join(lacking)}: "
        "boxes are needed to learn and to test; change the column split (or --splits), or add "
        "patients with boxes"
    )
    return [problem]


def warn_splits(boxed: Boxed, plan: SplitPlan) -> list[str]:
    """Labels without a box among those who tune or calibrate."""
    labels = dict.fromkeys(str(name) for row in boxed.references for name in row.labels)
    wanted = (Split.TUNE, Split.CALIBRATE) if plan.mode == "held_out" else ()
    return [
        f"{name}: no box among the patients of {split.value}: "
        + ("nothing but the loss is watched" if split is Split.TUNE else "boxes get scores alone")
        for name in labels
        for split in wanted
        if split not in _splits_of(name, boxed, plan)
    ]


def manifest_beside(out: Path) -> tuple[Path, Path]:
    """Where rows with boxes made of masks go: a manifest and a boxes file beside the config.

    Raises:
        OutputError: One of them exists.
    """
    return (
        check_free(out.with_name(f"{out.stem}-manifest.csv")),
        check_free(out.with_name(f"{out.stem}-boxes.csv")),
    )


def write_beside(boxed: Boxed, *, root: Path, out: Path) -> tuple[Path, str]:
    """Write the rows anew, with the boxes made of masks; returns the manifest, and what to say.

    Raises:
        OutputError: One of the files exists.
    """
    manifest, file = manifest_beside(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    moved = relocate(boxed.references, root=root, folder=out.parent)
    rows = [replace(row, boxes=file.name) if row.mask and not row.boxes else row for row in moved]
    places = dict(zip((row.path for row in boxed.references), (r.path for r in moved), strict=True))
    write_boxes(file, [(places[path], box) for path, box in boxed.of_masks])
    write_manifest(manifest, rows)
    said = (
        f"{file}: {len(boxed.of_masks)} boxes made of masks; {manifest} names them beside the rows "
        "of the manifest, and the config names that"
    )
    return manifest, said
