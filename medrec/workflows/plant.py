"""`medrec dataset plant`: copies of lesion-free films with lesions of known place and size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medrec.config.planting import find_recipe
from medrec.data.boxes import boxes_of_rows, nothing_if_negative, write_boxes
from medrec.data.manifest import read_manifest, spell_out, write_manifest
from medrec.data.planted_copies import (
    PLANTED,
    SOURCE,
    PlantedCopy,
    PlantingOrder,
    group_strengths,
    plant_copies,
    say_missing,
    why_not,
)
from medrec.domain.counting import counted
from medrec.domain.finding import Label
from medrec.domain.reference import LabelledBox, Reference, Split
from medrec.errors import ManifestError, OutputError, PlantingError, UsageError
from medrec.io.tables import write_rows
from medrec.lesions.build import read_film_recipe
from medrec.workflows.output import prepare_output, write_run
from medrec.workflows.relocating import relocate
from medrec.workflows.versions import versions

if TYPE_CHECKING:
    from collections.abc import Mapping

OnRow = Callable[[int, int], None]
"""Called with how many rows are done, and of how many."""

_MANIFEST, _BOXES, _REFUSED = "manifest.csv", "boxes.csv", "refused.csv"
_LABEL_NEEDED = "a column of 0 and 1 that says which films are free of lesions"


@dataclass(frozen=True, slots=True)
class PlantResult:
    """The copies, and what was not made.

    `refused` says why a film has none, by its path in the copies' manifest; `left_out` how many
    rows were not to be planted into, by why.
    """

    manifest: Path
    copies: tuple[PlantedCopy, ...]
    refused: Mapping[str, str]
    left_out: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """What was made, what was left out, and each film that was refused."""
        made = counted(len(self.copies), "planted film", "planted films")
        lesions = counted(sum(len(copy.boxes) for copy in self.copies), "lesion", "lesions")
        patients = len({copy.row.patient for copy in self.copies})
        out = [f"{self.manifest}: {made} of {counted(patients, 'patient', 'patients')}, {lesions}"]
        out += [
            f"note: {counted(count, 'row', 'rows')} left as they are: {why}"
            for why, count in self.left_out.items()
        ]
        out += [f"note: {note}" for note in self.notes]
        return [*out, *(f"refused: {path}: {why}" for path, why in self.refused.items())]


def plant(  # noqa: PLR0913 (the options of the command)
    manifest: str | Path,
    *,
    recipe: str | Path,
    out: str | Path,
    label: str | None = None,
    seed: int = 1,
    lesions: int = 1,
    copies: int = 1,
    twins: bool = False,
    splits: Sequence[str] = (),
    on_row: OnRow | None = None,
) -> PlantResult:
    """Plant lesions into copies of a manifest's films without one; write them and their manifest.

    `out` gets `films/` with a PNG for each copy, `manifest.csv` whose rows keep patient, split and
    attributes of their originals, `boxes.csv`, and `run.yaml`. A copy's columns tell its lesion
    where it has but one; the boxes tell each. With `twins` the manifest has the untouched originals
    too, where they are. A film that nothing can be planted into is refused: it stands, with the
    reason, in `refused.csv` and has no rows; the others are planted all the same. Boxes that a film
    has already go along.

    Args:
        manifest: Rows whose label is 0 are planted into; others are left as they are.
        recipe: A YAML of the kind `lesions`, for films, or the name of one that medrec brings.
        out: A folder that isn't there yet, or is empty.
        label: The label that planted lesions make 1; None: the manifest's only one.
        seed: The same seed plants the same lesions into the same film.
        lesions: How many a copy gets, fewer where no more find room.
        copies: How many are made of each film.
        twins: Whether the originals stand in the manifest as well.
        splits: Plant into rows of these splits alone, and let all rows that are not planted into
            stand in the manifest as they are: it can then be trained from.
        on_row: Told of progress.

    Raises:
        ManifestError: Rows that are wrong, all at once; or no film without a lesion.
        ConfigError: The recipe is wrong, or not one for films.
        UsageError: No such label, or several and none chosen; a number that means nothing.
        OutputError: The folder is in use, or can't be written.
        PlantingError: Nothing could be planted into any film.
    """
    manifest, out = Path(manifest), Path(out)
    _check_numbers(seed=seed, lesions=lesions, copies=copies)
    references = read_manifest(manifest)
    order = PlantingOrder(
        recipe=read_film_recipe(find_recipe(Path(recipe), folder=Path())),
        label=_label_of(references, label),
        seed=seed,
        lesions=lesions,
        copies=copies,
    )
    reasons = _reasons(references, order.label, _to_splits(splits))
    left_out = _left_out(references, reasons, order.label, manifest)
    own = boxes_of_rows(references, root=manifest.parent)
    prepare_output(out)
    moved = relocate(references, root=manifest.parent, folder=out)
    wanted = [row for row, why in zip(moved, reasons, strict=True) if why is None]
    known = {row.path: boxes for row, boxes in zip(moved, own, strict=True) if boxes}
    try:
        (out / "films").mkdir()
        made, refused = _plant_all(wanted, order, out=out, on_row=on_row)
        kept = [_twin(row) for row in wanted if row.path not in refused] if twins else []
        used = {row.path for row in wanted} - refused.keys()
        others = [row for row in moved if row.path not in used]
        _write(out, made, kept, others=others if splits else [], known=known)
        _write_refused(out, refused)
    except OSError as error:
        why = error.strerror or type(error).__name__
        message = f"--out {out} can't be written: {why}. Make room, remove it and start again"
        raise OutputError(message) from error
    facts = {"recipe": order.recipe.name, "seed": seed, "lesions": lesions, "copies": copies}
    write_run(out, {"verb": "dataset plant", **facts, "versions": versions(["medrec", "numpy"])})
    _check_made(made, refused)
    notes = (*say_missing(made, order), *_say_unknown(wanted, refused))
    return PlantResult(out / _MANIFEST, tuple(made), refused, left_out, notes)


def _check_made(made: Sequence[PlantedCopy], refused: Mapping[str, str]) -> None:
    """See that something was planted.

    Raises:
        PlantingError: Every film was refused; all are named.
    """
    if not made:
        listed = "\n".join(f"  - {path}: {why}" for path, why in refused.items())
        message = f"nothing could be planted into any of {len(refused)} films\n{listed}"
        raise PlantingError(message)


def _check_numbers(**numbers: int) -> None:
    least = {"seed": 0, "lesions": 1, "copies": 1}
    for name, number in numbers.items():
        if number < least[name]:
            message = f"--{name} {number}: wanted {least[name]} or more"
            raise UsageError(message)


def _label_of(references: Sequence[Reference], label: str | None) -> Label:
    """The label that was named, or the only one.

    Raises:
        UsageError: There is none of that name, none at all, or several.
    """
    known = list(references[0].labels)
    if label is not None and label in known:
        return Label(label)
    if label is None and len(known) == 1:
        return known[0]
    said = ", ".join(known) or "none"
    if label is not None:
        message = f"--label {label}: the manifest's labels are {said}; wanted {_LABEL_NEEDED}"
    else:
        message = f"--label: name one of the manifest's labels, {said}; wanted {_LABEL_NEEDED}"
    raise UsageError(message)


def _to_splits(names: Sequence[str]) -> set[Split]:
    """The splits of those names.

    Raises:
        UsageError: One is none.
    """
    wrong = [name for name in names if name not in set(Split)]
    if wrong:
        message = f"--split {', '.join(wrong)}: wanted {', '.join(Split)}"
        raise UsageError(message)
    return {Split(name) for name in names}


def _reasons(references: Sequence[Reference], label: Label, splits: set[Split]) -> list[str | None]:
    """Why nothing is planted into a row, of each row; None where something is."""
    return [
        f"of the split {row.split or 'none'}"
        if splits and row.split not in splits
        else why_not(row, label)
        for row in references
    ]


def _left_out(
    references: Sequence[Reference], reasons: Sequence[str | None], label: Label, manifest: Path
) -> dict[str, int]:
    """How many rows are left as they are, by why.

    Raises:
        ManifestError: All are.
    """
    counts = Counter(why for why in reasons if why is not None)
    if sum(counts.values()) == len(references):
        problems = [f"{counted(n, 'row', 'rows')}: {why}" for why, n in counts.items()]
        raise ManifestError(str(manifest), [*problems, f"no film whose {label} is 0"])
    return dict(counts)


def _plant_all(
    wanted: Sequence[Reference], order: PlantingOrder, *, out: Path, on_row: OnRow | None
) -> tuple[list[PlantedCopy], dict[str, str]]:
    """The copies of rows whose paths are relative to `out`, and why others have none, by path."""
    made: list[PlantedCopy] = []
    refused: dict[str, str] = {}
    for number, row in enumerate(wanted, start=1):
        name = f"{number:05d}"  # the user's own names may hold those of patients
        try:
            made += plant_copies(row, order, out=out, name=name)
        except PlantingError as error:
            refused[row.path] = str(error)
        if on_row is not None:
            on_row(number, len(wanted))
    return group_strengths(made), refused


def _twin(row: Reference) -> Reference:
    """The untouched film; its boxes stay unknown where other labels may have some."""
    attributes = {**row.attributes, PLANTED: "no"}
    boxes = _BOXES if _has_known_boxes(row) else None
    return replace(row, mask=None, boxes=boxes, attributes=attributes)


def _has_known_boxes(row: Reference) -> bool:
    return row.boxes is not None or nothing_if_negative(row) is not None


def _say_unknown(wanted: Sequence[Reference], refused: Mapping[str, str]) -> list[str]:
    """That a detector would take other labels' boxes in copies for none, where they are unknown."""
    count = sum(row.path not in refused and not _has_known_boxes(row) for row in wanted)
    films = counted(count, "film has", "films have")
    told = f"{films} other labels that aren't 0, and no boxes file: copies have planted boxes alone"
    return [told] if count else []


def _write(
    out: Path,
    made: Sequence[PlantedCopy],
    twins: Sequence[Reference],
    *,
    others: Sequence[Reference],
    known: Mapping[str, Sequence[LabelledBox]],
) -> None:
    """The manifest and its boxes: those of lesions, and those that films had before."""
    rows = [replace(copy.row, boxes=_BOXES) for copy in made]
    write_manifest(out / _MANIFEST, spell_out([*rows, *twins, *others]))
    boxes = [(copy.row.path, box) for copy in made for box in copy.boxes]
    boxes += [
        (row.path, box)
        for row in (*rows, *twins)
        for box in known.get(row.attributes.get(SOURCE, row.path), ())
    ]
    write_boxes(out / _BOXES, boxes)


def _write_refused(out: Path, refused: Mapping[str, str]) -> None:
    if refused:
        cells = [{"path": path, "reason": why} for path, why in refused.items()]
        write_rows(out / _REFUSED, ("path", "reason"), cells)
