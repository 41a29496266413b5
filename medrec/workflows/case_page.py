"""From what screening found in a case to its folder under `cases/`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.finding import CaseStatus, Decision
from medrec.reporting.case_report import write_case_report
from medrec.reporting.case_view import CasePictures, CaseView
from medrec.reporting.orientation import usual_turn
from medrec.reporting.pictures import draw_pictures
from medrec.reporting.regions import on_slice
from medrec.reporting.strips import draw_strips

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Literal

    from medrec.domain.finding import CasePrediction
    from medrec.domain.volume import Volume
    from medrec.inference.key_slice import KeySlice
    from medrec.inference.screener import CaseOutcome
    from medrec.reporting.model_facts import ModelFacts


def write_case_page(
    out: Path,
    outcome: CaseOutcome,
    model: ModelFacts,
    *,
    reports: Literal["all", "flagged", "none"],
) -> None:
    """Write `cases/<case_id>/`, if reports of such cases are wanted.

    A case that isn't clear is worth a page where only flagged ones are wanted: it needs a reader.
    """
    prediction = outcome.prediction
    is_clear = prediction.status is CaseStatus.SCORED and prediction.decision is Decision.CLEAR
    if reports == "none" or (reports == "flagged" and is_clear):
        return
    pictures = _draw(outcome.key_slice, prediction, outcome.volumes) if outcome.key_slice else None
    view = CaseView(prediction, model, pictures, outcome.facts)
    write_case_report(out / "cases" / prediction.case_id, view)


def _draw(key: KeySlice, prediction: CasePrediction, volumes: Sequence[Volume]) -> CasePictures:
    here = (key.slice, key.source)
    whole = next((one for one in volumes if _is_of(key, one)), None)
    images = (n for n, one in enumerate(prediction.images) if (one.slice, one.source) == here)
    drawn = draw_pictures(
        key.slice,
        key.picture,
        key.heat,
        window=key.window,
        turn=usual_turn(key.geometry, key.slice_axis),
        boxes=[] if whole is None else on_slice(prediction, key.slice, whole),
    )
    place = drawn.place and replace(drawn.place, image=next(images, None))
    turned = [(one, usual_turn(one.geometry, one.slice_axis)) for one in volumes]
    return replace(drawn, place=place, strips=draw_strips(prediction, turned))


def _is_of(key: KeySlice, volume: Volume) -> bool:
    """Whether a volume is the one that the key slice was taken from; two may lie in one file."""
    return (
        key.slice < volume.slice_count
        and volume.slice_sources[key.slice] == key.source
        and np.array_equal(volume.slice_px(key.slice), key.picture)
    )
