"""The page of one case, and the record that it can be drawn from again."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medrec.domain.finding import CasePrediction, Decision, Finding
from medrec.errors import InputError
from medrec.reporting.case_view import CasePictures, CaseView, Letters, Place, Strip, hide_paths
from medrec.reporting.explanations import NOTES, REASONS
from medrec.reporting.model_facts import CalibrationFacts, ModelFacts, OperatingPointFacts
from medrec.reporting.pictures import shrink
from medrec.reporting.profile import profile_chart, read_profile
from medrec.reporting.regions import read_regions
from medrec.reporting.render import render, to_data_uri, write_bytes, write_text
from medrec.reporting.strips import strip_words

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CalibrationFacts",
    "CasePictures",
    "CaseView",
    "ModelFacts",
    "OperatingPointFacts",
    "read_case_view",
    "render_case",
    "write_case_report",
]

SCHEMA = "medrec.report/1"
_PICTURE_BYTES = 80_000  # two of them, a third larger in base64, stay far below a page's 300 kB
_KEY, _HEATMAP, _BOXES = "key.png", "heatmap.png", "boxes.png"
_PICTURE_BYTES_BESIDE_STRIPS, _STRIPS_BYTES = 64_000, 54_000  # all together, as much
_MOST_NOTES = 40

DECISION_WORDS = {
    Decision.FLAG: "Flagged",
    Decision.CLEAR: "Cleared",
    Decision.DEFER: "Deferred to a reader",
}


class _Strip(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int
    what: str
    slices: Annotated[tuple[int, ...], Field(min_length=1)]


class _Pictures(BaseModel):
    model_config = ConfigDict(extra="forbid")

    slice: int
    window: str
    letters: Letters | None
    has_heatmap: bool
    has_boxes: bool = False
    place: Place | None = None
    strips: list[_Strip] = []


class _Record(BaseModel):
    """report.json: all that the page shows, apart from the pictures' pixels."""

    model_config = ConfigDict(extra="forbid")

    prediction: CasePrediction
    model: ModelFacts
    facts: dict[str, str]
    pictures: _Pictures | None


def write_case_report(folder: Path, view: CaseView) -> None:
    """Write `report.html`, `report.json` and the pictures into the folder of a case."""
    folder.mkdir(parents=True, exist_ok=True)
    view = replace(view, prediction=hide_paths(view.prediction))
    if view.pictures:
        write_bytes(folder / _KEY, view.pictures.key)
        if view.pictures.heatmap:
            write_bytes(folder / _HEATMAP, view.pictures.heatmap)
        if view.pictures.boxes:
            write_bytes(folder / _BOXES, view.pictures.boxes)
        for strip in view.pictures.strips:
            write_bytes(folder / _strip_name(strip.number), strip.picture)
    write_text(folder / "report.json", _to_json(view))
    write_text(folder / "report.html", render_case(view))


def read_case_view(folder: Path) -> CaseView:
    """Read what `write_case_report` wrote; `source` is the case id, since reports hold no paths.

    Raises:
        InputError: No report.json, or one of another kind.
    """
    path = folder / "report.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        schema = data.pop("schema")
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise InputError(str(path), ["is missing or no report; screen the case again"]) from error
    if schema != SCHEMA:
        raise InputError(str(path), [f"has the schema {schema!r}, wanted {SCHEMA}"])
    try:
        record = _Record.model_validate(data)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise InputError(str(path), problems) from error
    pictures = _read_pictures(folder, record.pictures) if record.pictures else None
    return CaseView(record.prediction, record.model, pictures, record.facts)


