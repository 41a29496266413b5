"""Folders that stand for classes to rows of a manifest."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from medrec.data.manifest import FIXED
from medrec.domain.finding import Label
from medrec.domain.reference import Reference
from medrec.domain.series import FileStatus
from medrec.errors import ManifestError
from medrec.io.grouping import SAME_AS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from medrec.domain.series import Case, FileRecord, ScanIndex, Series

_UNUSABLE = frozenset({FileStatus.REFUSED, FileStatus.FAILED})
_FEWEST_CLASSES = 2


@dataclass(frozen=True, slots=True)
class PositiveFolders:
    """One label, which the classes of some folders have and the others don't."""

    label: str
    positive: frozenset[str]


@dataclass(frozen=True, slots=True)
class FoundScans:
    """The rows; how many got a patient of their own because nothing says whose they are."""

    references: tuple[Reference, ...]
    without_patient: int = 0


def import_folders(
    index: ScanIndex,
    *,
    where: str,
    positives: PositiveFolders | None = None,
    patient: Callable[[str], str | None] | None = None,
) -> FoundScans:
    """Make one row a series of a folder whose own folders are classes.

    A series of several files is named by its folder, which then holds no other. Files that are no
    images, and copies within a class, are passed over.

    Args:
        index: What the folder holds, with paths relative to it.
        where: What to call the folder in messages.
        positives: None gives each class a label of its own, which excludes the others.
        patient: Finds the patient in a path. None takes the key of the header's PatientID, and
            where there is none a patient for each scan.

    Raises:
        ManifestError: Files outside the classes, fewer than two classes, a class that no column may
            be called, images that can't be read or lie in two classes, patients that aren't found;
            all are listed.
    """
    scans = [(case, series) for case in index.cases for series in _series_of(case)]
    problems = [text for record in index.records if (text := _wrong_file(record))]
    classes = sorted({name for _, series in scans if (name := class_of(series.first.source))})
    problems += _wrong_classes(classes, positives)
    reader = _ScanReader(classes, positives, patient, _holders(scans), problems)
    references = tuple(reader.read(case, series) for case, series in scans)
    if problems:
        raise ManifestError(where, problems)
    return FoundScans(references, len(reader.unnamed))


def class_of(source: str) -> str | None:
    """The first folder of a relative path; None for a file that lies in none."""
    parts = PurePosixPath(source).parts
    return parts[0] if len(parts) > 1 else None


def _wrong_file(record: FileRecord) -> str | None:
    """Why a file that belongs to no scan can't just be passed over."""
    if record.status in _UNUSABLE:
        return f"{record.path}: {record.code}, {record.detail}"
    if record.status is FileStatus.DUPLICATE:
        original = record.detail.removeprefix(SAME_AS)
        if class_of(original) != class_of(record.path):
            return f"{record.path}: the same scan as {original}, which lies in another class"
    return None


def _series_of(case: Case) -> Iterable[Series]:
    yield from case.series
    yield from (series for series, _ in case.left_out)


def _holders(scans: Sequence[tuple[Case, Series]]) -> Mapping[str, int]:
    """How many series have files in a folder."""
    found: dict[str, int] = defaultdict(int)
    for _, series in scans:
        for folder in {str(PurePosixPath(source).parent) for source in series.sources}:
            found[folder] += 1
    return found


def _wrong_classes(classes: Sequence[str], positives: PositiveFolders | None) -> list[str]:
    there = ", ".join(classes) or "none"
    problems = []
    if len(classes) < _FEWEST_CLASSES:
        problems.append(f"wanted a folder for each class, two at least; there are: {there}")
    named = [positives.label] if positives else classes
    problems += [
        f"{name}: means something else in a manifest; rename the "
        + ("label" if positives else "folder, or give --label and --positive")
        for name in named
        if name in FIXED
    ]
    absent = sorted(positives.positive - set(classes)) if positives else []
    problems += [f"--positive {name}: no such folder; there are: {there}" for name in absent]
    if positives and classes and not absent and positives.positive >= set(classes):
        problems.append("--positive: every class is positive; leave one out")
    return problems


@dataclass(frozen=True, slots=True)
class _ScanReader:
    """Read series, noting what is wrong with them in `problems`."""

    classes: Sequence[str]
    positives: PositiveFolders | None
    patient: Callable[[str], str | None] | None
    holders: Mapping[str, int]
    problems: list[str]
    unnamed: list[str] = field(default_factory=list)

    def read(self, case: Case, series: Series) -> Reference:
        path = self._path(series)
        if class_of(series.first.source) is None:
            self.problems.append(f"{path}: lies in no class: put it into the folder of one")
        return Reference(
            path=path,
            patient=self._patient(case, path),
            labels=self._labels(class_of(series.first.source)),
        )

    def _path(self, series: Series) -> str:
        """The file, or the folder of a series of several."""
        first = PurePosixPath(series.first.source)
        if len(set(series.sources)) == 1:
            return str(first)
        folders = {str(PurePosixPath(source).parent) for source in series.sources}
        if len(folders) > 1 or self.holders[str(first.parent)] > 1:
            self.problems.append(
                f"{first}: a series of {len(series.sources)} files that has no folder of its own: "
                "move it into one"
            )
        return str(first.parent)

    def _labels(self, name: str | None) -> dict[Label, bool | None]:
        if self.positives:
            return {Label(self.positives.label): name in self.positives.positive}
        return {Label(one): one == name for one in self.classes}

    def _patient(self, case: Case, path: str) -> str:
        if self.patient is None:
            if case.patient_key is None:
                self.unnamed.append(path)
            return case.patient_key or path
        found = self.patient(path)
        if found is None:
            self.problems.append(f"{path}: --patient finds no patient in it")
        return found or ""
