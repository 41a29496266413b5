"""From logits of patients that the network didn't learn from to calibrators and thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from medrec.calibration.entry import Level
from medrec.calibration.fit import fit_calibration
from medrec.calibration.folds import FEWEST_PATIENTS
from medrec.calibration.joint import JointSamples, fit_joint_calibration
from medrec.calibration.operating_point import Population, Target, fit_operating_point
from medrec.calibration.selection import held_out_log_loss
from medrec.config.model import is_of_exams
from medrec.domain.finding import Label
from medrec.errors import CalibrationError
from medrec.workflows.scored import group_of

if TYPE_CHECKING:
    from medrec.calibration.boxes import BoxCalibration
    from medrec.calibration.entry import CalibrationEntry
    from medrec.calibration.operating_point import OperatingPoint
    from medrec.config.calibration import CalibrationConfig, SubstackConfig
    from medrec.config.model import PoolingConfig
    from medrec.config.training import TrainConfig
    from medrec.domain.reference import Reference
    from medrec.evaluation.samples import Samples
    from medrec.workflows.scored import Groups, ScoredSlices

LevelSamples = Mapping[tuple[Label, Level], "Samples"]
"""What each calibrator is fitted on."""


@dataclass(frozen=True, slots=True)
class FittedLevels:
    """What calibration adds to a network; `prevalence` is that of the primary label, by level."""

    calibrations: tuple[CalibrationEntry, ...]
    operating_points: tuple[OperatingPoint, ...]
    prevalence: dict[Level, float]
    boxes: tuple[BoxCalibration, ...] = ()
    """Of a detector, one a label."""
    notes: tuple[str, ...] = ()
    """What a person must know of a level that isn't there."""


def to_level_samples(
    scored: ScoredSlices,
    config: TrainConfig,
    pooling: PoolingConfig,
    *,
    references: Iterable[Reference],
    rng: np.random.Generator,
) -> dict[tuple[Label, Level], Samples]:
    """Rows of both levels; of images alone where there are no exams to calibrate on.

    Networks of whole exams have that level alone. For the others, an exam is the films of a
    patient, or a run of slices where substacks are asked for, or else a whole volume; `references`
    are the rows of the manifest, some of which may speak of whole volumes. A package holds a level
    for all its labels or for none, so exams are left out where one label lacks two patients of
    either class.
    """
    if is_of_exams(config.model):
        return {(label, "exam"): scored.samples(label) for label in scored.labels}
    references = tuple(references)
    exams = {
        label: _exams(scored, label, config, pooling, references=references, rng=rng)
        for label in scored.labels
    }
    has_exams = config.calibration.substacks is not None or all(
        min(samples.positive_units, samples.negative_units) >= FEWEST_PATIENTS
        for samples in exams.values()
    )
    levels: dict[tuple[Label, Level], Samples] = {}
    for label in scored.labels:
        levels[label, "image"] = scored.samples(label)
        if has_exams:
            levels[label, "exam"] = exams[label]
    return levels


def _exams(
    scored: ScoredSlices,
    label: Label,
    config: TrainConfig,
    pooling: PoolingConfig,
    *,
    references: Iterable[Reference],
    rng: np.random.Generator,
) -> Samples:
    if config.calibration.substacks is not None:
        return scored.substacks(label, config.calibration.substacks, pooling, rng=rng)
    if config.scope.dimensionality == "image":
        return scored.patients(label, primary=Label(config.primary_label))
    stated = {row.path: row.labels for row in references if row.slice is None}
    return scored.volumes(label, stated, pooling)


def choose_pooling(
    scored: ScoredSlices,
    substacks: SubstackConfig,
    pooling: PoolingConfig,
    *,
    primary: Label,
    seed: int,
) -> PoolingConfig:
    """Take the `top` whose exam logits calibrate best on held-out patients, on the same runs."""

    def loss(top: int) -> float:
        rng = np.random.default_rng(seed)
        candidate = pooling.model_copy(update={"top": top})
        return held_out_log_loss(scored.substacks(primary, substacks, candidate, rng=rng), rng=rng)

    return pooling.model_copy(update={"top": min(substacks.tops, key=loss)})


def fit_levels(
    levels: LevelSamples,
    config: CalibrationConfig,
    *,
    primary: Label,
    measured_on: Mapping[Level, str],
    seed: int,
    exclusive: Groups = (),
) -> FittedLevels:
    """Fit a calibrator and the operating points for each label and level.

    Labels that exclude each other get a joint calibrator, and operating points against the rest.
    Where exams can't be calibrated beside images that can, exams are left out, and a note says so:
    a level without a calibrator gives a score.

    Raises:
        CalibrationError: Fewer than two patients of either class, or no rising map fits.
    """
    try:
        return _fit_all(levels, config, primary, measured_on, seed, exclusive)
    except CalibrationError as error:
        images = {key: samples for key, samples in levels.items() if key[1] == "image"}
        if not images or len(images) == len(levels):
            raise
        fitted = _fit_all(images, config, primary, measured_on, seed, exclusive)
        note = f"Exams have no calibrator, though images have one: {error}"
        return replace(fitted, notes=(note,))


def _fit_all(
    levels: LevelSamples,
    config: CalibrationConfig,
    primary: Label,
    measured_on: Mapping[Level, str],
    seed: int,
    exclusive: Groups,
) -> FittedLevels:
    rng = np.random.default_rng(seed)
    calibrations: list[CalibrationEntry] = []
    points: list[OperatingPoint] = []
    for label, level in levels:
        group = group_of(label, exclusive)
        if label != group[0]:
            continue  # fitted with the first of its group
        for entry, calibrated in _calibrate(levels, group, level, config, rng):
            calibrations.append(entry)
            where = Population(entry.label, level, measured_on[level])
            points += _operating_points(calibrated, config, where, rng)
    return FittedLevels(tuple(calibrations), tuple(points), _prevalence(levels, primary))


def _calibrate(
    levels: LevelSamples,
    group: tuple[Label, ...],
    level: Level,
    config: CalibrationConfig,
    rng: np.random.Generator,
) -> list[tuple[CalibrationEntry, Samples]]:
    """The entries of a label, or of a group of them, and their samples with probabilities."""
    of_class = {label: levels[label, level] for label in group}
    if len(group) == 1:
        (label,), (samples,) = group, of_class.values()
        entry = fit_calibration(
            samples,
            label=label,
            level=level,
            method=config.method,
            rounds=config.bootstrap_rounds,
            rng=rng,
        )
        return [(entry, samples.with_probability(entry.probability(samples.logit)))]
    joint = JointSamples(of_class)
    entries = fit_joint_calibration(
        joint, level=level, method=config.method, rounds=config.bootstrap_rounds, rng=rng
    )
    return [
        (entry, of_class[entry.label].with_probability(entry.probability(joint.logits)))
        for entry in entries
    ]


def _operating_points(
    samples: Samples, config: CalibrationConfig, where: Population, rng: np.random.Generator
) -> list[OperatingPoint]:
    return [
        fit_operating_point(
            samples,
            Target(name, sensitivity=point.sensitivity, specificity=point.specificity),
            population=where,
            rounds=config.bootstrap_rounds,
            rng=rng,
        )
        for name, point in config.operating_points.items()
    ]


def _prevalence(levels: LevelSamples, primary: Label) -> dict[Level, float]:
    return {
        level: float(np.average(samples.truth, weights=samples.weight))
        for (label, level), samples in levels.items()
        if label == primary
    }
