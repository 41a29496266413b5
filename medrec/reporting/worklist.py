"""The worklist: every case of a run on one page, the urgent ones first."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medrec.domain.finding import CaseStatus, Decision, Finding
from medrec.reporting.case_report import DECISION_WORDS
from medrec.reporting.explanations import NOTES, REASONS
from medrec.reporting.render import render, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from medrec.domain.finding import CasePrediction, RawFinding
    from medrec.reporting.model_facts import ModelFacts

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_STATUS_WORDS = {CaseStatus.REFUSED: "Refused", CaseStatus.FAILED: "Failed"}


@dataclass(frozen=True, slots=True)
class Row:
    """A case as the list shows it; `value` is a probability, or a score if not `calibrated`."""

    case_id: str
    state: str
    outcome: str
    modality: str
    value: float | None
    calibrated: bool
    threshold: float | None
    logit: float | None
    reason_code: str
    reason: str
    notes: tuple[str, ...]
    link: str | None


def write_worklist(path: Path, predictions: Sequence[CasePrediction], model: ModelFacts) -> None:
    """Write `index.html`; a case is linked where `cases/<case_id>/report.html` lies beside it."""
    rows = [_row(prediction, model, path.parent) for prediction in in_order(predictions)]
    found = Counter(row.state for row in rows)
    counts = {state: found[state] for state in _ORDER}
    page = render(
        "worklist.html",
        rows=rows,
        counts=counts,
        not_judged=counts["refused"] + counts["failed"],
        model=model,
        provenance=predictions[0].provenance if predictions else None,
        is_calibrated=all(row.calibrated for row in rows if row.value is not None),
    )
    write_text(path, page)


_ORDER = ("flag", "defer", "scored", "failed", "refused", "clear")


def in_order(predictions: Iterable[CasePrediction]) -> list[CasePrediction]:
    """Flagged by the primary label's logit, then what needs a reader, cleared ones last."""
    return sorted(predictions, key=_urgency)


def _urgency(prediction: CasePrediction) -> tuple[int, float, str]:
    logit = prediction.findings[0].logit if prediction.findings else 0.0
    return _ORDER.index(_state(prediction)), -logit, prediction.case_id


def _state(prediction: CasePrediction) -> str:
    return str(prediction.decision or prediction.status)


def _row(prediction: CasePrediction, model: ModelFacts, folder: Path) -> Row:
    finding = prediction.finding(model.primary_label)
    decision = prediction.decision
    reason = prediction.reason
    return Row(
        case_id=prediction.case_id,
        state=_state(prediction),
        outcome=_outcome(prediction.status, decision),
        modality=prediction.modality.value if prediction.modality else "",
        value=_value(finding),
        calibrated=isinstance(finding, Finding),
        threshold=finding.threshold if isinstance(finding, Finding) else None,
        logit=finding.logit if finding else None,
        reason_code=reason.code.value if reason else "",
        reason=REASONS[reason.code].title if reason else "",
        notes=tuple(dict.fromkeys(NOTES[note.code].title for note in prediction.notes)),
        link=_link(prediction.case_id, folder),
    )


def _outcome(status: CaseStatus, decision: Decision | None) -> str:
    if decision is not None:
        return DECISION_WORDS[decision]
    return _STATUS_WORDS.get(status, "Scored")


def _value(finding: Finding | RawFinding | None) -> float | None:
    if finding is None:
        return None
    return finding.probability if isinstance(finding, Finding) else finding.logit


def _link(case_id: str, folder: Path) -> str | None:
    if not _SAFE_NAME.fullmatch(case_id):
        return None  # a journal from elsewhere must not lead a link out of the folder
    address = f"cases/{case_id}/report.html"
    return address if (folder / address).is_file() else None
