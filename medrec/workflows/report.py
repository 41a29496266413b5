"""`medrec report`: the pages again, from what `medrec screen` saved."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from medrec.domain.finding import CasePrediction, latest
from medrec.domain.ids import CaseId
from medrec.errors import MedrecError
from medrec.io.predictions import read_journal
from medrec.reporting.case_report import read_case_view, write_case_report
from medrec.reporting.case_view import CaseView
from medrec.reporting.worklist import write_worklist
from medrec.workflows.model_facts import read_model_facts


def report(
    out: str | Path, *, case: str | None = None, format: Literal["html", "json"] = "html"
) -> list[Path]:
    """Draw the pages of one case or of all, and the worklist; return the files written.

    Raises:
        MedrecError: No saved cases there, or no such case.
    """
    out = Path(out)
    views = _views(out, case)
    folders = [out / "cases" / view.prediction.case_id for view in views]
    for folder, view in zip(folders, views, strict=True):
        write_case_report(folder, view)
    if format == "json":
        return [folder / "report.json" for folder in folders]
    pages = [folder / "report.html" for folder in folders]
    if case is None:
        write_worklist(out / "index.html", latest(read_journal(out)), views[0].model)
        pages.insert(0, out / "index.html")
    return pages


def _views(out: Path, case: str | None) -> list[CaseView]:
    """What the pages show; without a page of its own a case has its prediction alone."""
    predictions = {prediction.case_id: prediction for prediction in latest(read_journal(out))}
    if case is not None and case not in predictions:
        message = f"{out} has no case {case}; it has {', '.join(list(predictions)[:20]) or 'none'}"
        raise MedrecError(message)
    if not predictions:
        message = f"{out} has no saved cases: was it made by `medrec screen`?"
        raise MedrecError(message)
    wanted = [case] if case else sorted(predictions)
    return [_view(out, predictions[CaseId(name)]) for name in wanted]


def _view(out: Path, prediction: CasePrediction) -> CaseView:
    folder = out / "cases" / prediction.case_id
    if (folder / "report.json").is_file():
        return read_case_view(folder)
    return CaseView(prediction, read_model_facts(out), None, {})
