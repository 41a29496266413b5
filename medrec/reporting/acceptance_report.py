"""The acceptance test as one self-contained page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.evaluation.trials import GROUPS
from medrec.reporting.acceptance_view import VERDICTS, to_page
from medrec.reporting.render import render, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medrec.evaluation.acceptance import AcceptanceResult
    from medrec.reporting.acceptance_pictures import MissedLesion


def write_acceptance_report(
    folder: Path,
    result: AcceptanceResult,
    missed: Sequence[MissedLesion],
    *,
    terms: Sequence[str],
    provenance: Mapping[str, object],
) -> None:
    """Write `report.html`; `provenance` is what made it, for the page's last table."""
    write_text(
        folder / "report.html",
        render(
            "acceptance.html",
            page=to_page(result, missed, GROUPS),
            verdicts=tuple(VERDICTS.values()),
            terms=tuple(terms),
            provenance=[(name.replace("_", " "), str(value)) for name, value in provenance.items()],
        ),
    )
