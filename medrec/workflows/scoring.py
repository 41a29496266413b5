"""Score the scans that a manifest names, and lay the logits beside their truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.finding import CasePrediction, CaseStatus, Label
from medrec.domain.ids import PatientKey
from medrec.domain.reference import Reference
from medrec.errors import ManifestError, ScanError
from medrec.io.discover import FoundFile
from medrec.io.grouping import group
from medrec.io.header import read_header
from medrec.workflows.scored import ScoredSlices

if TYPE_CHECKING:
    from medrec.domain.series import Case
    from medrec.inference.screener import Screener

OnCount = Callable[[int, int], None]
"""Called with how many cases are done, and of how many."""


def find_cases(references: Iterable[Reference], *, root: Path) -> tuple[Case, ...]:
    """Read the headers of the files that rows name; paths are relative to `root`.

    Raises:
        ManifestError: Files that can't be read; all are listed.
    """
    headers, problems = [], []
    for path in dict.fromkeys(row.path for row in references):
        try:
            headers.append(read_header(FoundFile(root / path, path)))
        except ScanError as error:
            problems.append(f"{path}: {error}")
    index = group(headers, patient_key=_nobody)
    problems += [f"{r.path}: {r.code or r.status}: {r.detail}" for r in index.records]
    if problems:
        raise ManifestError(str(root), problems)
    return tuple(index.cases)


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
    """Join image logits to rows by `path` and `slice`.

    A row without a slice speaks of a film, or of a whole volume: then it says of no slice what that
    one shows.
    """
    truth = {(row.path, row.slice): row for row in references}
    rows, logits = [], []
    for prediction in predictions:
        is_volume = any(image.slice > 0 for image in prediction.images)
        for image in prediction.images:
            reference = truth.get((image.source, image.slice))
            if reference is None and not is_volume:
                reference = truth.get((image.source, None))
            if reference is not None:
                rows.append(reference)
                found = {finding.label: finding.logit for finding in image.findings}
                logits.append([found[label] for label in labels])
    return ScoredSlices(
        tuple(rows), np.array(logits).reshape(len(rows), len(labels)), tuple(labels)
    )
