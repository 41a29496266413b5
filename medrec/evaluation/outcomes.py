"""Each case's decision beside its truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.domain.finding import CaseStatus, Finding
from medrec.evaluation.result import CaseOutcome, Outcome
from medrec.evaluation.truth import exam_truth, image_truth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.domain.finding import CasePrediction, Label
    from medrec.evaluation.join import JoinedCase
    from medrec.evaluation.truth import Truth
    from medrec.evaluation.verdicts import Judged


def to_outcomes(
    cases: Sequence[JoinedCase],
    labels: Sequence[Label],
    judged: Mapping[Label, Judged] | None = None,
) -> tuple[CaseOutcome, ...]:
    """Cases beside their truth: false negatives first, then others in which a lesion was missed.

    Within an outcome those with more missed lesions come first, else the order is the journal's.
    `judged` are each label's boxes, by case.
    """
    outcomes = []
    for number, case in enumerate(cases):
        truth = {label: exam_truth(case, label) for label in labels}
        outcome = CaseOutcome(
            prediction=case.prediction,
            truth=truth,
            image_truth={label: image_truth(case, label) for label in labels}
            if case.image_rows
            else {},
            outcome=_outcome(case.prediction, truth),
            boxes={
                label: images[number]
                for label, images in (judged or {}).items()
                if number in images
            },
        )
        outcomes.append(outcome)
    return tuple(sorted(outcomes, key=_rank))


def _rank(case: CaseOutcome) -> tuple[bool, bool, int, int]:
    is_missed = case.outcome is Outcome.FALSE_NEGATIVE
    missed = case.missed_lesions
    return (not is_missed, not missed, list(Outcome).index(case.outcome), -missed)


def _outcome(prediction: CasePrediction, truth: Mapping[Label, Truth]) -> Outcome:
    if prediction.status is not CaseStatus.SCORED:
        return Outcome.NOT_SCORED
    found = {
        _compare(finding, truth[finding.label])
        for finding in prediction.findings
        if isinstance(finding, Finding) and finding.label in truth
    }
    return next(outcome for outcome in Outcome if outcome in {*found, Outcome.UNKNOWN})


def _compare(finding: Finding, truth: Truth) -> Outcome:
    if finding.threshold is None or truth is None:
        return Outcome.UNKNOWN
    if finding.probability >= finding.threshold:
        return Outcome.TRUE_POSITIVE if truth else Outcome.FALSE_POSITIVE
    return Outcome.FALSE_NEGATIVE if truth else Outcome.TRUE_NEGATIVE
