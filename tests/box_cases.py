"""Cases with boxes and their truth, by hand."""

from __future__ import annotations

from factories import TUMOR, a_prediction, a_region

from medrec.domain.box import Box
from medrec.domain.finding import CaseStatus, Finding, ImageFindings
from medrec.domain.ids import CaseId
from medrec.domain.reference import LabelledBox
from medrec.evaluation.detection import measure_detection
from medrec.evaluation.join import join
from medrec.evaluation.measure import Notes
from medrec.evaluation.settings import EvaluationSettings

SETTINGS = EvaluationSettings(bootstrap_rounds=100, calibrated_draws=100)
LESION = Box(10, 10, 30, 30)
NEAR, FAR = Box(11, 10, 31, 30), Box(60, 60, 80, 80)


def a_truth(box=LESION, **attributes):
    return LabelledBox(box, TUMOR, attributes)


def a_film(name, *boxes, probability=0.8, images=(0,), status=CaseStatus.SCORED):
    """A case whose regions have falling probabilities from `probability`."""
    regions = tuple(
        a_region(
            box_px=box,
            source=name,
            slice=number,
            probability=probability - 0.1 * place,
            score=1 - place,
        )
        for place, (box, number) in enumerate(
            box if isinstance(box, tuple) else (box, 0) for box in boxes
        )
    )
    finding = Finding(TUMOR, 1.0, probability, operating_point="screening", threshold=0.75)
    return a_prediction(
        case_id=CaseId(f"c-{name}"),
        source=name,
        findings=(finding,),
        images=tuple(ImageFindings(name, number, (finding,)) for number in images),
        regions=regions,
    )


def measured(predictions, rows, truth, settings=SETTINGS):
    """The result, the verdicts by case, and the notes."""
    notes = Notes("tumor (boxes)")
    cases = join(predictions, rows).cases
    result, judged = measure_detection(cases, truth, TUMOR, settings=settings, notes=notes)
    return result, judged, notes.lines
