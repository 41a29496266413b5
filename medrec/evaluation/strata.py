"""The same figures for each value of a column: where does the model do worse?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.evaluation.measure import Notes, measure_exams
from medrec.evaluation.result import LevelResult, Stratum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.finding import Label
    from medrec.evaluation.join import JoinedCase
    from medrec.evaluation.settings import EvaluationSettings


def stratify(
    cases: Sequence[JoinedCase],
    labels: Sequence[Label],
    *,
    settings: EvaluationSettings,
    notes: list[str],
) -> tuple[Stratum, ...]:
    """Measure the exams of each value of each column of `settings.stratify_by`; append to notes."""
    strata = []
    for column in settings.stratify_by:
        for value, members in _groups(cases, column, notes).items():
            measured: dict[Label, LevelResult] = {}
            for label in labels:
                own = Notes(f"{column} {value}, {label} (exams)")
                measured[label] = measure_exams(members, label, settings=settings, notes=own)
                notes += own.lines
            strata.append(Stratum(column, value, measured))
    return tuple(strata)


def _groups(
    cases: Sequence[JoinedCase], column: str, notes: list[str]
) -> dict[str, list[JoinedCase]]:
    """Cases by the one value that their rows agree on."""
    groups: dict[str, list[JoinedCase]] = {}
    for case in cases:
        values = {row.attributes.get(column, "") for row in case.rows}
        groups.setdefault(values.pop() if len(values) == 1 else "", []).append(case)
    without = groups.pop("", [])
    if without:
        notes.append(f"{column}: {len(without)} cases have no one value and are in no stratum")
    return dict(sorted(groups.items()))
