"""Score the scans that a manifest names, and lay the logits beside their truth."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.finding import CasePrediction, CaseStatus, Label
from medrec.domain.ids import PatientKey
from medrec.domain.reference import Reference
from medrec.domain.series import FileStatus
from medrec.errors import ManifestError, ScanError, SkippedFileError
from medrec.io.discover import FoundFile, discover
from medrec.io.grouping import group
from medrec.io.header import read_header
from medrec.workflows.scored import ScoredSlices

if TYPE_CHECKING:
    from medrec.domain.series import Case, FileRecord, ImageHeader
    from medrec.inference.screener import Screener

OnCount = Callable[[int, int], None]
"""Called with how many cases are done, and of how many."""


def find_cases(references: Iterable[Reference], *, root: Path) -> tuple[Case, ...]:
    """Read the headers of the files that rows name, and of the files in folders that they name.

    Paths are relative to `root`. A file of a folder that is no image is passed over, and so is a
    copy of another row's file that says the same of the same patient.

    Raises:
        ManifestError: Files that can't be read; all are listed.
    """
    headers: list[ImageHeader] = []
    problems: list[str] = []
    rows: dict[str, list[Reference]] = {}
    for row in references:
        rows.setdefault(row.path, []).append(row)
    for path in rows:
        try:
            headers += read_headers(root, path)
        except ScanError as error:
            problems.append(f"{path}: {error}")
    index = group(headers, patient_key=_nobody)
    named = rows.keys() - _harmless_copies(headers, rows)
    problems += [
        f"{r.path}: {r.code or r.status}: {r.detail}" for r in index.records if _counts(r, named)
    ]
    if problems:
        raise ManifestError(str(root), problems)
    return tuple(index.cases)


def _harmless_copies(
    headers: Iterable[ImageHeader], rows: Mapping[str, Sequence[Reference]]
) -> set[str]:
    """Paths of copies whose rows say of the same patient what those of the first file say."""
    first: dict[str, str] = {}
    copies = set()
    for header in headers:
        original = first.setdefault(header.identity, header.source)
        known = rows.get(original), rows.get(header.source)
        if original != header.source and _says(known[0]) == _says(known[1]):
            copies.add(header.source)
    return copies


def _says(rows: Sequence[Reference] | None) -> set[object]:
    return {(row.patient, row.slice, frozenset(row.labels.items())) for row in rows or ()}


def _counts(record: FileRecord, named: Container[str]) -> bool:
    """A copy within a folder does no harm: one of the two is read."""
    return record.status is not FileStatus.DUPLICATE or record.path in named


def read_headers(root: Path, path: str) -> Iterator[ImageHeader]:
    """Headers of a file that a row names, or of the images in a folder that it names."""
    if not (root / path).is_dir():
        yield read_header(FoundFile(root / path, path))
        return
    for file in discover(root / path):
        with suppress(SkippedFileError):
            yield read_header(replace(file, source=f"{path}/{file.source}"))


def _nobody(_: str) -> PatientKey:
    """Training and testing take patients from the manifest, not from headers."""
    return PatientKey("")


def score_cases(
    cases: Sequence[Case], screener: Screener, *, on_case: OnCount | None = None
) -> list[CasePrediction]:
    """Screen cases without pages or journal.

    Raises:
        ManifestError: Cases that can't be scored; all are listed.
    """
    predictions, problems = [], []
    for done, case in enumerate(cases, start=1):
        prediction = screener(case).prediction
        if prediction.status is not CaseStatus.SCORED and prediction.reason:
            problems.append(
                f"{prediction.source}: {prediction.reason.code}: {prediction.reason.detail}"
            )
        predictions.append(prediction)
        if on_case:
            on_case(done, len(cases))
    if problems:
        msg = "scans to score"
        raise ManifestError(msg, problems)
    return predictions


def lay_beside_truth(
    predictions: Sequence[CasePrediction],
    references: Sequence[Reference],
    labels: Sequence[Label],
) -> ScoredSlices:
    """Join image logits to rows by `path` and `slice`; a path may be a folder above the image.

    A row without a slice speaks of a film, or of a whole volume: then it says of no slice what that
    one shows.
    """
    truth = {(str(PurePosixPath(row.path)), row.slice): row for row in references}
    rows, logits = [], []
    for prediction in predictions:
        is_volume = any(image.slice > 0 for image in prediction.images)
        for image in prediction.images:
            reference = _find(truth, image.source, image.slice)
            if reference is None and not is_volume:
                reference = _find(truth, image.source, None)
            if reference is not None:
                rows.append(reference)
                found = {finding.label: finding.logit for finding in image.findings}
                logits.append([found[label] for label in labels])
    return ScoredSlices(
        tuple(rows), np.array(logits).reshape(len(rows), len(labels)), tuple(labels)
    )


def _find(
    truth: Mapping[tuple[str, int | None], Reference], source: str, number: int | None
) -> Reference | None:
    path = PurePosixPath(source)
    places = [str(place) for place in (path, *path.parents)]
    return next((truth[place, number] for place in places if (place, number) in truth), None)
