"""`medrec report`: the pages again, from what `medrec screen` saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medrec.domain.finding import latest
from medrec.errors import MedrecError
from medrec.io.predictions import read_journal
from medrec.reporting.case_report import read_case_view, write_case_report
from medrec.reporting.worklist import write_worklist

if TYPE_CHECKING:
    from collections.abc import Sequence


def report(
    out: str | Path, *, case: str | None = None, format: Literal["html", "json"] = "html"
) -> list[Path]:
    """Draw the pages of one case or of all, and the worklist; return the files written.

    Raises:
        MedrecError: No saved cases there, or no such case.
    """
    out = Path(out)
    folders = _folders(out, case)
    views = [read_case_view(folder) for folder in folders]
    for folder, view in zip(folders, views, strict=True):
        write_case_report(folder, view)
    if format == "json":
        return [folder / "report.json" for folder in folders]
    pages = [folder / "report.html" for folder in folders]
    if case is None:
        write_worklist(out / "index.html", latest(read_journal(out)), views[0].model)
        pages.insert(0, out / "index.html")
    return pages


def _folders(out: Path, case: str | None) -> Sequence[Path]:
    found = {path.parent.name: path.parent for path in sorted(out.glob("cases/*/report.json"))}
    if case is not None and case not in found:
        message = f"{out} has no case {case}; it has {', '.join(list(found)[:20]) or 'none'}"
        raise MedrecError(message)
    if not found:
        message = f"{out} has no saved cases: was it made by `medrec screen`, with reports?"
        raise MedrecError(message)
    return [found[case]] if case else list(found.values())