def render_case(view: CaseView, *, back: str = "../../index.html") -> str:
    """The page of a case as HTML; `back` is the address of the worklist."""
    prediction, model = hide_paths(view.prediction), view.model
    finding = prediction.finding(model.primary_label)
    pictures = view.pictures
    profile = read_profile(
        prediction, model.primary_label, key_slice=pictures.slice if pictures else None
    )
    strips = pictures.strips if pictures else ()
    limit = _PICTURE_BYTES_BESIDE_STRIPS if strips else _PICTURE_BYTES
    chart = None
    if profile:
        threshold = finding.threshold if isinstance(finding, Finding) else None
        key_slice = pictures.slice if pictures else profile.highest[0].slice
        chart = profile_chart(profile, key_slice=key_slice, threshold=threshold)
    return render(
        "case.html",
        prediction=prediction,
        model=model,
        facts=view.facts,
        finding=finding,
        calibrated=isinstance(finding, Finding),
        others=[other for other in prediction.findings if other is not finding],
        calibration=_calibration(prediction, model, has_profile=profile is not None),
        point=_point(prediction, model),
        shifted=_is_shifted(prediction, model),
        decision=DECISION_WORDS[prediction.decision] if prediction.decision else None,
        reason=REASONS[prediction.reason.code] if prediction.reason else None,
        notes=[(note, NOTES[note.code]) for note in prediction.notes[:_MOST_NOTES]],
        notes_left_out=max(0, len(prediction.notes) - _MOST_NOTES),
        pictures=pictures,
        key_uri=_inline(pictures.key, limit) if pictures else None,
        heatmap_uri=_inline(pictures.heatmap, limit) if pictures and pictures.heatmap else None,
        boxes_uri=_inline(pictures.boxes, limit) if pictures and pictures.boxes else None,
        strips=[
            (strip, strip_words(strip.slices), _inline(strip.picture, _STRIPS_BYTES // len(strips)))
            for strip in strips
        ],
        is_stack=len(prediction.images) > 1 or any(len(strip.slices) > 1 for strip in strips),
        regions=read_regions(prediction) if model.finds_regions else None,
        profile=profile,
        chart=chart,
        back=back,
    )


def _calibration(
    prediction: CasePrediction, model: ModelFacts, *, has_profile: bool
) -> CalibrationFacts | None:
    """The calibrator behind the page's probability: of images for a lone film, else of exams."""
    image = model.calibration(model.primary_label, level="image")
    if prediction.patient_findings:
        return image
    exam = model.calibration(model.primary_label, level="exam")
    return exam or (None if has_profile else image)


def _point(prediction: CasePrediction, model: ModelFacts) -> OperatingPointFacts | None:
    """The model's operating point, if it is the one that the finding was held against."""
    finding = prediction.finding(model.primary_label)
    is_lone_film = bool(prediction.patient_findings)
    point = model.film_operating_point if is_lone_film else model.operating_point
    if point is None or not isinstance(finding, Finding) or finding.threshold is None:
        return None
    return point if finding.operating_point in (None, point.name) else None


def _is_shifted(prediction: CasePrediction, model: ModelFacts) -> bool:
    """Whether the run was told another prevalence: that moves the threshold with the number."""
    finding, point = prediction.finding(model.primary_label), _point(prediction, model)
    if point is None or not isinstance(finding, Finding) or finding.threshold is None:
        return False
    return not math.isclose(finding.threshold, point.threshold, rel_tol=1e-6)


def _inline(data: bytes, limit: int) -> str:
    return to_data_uri(shrink(data, limit=limit))


def _strip_name(number: int) -> str:
    return f"region-{number}.png"


def _to_json(view: CaseView) -> str:
    pictures = view.pictures
    record = _Record(
        prediction=view.prediction,
        model=view.model,
        facts=dict(view.facts),
        pictures=_Pictures(
            slice=pictures.slice,
            window=pictures.window,
            letters=pictures.letters,
            has_heatmap=pictures.heatmap is not None,
            has_boxes=pictures.boxes is not None,
            place=pictures.place,
            strips=[
                _Strip(number=one.number, what=one.what, slices=one.slices)
                for one in pictures.strips
            ],
        )
        if pictures
        else None,
    )
    data: dict[str, Any] = {"schema": SCHEMA, **record.model_dump(mode="json")}
    return json.dumps(data, indent=1, ensure_ascii=True) + "\n"


def _read_pictures(folder: Path, record: _Pictures) -> CasePictures | None:
    try:
        key = (folder / _KEY).read_bytes()
        heatmap = (folder / _HEATMAP).read_bytes() if record.has_heatmap else None
        boxes = (folder / _BOXES).read_bytes() if record.has_boxes else None
        strips = tuple(
            Strip(one.number, one.what, one.slices, (folder / _strip_name(one.number)).read_bytes())
            for one in record.strips
        )
    except OSError:
        return None  # a page without pictures still says what was found
    return CasePictures(
        slice=record.slice,
        key=key,
        heatmap=heatmap,
        boxes=boxes,
        window=record.window,
        letters=record.letters,
        place=record.place,
        strips=strips,
    )
