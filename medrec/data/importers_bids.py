"""A BIDS dataset to rows of a manifest: scans by their suffix, labels by its participants' table.

The layout is that of the BIDS specification, 1.10: `sub-<label>/[ses-<label>/]<datatype>/
sub-<label>[_ses-<label>][_<entity>-<label>...]_<suffix>.nii[.gz]`, and `participants.tsv` beside it
with the column `participant_id`. Folders that begin otherwise (`derivatives`, `sourcedata`) are not
looked into.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from medrec.data.attributes_of_patients import repeated
from medrec.data.columns import ToldByColumns
from medrec.data.imported import Imported
from medrec.data.scans import usable_files
from medrec.data.table import read_table
from medrec.domain.reference import Reference
from medrec.errors import ManifestError, ScanError
from medrec.io.discover import discover
from medrec.io.header import read_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from medrec.data.table import Row
    from medrec.io.discover import FoundFile

_TABLE = "participants.tsv"
_PARTICIPANT = "participant_id"
_SESSION = "session"
_FILE = re.compile(
    r"(?P<folder>sub-[A-Za-z0-9]+)/((?P<session>ses-[A-Za-z0-9]+)/)?(?P<datatype>[a-z]+)/"
    r"(?P<subject>sub-[A-Za-z0-9]+)(_[A-Za-z0-9]+-[A-Za-z0-9+]+)*_(?P<suffix>[A-Za-z0-9]+)"
    r"\.nii(\.gz)?"
)


@dataclass(frozen=True, slots=True)
class BidsQuestion:
    """Which scans of a dataset are meant, and what its table says of their participants.

    `labels` and `attributes` are expressions by name (`medrec.data.expressions`). `is_meant` tells
    by its path whether a scan of the suffix counts; None takes all. With `may_lack` participants
    without a scan are left out, and are no problem.
    """

    suffix: str
    labels: Mapping[str, str]
    attributes: Mapping[str, str] = field(default_factory=dict)
    is_meant: Callable[[str], bool] | None = None
    may_lack: bool = False


def import_bids(root: Path, question: BidsQuestion) -> Imported:
    """Make one row a NIfTI file of a suffix (`T1w`, `FLAIR`); the patient is the participant.

    The session, where there is one, becomes an attribute.

    Raises:
        ManifestError: No table or columns; participants listed twice, without a scan, or not
            listed; files that can't be used; all are listed.
        InputError: Nothing is there.
    """
    files, problems = _files(root, question)
    if not files and not problems:
        raise ManifestError(str(root), [_none_meant(root, question)])
    rows, told = _participants(root / _TABLE, question, problems)
    scans: dict[str, list[FoundFile]] = defaultdict(list)
    for file in files:
        scans[PurePosixPath(file.source).parts[0]].append(file)
    problems += [
        f"{subject}: has scans but no line in {_TABLE}" for subject in scans if subject not in rows
    ]
    lacking = [subject for subject in rows if subject not in scans]
    if not question.may_lack:
        problems += [
            f"{_TABLE}, line {rows[subject].line}: no {question.suffix} scan; --may-lack leaves "
            "such participants out"
            for subject in lacking
        ]
    references = [
        reference
        for subject, row in rows.items()
        for reference in _references(subject, row, scans.get(subject, ()), told, problems)
    ]
    if problems:
        raise ManifestError(str(root), problems)
    return Imported(tuple(references), tuple(_notes(scans, rows, lacking, question.suffix)))


def _files(root: Path, question: BidsQuestion) -> tuple[list[FoundFile], list[str]]:
    """The scans that are meant, and what is wrong with some of them."""
    found: list[tuple[str, str]] = []
    usable = list(usable_files(root, found))
    problems = [f"{source}: {text}" for source, text in found if _is_meant(source, question)]
    files = [file for file in usable if _is_meant(file.source, question)]
    for file in files:
        match = _FILE.fullmatch(file.source)
        if match and match["folder"] != match["subject"]:
            problems.append(f"{file.source}: is named as of {match['subject']}")
        try:
            read_header(file)
        except ScanError as error:
            problems.append(f"{file.source}: {error.detail}")
    return files, problems


def _none_meant(root: Path, question: BidsQuestion) -> str:
    matches = (_FILE.fullmatch(file.source) for file in discover(root))
    there = sorted({match["suffix"] for match in matches if match})
    if question.suffix in there:
        return f"no {question.suffix} scan is one of those that are asked for"
    wanted = f"sub-*/[ses-*/]anat/sub-*_{question.suffix}.nii.gz"
    return f"no {question.suffix} scan ({wanted}); suffixes there are: {', '.join(there) or 'none'}"


def _is_meant(source: str, question: BidsQuestion) -> bool:
    match = _FILE.fullmatch(source)
    if match is None or match["suffix"] != question.suffix:
        return False
    return question.is_meant is None or question.is_meant(source)


def _participants(
    path: Path, question: BidsQuestion, problems: list[str]
) -> tuple[dict[str, Row], ToldByColumns]:
    """The line of each participant."""
    table = read_table(path, delimiters="\t")
    told = ToldByColumns.of(question.labels, question.attributes, problems)
    absent = told.absent(table.columns, others=[_PARTICIPANT])
    if absent:
        raise ManifestError(str(path), [*problems, *absent])
    rows = [
        replace(row, cells={**row.cells, _PARTICIPANT: _subject(row.cells[_PARTICIPANT])})
        for row in table.rows
    ]
    problems += [f"{_TABLE}, {text}" for text in [*table.uneven, *repeated(rows, _PARTICIPANT)]]
    return {row.cells[_PARTICIPANT]: row for row in rows if row.cells[_PARTICIPANT]}, told


def _subject(participant: str) -> str:
    """The specification wants `sub-` before the label; tables without it are common."""
    bare = participant.removeprefix("sub-")
    return f"sub-{bare}" if bare else ""


def _references(
    subject: str,
    row: Row,
    files: Sequence[FoundFile],
    told: ToldByColumns,
    problems: list[str],
) -> Iterator[Reference]:
    wrong: list[str] = []
    labels, attributes = told.truths(row, wrong), told.attributes(row, wrong)
    problems += [f"{_TABLE}, {text}" for text in wrong]
    for file in files:
        match = _FILE.fullmatch(file.source)
        session = match["session"] if match else None
        beside = {_SESSION: session} if session and _SESSION not in labels else {}
        yield Reference(
            path=file.source, patient=subject, labels=labels, attributes={**beside, **attributes}
        )


def _notes(
    scans: Mapping[str, Sequence[FoundFile]],
    rows: Iterable[str],
    lacking: Sequence[str],
    suffix: str,
) -> Iterator[str]:
    if lacking:
        yield f"participants without a {suffix} scan, left out: {len(lacking)}"
    if several := sum(len(scans.get(subject, ())) > 1 for subject in rows):
        yield (
            f"participants with several {suffix} scans, each a row: {several}; if one is meant, "
            "choose it by --only"
        )
