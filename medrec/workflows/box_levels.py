"""From the boxes of patients held out to their calibrators, and to the logits of their pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from medrec.calibration.boxes import (
    PictureBoxes,
    fit_box_calibration,
    is_on_lesion,
    sizes_of,
)
from medrec.calibration.heads import fit_head
from medrec.config.model import label_columns
from medrec.data.detection import IGNORED, DetectionSlices, DetectionVolumes
from medrec.errors import CalibrationError
from medrec.evaluation.detection import FLAT_RULE, SOLID_RULE
from medrec.evaluation.samples import Samples
from medrec.training.build import build_detection
from medrec.training.predict import predict_boxes
from medrec.workflows.evaluate import to_rule
from medrec.workflows.levels import FittedLevels, fit_levels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from torch import nn

    from medrec.calibration.boxes import BoxCalibration
    from medrec.calibration.entry import Level
    from medrec.config.calibration import CalibrationConfig
    from medrec.config.training import TrainConfig
    from medrec.domain.finding import Label
    from medrec.evaluation.matching import HitRule
    from medrec.models.finder import Found
    from medrec.workflows.levels import LevelSamples
    from medrec.workflows.scored import ScoredSlices

_FLAT = 4


def find_boxes(
    network: nn.Module,
    prepared: DetectionSlices | DetectionVolumes,
    config: TrainConfig,
    *,
    device: str,
) -> tuple[PictureBoxes, ...]:
    """What a detector finds in each row, by the finder that screening uses, beside the truth.

    Raises:
        CalibrationError: The network gave no number for a row: nothing found there would mean none.
    """
    detection = build_detection(config.model)
    assert detection is not None  # noqa: S101 (only detectors learn from objects)
    found = predict_boxes(network, prepared.inputs(), finder=detection.finder, device=device)
    lost = sum(not one.is_finite for one in found)
    if lost:
        message = (
            f"the network gave no number for {lost} of {len(found)} pictures held out: train it "
            "again, in fit.precision 32 or with a lower fit.optimiser.learning_rate"
        )
        raise CalibrationError(message)
    label_of = label_columns(config.model, config.labels)
    return tuple(
        to_picture_boxes(one, own, label_of)
        for one, own in zip(found, prepared.objects, strict=True)
    )


def to_picture_boxes(found: Found, objects: torch.Tensor, label_of: Sequence[int]) -> PictureBoxes:
    """What was found in one picture, beside its objects (M, 2D + 1)."""
    numbers = objects.double().numpy()
    known = bool(np.isfinite(numbers).all())
    classes = numbers[:, -1].astype(int) if known else np.full(len(numbers), -1)
    there = (classes >= 0) | (classes <= IGNORED)
    own = np.where(classes <= IGNORED, IGNORED - classes, classes)[there]
    heads = found.image_logits
    return PictureBoxes(
        boxes=found.boxes.boxes.double().numpy(),
        score=found.boxes.logits.double().numpy(),
        label=found.boxes.labels.numpy(),
        image_logits=None if heads is None else heads.double().numpy(),
        truth=numbers[there][:, :-1],
        truth_label=np.array(label_of, dtype=int)[own],
        is_ignored=classes[there] <= IGNORED,
        is_known=known,
    )


def calibrate_boxes(
    scored: ScoredSlices, config: CalibrationConfig, *, seed: int, say: Callable[[str], None]
) -> tuple[tuple[BoxCalibration, ...], ScoredSlices]:
    """Calibrators of boxes, one a label, and the pictures' joint logits by them.

    Without enough boxes of either kind there is none of any label, which is said: boxes then have
    scores, and pictures the score of their highest box. An image head that can't be calibrated has
    no say beside boxes that are, which is said too.
    """
    rule = _rule(scored.found, config)
    rng = np.random.default_rng(seed)
    fitted: tuple[BoxCalibration, ...] = ()
    try:
        fitted = tuple(
            _fit(scored, label, column, rule, config, rng)
            for column, label in enumerate(scored.labels)
        )
    except CalibrationError as error:
        say(f"boxes get scores and no probabilities: {error}")
    fitted = _with_heads(fitted, scored, say)
    logits = [own.joint(fitted, len(scored.labels)) for own in scored.found]
    return fitted, replace(scored, logits=np.array(logits).reshape(len(logits), -1))


def _with_heads(
    fitted: tuple[BoxCalibration, ...], scored: ScoredSlices, say: Callable[[str], None]
) -> tuple[BoxCalibration, ...]:
    """The same, with what the image head says of what the boxes leave open."""
    heads = [own.image_logits for own in scored.found if own.image_logits is not None]
    if not heads:
        return fitted
    highest = np.array([own.joint(fitted, len(fitted)) for own in scored.found])
    judged = replace(scored, logits=np.stack(heads))

    def with_head(column: int, entry: BoxCalibration) -> BoxCalibration:
        is_known = [row.labels.get(entry.label) is not None for row in scored.references]
        try:
            head = fit_head(judged.samples(entry.label), highest[is_known, column])
        except CalibrationError as error:
            say(f"{entry.label}: the image head has no say beside the boxes: {error}")
            return entry
        return replace(entry, head=head)

    return tuple(with_head(column, entry) for column, entry in enumerate(fitted))


def fit_levels_of_detector(
    levels: LevelSamples,
    config: CalibrationConfig,
    **facts: Any,  # noqa: ANN401 (those of fit_levels)
) -> FittedLevels:
    """As `fit_levels`; but a level that can't be calibrated is left out, with a note.

    Archives of detectors often hold no image without a lesion: their boxes have probabilities all
    the same.
    """
    known: dict[tuple[Label, Level], Samples] = {}
    notes = []
    for level in sorted({level for _, level in levels}):
        own = {key: samples for key, samples in levels.items() if key[1] == level}
        try:
            fit_levels(own, config, **facts)
        except CalibrationError as error:
            notes.append(f"{level}s get scores and no probabilities: {error}")
        else:
            known |= own
    if not known:
        return FittedLevels((), (), {}, notes=tuple(notes))
    fitted = fit_levels(known, config, **facts)
    return replace(fitted, notes=(*fitted.notes, *notes))


def _rule(found: Sequence[PictureBoxes], config: CalibrationConfig) -> HitRule:
    is_flat = all(own.boxes.shape[1] == _FLAT for own in found)
    return to_rule(config.hit) or (FLAT_RULE if is_flat else SOLID_RULE)


def _fit(
    scored: ScoredSlices,
    label: Label,
    column: int,
    rule: HitRule,
    config: CalibrationConfig,
    rng: np.random.Generator,
) -> BoxCalibration:
    truth: list[bool] = []
    score: list[float] = []
    unit: list[str] = []
    size: list[float] = []
    weight: list[float] = []
    known = [n for n, own in enumerate(scored.found) if own.is_known]
    for n, heaviness in zip(known, _picture_weights(scored, column, known), strict=True):
        row, own = scored.references[n], scored.found[n]
        image = own.of_label(column, row.resampling_unit)
        hit, counts = is_on_lesion(image, rule)
        truth += hit[counts].tolist()
        score += image.score[counts].tolist()
        unit += [image.unit] * int(counts.sum())
        size += sizes_of(image.boxes)[counts].tolist()
        weight += [heaviness] * int(counts.sum())
    return fit_box_calibration(
        Samples.from_logits(truth, score, unit, weight=weight),
        np.array(size),
        label=label,
        hit=rule,
        rounds=config.bootstrap_rounds,
        rng=rng,
    )


def _picture_weights(scored: ScoredSlices, column: int, known: Sequence[int]) -> list[float]:
    """What each picture's boxes weigh: by whether it holds a lesion of a label that counts."""
    if scored.weighting is None:
        return [1.0] * len(known)
    found = [scored.found[n] for n in known]
    holds = [bool(((own.truth_label == column) & ~own.is_ignored).any()) for own in found]
    weights: list[float] = scored.weighting.weights(
        holds, [scored.references[n] for n in known]
    ).tolist()
    return weights
