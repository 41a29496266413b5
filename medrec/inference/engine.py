"""Case after case on this machine, each one finished on disk before the next begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from medrec.domain.ids import CaseId
    from medrec.domain.series import Case
    from medrec.inference.screener import CaseOutcome, Screener
    from medrec.io.ledger import FileLedger
    from medrec.io.predictions import Journal


def screen_cases(
    cases: Iterable[Case],
    screener: Screener,
    *,
    journal: Journal,
    ledger: FileLedger,
    finished: set[CaseId],
    write_page: Callable[[CaseOutcome], None],
) -> None:
    """Screen what isn't finished yet.

    The page and the file rows are written before the journal's line: a case whose line is there is
    whole, and a kill at any instant costs the case under way alone.
    """
    for case in cases:
        if case.id in finished:
            continue
        outcome = screener(case)
        write_page(outcome)
        ledger.append(outcome.records)
        journal.append(outcome.prediction)
