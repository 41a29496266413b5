"""Folders that are named as what their scans show, to rows of a manifest."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from medrec.data.class_labels import ClassLabels
from medrec.data.imported import Imported
from medrec.data.rows_of_scans import rows_of_scans
from medrec.data.scans import find_scans
from medrec.domain.reference import Reference, Split
from medrec.errors import ManifestError
from medrec.io.digest import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from medrec.data.patients import PatientOfScan
    from medrec.data.rows_of_scans import ScanRow


_NAMED = 3

Problem = tuple[str, str]
"""A path, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class FolderMeaning:
    """What the folders of an archive say.

    `labels` maps a label to `CLASS,CLASS` (positive there, negative in all other classes) or
    `CLASS,CLASS/CLASS,CLASS` (positive, negative; unknown in others); without any, each class is a
    label. `splits` maps the folders above the classes to splits; without any, the classes lie at
    the top.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, Split] = field(default_factory=dict)


def import_folders(root: Path, *, meaning: FolderMeaning, patient: PatientOfScan) -> Imported:
    """Make one row an image, or a DICOM series of slices, of folders that are named as classes.

    Paths are relative to `root`.

    Raises:
        ManifestError: Files that can't be used, that lie in no class, or whose patient is unknown;
            class names that mean something else in a manifest, one class alone, a patient in two
            splits; all are listed.
        InputError: Nothing is there.
    """
    found = find_scans(root)
    placer = _Placer(meaning.splits)
    misplaced: list[Problem] = []
    placed = [place for scan in found.scans if (place := placer.place(scan.source, misplaced))]
    classes = tuple(sorted({place.name for place in placed}))
    labels, wrong = ClassLabels.of(meaning.labels, classes)
    problems = [*found.problems, *_listed(misplaced, len(found.scans)), *wrong]
    problems += [f"split folder {name}: holds no scan" for name in meaning.splits
                 if name not in placer.seen]  # fmt: skip
    rows = rows_of_scans(found.scans, loose=placer.class_folders(classes), problems=problems)
    rows, copies = _without_copies(rows, placer, patient, problems)
    unknown: list[Problem] = []
    references = [
        reference
        for row in rows
        if (reference := _to_reference(row, placer, labels, patient, unknown))
    ]
    problems += [*_listed(unknown, len(rows)), *shared_patients(references)]
    if problems:
        raise ManifestError(str(root), problems)
    return Imported(
        tuple(references), tuple(_notes(references, rows, found.others, classes, copies))
    )


def _listed(problems: Sequence[Problem], count: int) -> list[str]:
    """Problems of `count` things as lines; just one where all share it."""
    shared = {text for _, text in problems}
    if len(problems) == count > 1 and len(shared) == 1:
        return [f"{problems[0][0]} and all {count - 1} others: {shared.pop()}"]
    return [f"{source}: {text}" for source, text in problems]


@dataclass(frozen=True, slots=True)
class _Place:
    split: Split | None
    name: str


@dataclass(slots=True)
class _Placer:
    """Tell class and split of a path by its first folders."""

    splits: Mapping[str, Split]
    seen: set[str] = field(default_factory=set)

    def place(self, source: str, problems: list[Problem] | None = None) -> _Place | None:
        """Class and split; None, with what is wrong in `problems`, where the path has none."""
        depth = 1 if self.splits else 0
        folders = PurePosixPath(source).parts[:-1]
        problem = self._problem(folders, depth)
        if problem:
            if problems is not None:
                problems.append((source, problem))
            return None
        self.seen.add(folders[0])
        return _Place(self.splits.get(folders[0]), folders[depth])

    def _problem(self, folders: Sequence[str], depth: int) -> str | None:
        if depth and folders and folders[0] not in self.splits:
            return f"{folders[0]} is no split folder: wanted one of {', '.join(self.splits)}"
        if len(folders) <= depth:
            above = "above the folders of splits" if depth else "above the class folders"
            return f"lies in no class folder: name the folder {above}, and put nothing else there"
        return None

    def class_folders(self, classes: Iterable[str]) -> frozenset[str]:
        """The folders of classes themselves, as paths below the root."""
        tops = [f"{name}/" for name in self.splits] or [""]
        return frozenset(f"{top}{name}" for top in tops for name in classes)


def _without_copies(
    rows: Sequence[ScanRow], placer: _Placer, patient: PatientOfScan, problems: list[str]
) -> tuple[list[ScanRow], int]:
    """Rows without files that an earlier one is a copy of, and how many those are.

    Copies in two classes, two splits or of two patients contradict each other: they are noted in
    `problems`. Images that share a UID alone are no copies.
    """
    first: dict[tuple[str, str], ScanRow] = {}
    twins = Counter(_identity(row) for row in rows)
    kept = []
    for row in rows:
        identity = _identity(row)
        content = file_digest(row.scan.header.path) if twins[identity] > 1 else ""
        same = first.setdefault((identity, content), row)
        if same is row:
            kept.append(row)
            continue
        if placer.place(same.scan.source) != placer.place(row.scan.source):
            problems.append(f"{row.path}: the same scan as {same.path}, which lies elsewhere: "
                            "keep the one that is right")  # fmt: skip
        elif _patient_of(same, patient) != _patient_of(row, patient):
            problems.append(f"{row.path}: the same scan as {same.path}, which is of another "
                            "patient: keep the one that is right")  # fmt: skip
    return kept, len(rows) - len(kept)


def _identity(row: ScanRow) -> str:
    header = row.scan.header
    return header.sop_uid or header.identity


def _patient_of(row: ScanRow, patient: PatientOfScan) -> str | None:
    try:
        return patient(row.scan)
    except ValueError:  # said where the row is read
        return None


def _to_reference(
    row: ScanRow,
    placer: _Placer,
    labels: ClassLabels,
    patient: PatientOfScan,
    problems: list[Problem],
) -> Reference | None:
    place = placer.place(row.scan.source)
    if place is None:
        return None
    try:
        whose = patient(row.scan)
    except ValueError as error:
        problems.append((row.path, str(error)))
        return None
    return Reference(
        path=row.path, patient=whose, labels=labels.truths(place.name), split=place.split
    )


def shared_patients(references: Iterable[Reference]) -> list[str]:
    """What is wrong with rows of one patient that lie in several splits; nobody is named."""
    splits: dict[str, dict[Split, str]] = defaultdict(dict)
    for row in references:
        if row.split is not None:
            splits[row.patient].setdefault(row.split, row.path)
    shared = [places for places in splits.values() if len(places) > 1]
    return [
        "one patient in several splits: "
        + ", ".join(f"{path} ({split})" for split, path in places.items())
        for places in shared
    ]


def _notes(
    references: Sequence[Reference],
    rows: Sequence[ScanRow],
    others: Sequence[str],
    classes: Sequence[str],
    copies: int,
) -> Iterable[str]:
    if copies:
        yield f"left out, as copies of other scans of their class: {copies}"
    yield from _hints(list(references[0].labels), classes)
    if others:
        named = ", ".join([*others[:_NAMED], *(["..."] if len(others) > _NAMED else [])])
        yield f"left out, as no DICOM, NIfTI, PNG or JPEG images: {len(others)} ({named})"
    if several := sum(row.series > 1 for row in rows):
        yield (
            f"folders that hold several DICOM series: {several}; say by data.rules in the config "
            "which one counts (a file of `kind: rules`)"
        )
    truths: dict[str, set[tuple[bool | None, ...]]] = defaultdict(set)
    for row in references:
        truths[row.patient].add(tuple(row.labels.values()))
    if mixed := sum(len(found) > 1 for found in truths.values()):
        yield f"patients with scans of several classes: {mixed}; splits keep each of them together"


def _hints(labels: Sequence[str], classes: Sequence[str]) -> Iterable[str]:
    """What to make of labels that are the classes themselves."""
    if labels != list(classes):
        return
    if len(labels) == 2:  # noqa: PLR2004 (of two classes each tells the other)
        yield (
            f"labels {labels[0]} and {labels[1]} say the same twice: --label {labels[0]} gives one "
            "label, 1 in its folder and 0 in the other"
        )
    else:
        yield (
            f"labels {', '.join(labels)} exclude each other: name them as an `exclusive` group in "
            "the config"
        )
