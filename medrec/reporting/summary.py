"""`summary.csv` and `images.csv`: the journal as tables."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from medrec.domain.finding import CaseStatus, Finding
from medrec.io.tables import write_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medrec.domain.finding import CasePrediction, RawFinding


def write_summary(
    path: Path, predictions: Sequence[CasePrediction], columns: Sequence[str]
) -> None:
    """Write one row a case; `columns` are those of the findings, primary label first."""
    names = ("case_id", "patient_key", "source", "modality", "status", "decision", "reason")
    write_rows(
        path, [*names, *columns, "regions", "seconds"], (_summary_row(p) for p in predictions)
    )


def write_images(path: Path, predictions: Sequence[CasePrediction], columns: Sequence[str]) -> None:
    """Write one row a judged image or slice."""
    rows = (
        {
            "case_id": prediction.case_id,
            "source": image.source,
            "slice": image.slice,
            **_values(image.findings),
        }
        for prediction in predictions
        for image in prediction.images
    )
    write_rows(path, ["case_id", "source", "slice", *columns], rows)


def finding_columns(labels: Sequence[str], primary: str, *, calibrated: bool) -> list[str]:
    """Column names of the findings: a score is never called a probability.

    >>> finding_columns(["cyst", "tumor"], "tumor", calibrated=True)
    ['tumor_probability', 'cyst_probability']
    """
    ordered = sorted(labels, key=lambda label: label != primary)
    return [f"{label}_{'probability' if calibrated else 'score'}" for label in ordered]


def _summary_row(prediction: CasePrediction) -> dict[str, object]:
    return {
        "case_id": prediction.case_id,
        "patient_key": prediction.patient_key or "",
        "source": prediction.source,
        "modality": prediction.modality or "",
        "status": prediction.status,
        "decision": prediction.decision or "",
        "reason": prediction.reason.code if prediction.reason else "",
        **_values(prediction.findings),
        "regions": len(prediction.regions) if prediction.status is CaseStatus.SCORED else "",
        "seconds": f"{prediction.provenance.seconds:.3f}",
    }


def _values(findings: Sequence[Finding | RawFinding]) -> dict[str, object]:
    return dict(_value(finding) for finding in findings)


def _value(finding: Finding | RawFinding) -> tuple[str, object]:
    # A number, not a text: a text with a leading minus would be guarded as a formula.
    if isinstance(finding, Finding):
        return f"{finding.label}_probability", Decimal(f"{finding.probability:.6f}")
    return f"{finding.label}_score", Decimal(f"{finding.logit:.6f}")
