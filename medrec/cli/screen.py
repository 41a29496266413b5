"""`medrec screen`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from medrec.cli.console import fail, progress, say, show_table, tell
from medrec.cli.options import Device, Out, Overrides, Overwrite, Resume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.finding import CasePrediction
    from medrec.workflows.screen import ScreenResult

Reports = Literal["all", "flagged", "none"]


def command(  # noqa: PLR0913 (the options of the command)
    scans: Annotated[Path, typer.Argument(help="A folder of scans, or one file.")],
    model: Annotated[str, typer.Option("--model", help="A shipped model's name, or a folder.")],
    out: Out,
    device: Device = "auto",
    resume: Resume = False,
    overwrite: Overwrite = False,
    modality: Annotated[
        str | None, typer.Option("--modality", help="Modality of files that don't name theirs.")
    ] = None,
    prevalence: Annotated[
        float | None, typer.Option("--prevalence", help="Share of positives where you screen.")
    ] = None,
    reports: Annotated[str, typer.Option("--reports", help="all, flagged or none.")] = "all",
    hide_paths: Annotated[
        bool, typer.Option("--hide-paths", help="Write hashes in place of file paths.")
    ] = False,
    overrides: Overrides = [],  # noqa: B006 (typer copies it)
) -> None:
    """Screen scans: probabilities, pictures and a worklist for every case."""
    if reports not in ("all", "flagged", "none"):
        fail(f"--reports {reports} is none of all, flagged, none", code=2)
    from medrec.workflows.screen import screen

    with progress("screening") as update:
        result = screen(
            scans,
            model=model,
            out=out,
            device=device,
            resume=resume,
            overwrite=overwrite,
            modality=modality,
            prevalence=prevalence,
            reports=cast("Reports", reports),
            hide_paths=hide_paths,
            overrides=overrides,
            on_case=lambda _, done, total: update(done, total),
        )
    _show(result)
    raise typer.Exit(result.exit_code)


def _show(result: ScreenResult) -> None:
    from medrec.reporting.worklist import in_order

    rows = [_row(prediction) for prediction in in_order(result.predictions)]
    show_table(_title(result.predictions), ["case", "decision", "", "source", "notes"], rows)
    for line in result.summary_lines():
        say(line)
    for line in result.terms:
        tell(line)


def _title(predictions: Sequence[CasePrediction]) -> str:
    """Say once what the numbers are, and from where on a case is flagged."""
    findings = [found.findings[0] for found in predictions if found.findings]
    if not findings:
        return "Worklist"
    is_calibrated = hasattr(findings[0], "probability")
    title = f"Worklist: {'probability' if is_calibrated else 'score'} of {findings[0].label}"
    threshold = getattr(findings[0], "threshold", None)
    return title if threshold is None else f"{title}, flagged from {threshold:.3f}"


def _row(prediction: CasePrediction) -> list[str]:
    if not prediction.findings:
        reason = prediction.reason
        text = f"{reason.code}: {reason.detail}" if reason else ""
        return [prediction.case_id, prediction.status, "", prediction.source, text]
    finding = prediction.findings[0]
    value = getattr(finding, "probability", finding.logit)
    notes = ", ".join(note.code for note in prediction.notes)
    return [
        prediction.case_id,
        prediction.decision or "",
        f"{value:.3f}",
        prediction.source,
        notes,
    ]
