"""The evaluation as files: the page, the figures, the curves and one page a case."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from medrec.domain.finding import Finding
from medrec.evaluation.result import to_json
from medrec.io.tables import write_rows
from medrec.reporting.case_view import hide_paths
from medrec.reporting.definitions import FIGURES, GROUP_FIGURES, SHARES
from medrec.reporting.detection_view import to_judged_views
from medrec.reporting.evaluation_page import case_link, to_case_row, to_page
from medrec.reporting.explanations import NOTES, REASONS
from medrec.reporting.overlays import LEGEND
from medrec.reporting.profile import profile_chart, read_profile
from medrec.reporting.render import render, write_text
from medrec.reporting.screened_pictures import (
    ScreenedPictures,
    screened_picture,
    worth_a_picture,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medrec.domain.finding import Label
    from medrec.evaluation.result import CaseOutcome, EvaluationResult
    from medrec.reporting.detection_view import JudgedView
    from medrec.reporting.evaluation_view import Plate
    from medrec.reporting.figures import Chart
    from medrec.reporting.overlays import DrawnImage, PictureSource
    from medrec.reporting.render import Verbatim


MOST_SMALL = 24
"""Pictures of missed lesions on the overview, of 6 kB each."""


def write_evaluation_report(
    folder: Path,
    result: EvaluationResult,
    *,
    screened: Path | None = None,
    picture_of: PictureSource | None = None,
) -> None:
    """Write `report.html`, `evaluation.json`, `curves/*.csv` and `cases/<case_id>.html`.

    Lesions and boxes of the cases to look at first are drawn over the pixels that `picture_of`
    gives; without it over the key slices that `screened`, a screened folder, has of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = json.dumps(to_json(result), indent=1, ensure_ascii=True, allow_nan=False)
    write_text(folder / "evaluation.json", data + "\n")
    drawn = _write_cases(folder, result.cases, screened, picture_of)
    page = to_page(result, drawn)
    for plate in page.plates:
        _write_curve(folder / "curves", plate)
    write_text(
        folder / "report.html",
        render(
            "evaluation.html",
            page=page,
            legend=LEGEND,
            definitions=(*FIGURES.values(), *(GROUP_FIGURES.values() if page.groups else ())),
            shares=tuple(SHARES.values()),
        ),
    )


def _write_cases(
    folder: Path,
    cases: Sequence[CaseOutcome],
    screened: Path | None,
    picture_of: PictureSource | None,
) -> dict[str, DrawnImage]:
    """Write the pages of cases; small pictures of the first ones with a missed lesion."""
    if picture_of is None and screened is not None:
        picture_of = ScreenedPictures(screened)
    pictured = set(worth_a_picture(cases)) if picture_of else set()
    small: dict[str, DrawnImage] = {}
    for outcome in cases:
        case_id = outcome.prediction.case_id
        link = case_link(case_id)
        if link is None:
            continue
        views = to_judged_views(outcome, picture_of if case_id in pictured else None)
        drawn = [one for view in views for one in view.drawings if one.data]
        picture = None
        if screened is not None and case_id in pictured and not drawn:
            picture = screened_picture(screened, case_id)
        write_text(folder / link, render_evaluated_case(outcome, views, picture=picture))
        if outcome.missed_lesions and drawn and len(small) < MOST_SMALL:
            small[case_id] = drawn[0].small()
    return small


def render_evaluated_case(
    outcome: CaseOutcome,
    judged: Sequence[JudgedView] | None = None,
    *,
    picture: Verbatim | None = None,
) -> str:
    """The page of one case: prediction beside truth.

    Args:
        outcome: The case.
        judged: Its images with lesions and boxes; None draws them without pixels.
        picture: Its key slice as screening drew it, inlined, where nothing was drawn over pixels.
    """
    prediction = hide_paths(outcome.prediction)
    labels = list(dict.fromkeys([*outcome.truth, *(f.label for f in prediction.findings)]))
    return render(
        "evaluation_case.html",
        prediction=prediction,
        row=to_case_row(outcome),
        labels=labels,
        truth=outcome.truth,
        findings={finding.label: finding for finding in prediction.findings},
        charts_by_label=[
            (label, chart) for label in labels if (chart := _profile(outcome, label)) is not None
        ],
        judged=to_judged_views(outcome) if judged is None else judged,
        legend=LEGEND,
        picture=picture,
        reason=REASONS[prediction.reason.code] if prediction.reason else None,
        notes=[(note, NOTES[note.code]) for note in prediction.notes],
    )


def _profile(outcome: CaseOutcome, label: Label) -> Chart | None:
    prediction = outcome.prediction
    profile = read_profile(prediction, label)
    if profile is None:
        return None
    finding = prediction.finding(label)
    known = outcome.image_truth.get(label, ()) if profile.stacks == 1 else ()
    pairs = zip(prediction.images, known, strict=False)
    return profile_chart(
        profile,
        key_slice=profile.highest[0].slice,
        threshold=finding.threshold if isinstance(finding, Finding) else None,
        positive_slices={image.slice for image, is_positive in pairs if is_positive},
    )


def _write_curve(folder: Path, plate: Plate) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = (dict(zip(plate.columns, row, strict=True)) for row in plate.rows)
    write_rows(folder / f"{plate.name}.csv", plate.columns, rows)
