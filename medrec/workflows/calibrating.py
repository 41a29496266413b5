"""The stage of a training that makes probabilities of logits of patients held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medrec.config.model import pooling_of
from medrec.domain.finding import Label
from medrec.errors import CalibrationError
from medrec.workflows.box_levels import calibrate_boxes, fit_levels_of_detector
from medrec.workflows.levels import FittedLevels, choose_pooling, fit_levels, to_level_samples
from medrec.workflows.out_of_fold import write_out_of_fold
from medrec.workflows.scored import Weighting

if TYPE_CHECKING:
    from medrec.calibration.boxes import BoxCalibration
    from medrec.config.calibration import CalibrationConfig
    from medrec.config.model import PoolingConfig
    from medrec.config.training import TrainConfig
    from medrec.domain.reference import Reference
    from medrec.workflows.levels import LevelSamples
    from medrec.workflows.scored import ScoredSlices

Say = Callable[[str], None]


def calibrate_scored(
    scored: ScoredSlices,
    config: TrainConfig,
    references: Sequence[Reference],
    *,
    out: Path,
    say: Say,
) -> tuple[FittedLevels, PoolingConfig]:
    """Choose the pooling, fit calibrators and thresholds on logits that are out of fold.

    `out` gets what each picture would be told by a calibrator that had not seen its patient.

    Raises:
        CalibrationError: A classifier's patients that can't be calibrated on.
        OSError: The folder can't be written.
    """
    primary, calibration = Label(config.primary_label), config.calibration
    pooling, cutting = pooling_of(config.model), calibration.substacks
    boxes: tuple[BoxCalibration, ...] = ()
    is_detector = bool(scored.found)
    scored = replace(scored, weighting=_to_weighting(calibration))
    if is_detector:
        scored = scored.without_boxes(calibration.exams_only or {})
        boxes, scored = calibrate_boxes(scored, calibration, seed=config.seed, say=say)
        # The exam is never less likely than its boxes, where these have probabilities.
        method = "platt_floor" if boxes else calibration.method
        calibration = calibration.model_copy(update={"method": method})
        scored = scored.without(calibration.boxes_only or {})
    if cutting is not None and not pooling.highest:
        pooling = choose_pooling(scored, cutting, pooling, primary=primary, seed=config.seed)
    patients = len({row.resampling_unit for row in scored.references})
    where = f"{patients} patients whom the network had not seen; they chose the threshold too"
    runs = f"; runs of {cutting.shortest} to {cutting.longest} slices" if cutting else ""
    levels, notes = _samples(scored, config, pooling, references)
    fitted = (fit_levels_of_detector if is_detector else fit_levels)(
        levels,
        calibration,
        primary=primary,
        measured_on={"image": where, "exam": where + runs},
        seed=config.seed,
        exclusive=scored.exclusive,
    )
    fitted = replace(fitted, boxes=boxes, notes=(*fitted.notes, *notes))
    for note in fitted.notes:
        say(note)
    write_out_of_fold(out, scored, fitted.calibrations, seed=config.seed)
    return fitted, pooling


def _samples(
    scored: ScoredSlices,
    config: TrainConfig,
    pooling: PoolingConfig,
    references: Sequence[Reference],
) -> tuple[LevelSamples, list[str]]:
    """What calibrators are fitted on; of a detector nothing, with a note, where weights fail."""
    rng = np.random.default_rng(config.seed)
    try:
        return to_level_samples(scored, config, pooling, references=references, rng=rng), []
    except CalibrationError as error:
        if not scored.found:
            raise
        return {}, [f"images and exams get scores and no probabilities: {error}"]


def _to_weighting(calibration: CalibrationConfig) -> Weighting | None:
    asked = calibration.prevalence
    return Weighting(asked.value, asked.within) if asked else None
