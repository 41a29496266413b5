"""From logits of patients that the network didn't learn from to calibrators and thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medrec.calibration.fit import fit_calibration
from medrec.calibration.operating_point import Population, Target, fit_operating_point
from medrec.calibration.selection import held_out_log_loss

if TYPE_CHECKING:
    from medrec.calibration.entry import CalibrationEntry, Level
    from medrec.calibration.operating_point import OperatingPoint
    from medrec.config.calibration import CalibrationConfig
    from medrec.config.model import PoolingConfig
    from medrec.domain.finding import Label
    from medrec.evaluation.samples import Samples
    from medrec.workflows.scored import ScoredSlices


@dataclass(frozen=True, slots=True)
class FittedLevels:
    """What calibration adds to a network; `prevalence` is that of the primary label, by level."""

    calibrations: tuple[CalibrationEntry, ...]
    operating_points: tuple[OperatingPoint, ...]
    pooling: PoolingConfig
    prevalence: dict[Level, float]


def fit_levels(
    scored: ScoredSlices,
    config: CalibrationConfig,
    *,
    pooling: PoolingConfig,
    primary: Label,
    measured_on: str,
    seed: int,
) -> FittedLevels:
    """Fit image and exam level of every label, and choose the pooling of slices to an exam.

    Where no substacks are configured an image is an exam, as with films.

    Raises:
        CalibrationError: Fewer than two patients of either class.
    """
    rng = np.random.default_rng(seed)
    pooling = choose_pooling(scored, config, pooling, primary=primary, seed=seed)
    calibrations: list[CalibrationEntry] = []
    points: list[OperatingPoint] = []
    prevalence: dict[Level, float] = {}
    for label in scored.labels:
        for level, samples in _levels(scored, label, config, pooling, rng=rng).items():
            entry = fit_calibration(
                samples,
                label=label,
                level=level,
                method=config.method,
                rounds=config.bootstrap_rounds,
                rng=rng,
            )
            calibrations.append(entry)
            calibrated = samples.with_probability(entry.probability(samples.logit))
            where = Population(label, level, _where(measured_on, level, config))
            points += _operating_points(calibrated, config, where, rng)
            if label == primary:
                prevalence[level] = float(np.average(samples.truth, weights=samples.weight))
    return FittedLevels(tuple(calibrations), tuple(points), pooling, prevalence)


def choose_pooling(
    scored: ScoredSlices,
    config: CalibrationConfig,
    pooling: PoolingConfig,
    *,
    primary: Label,
    seed: int,
) -> PoolingConfig:
    """Take the `top` whose exam logits calibrate best on held-out patients, on the same runs."""
    cutting = config.substacks
    if cutting is None:
        return pooling

    def loss(top: int) -> float:
        rng = np.random.default_rng(seed)
        candidate = pooling.model_copy(update={"top": top})
        return held_out_log_loss(scored.substacks(primary, cutting, candidate, rng=rng), rng=rng)

    return pooling.model_copy(update={"top": min(cutting.tops, key=loss)})


def _levels(
    scored: ScoredSlices,
    label: Label,
    config: CalibrationConfig,
    pooling: PoolingConfig,
    *,
    rng: np.random.Generator,
) -> dict[Level, Samples]:
    image = scored.samples(label)
    if config.substacks is None:
        return {"image": image, "exam": image}
    return {"image": image, "exam": scored.substacks(label, config.substacks, pooling, rng=rng)}


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


def _where(measured_on: str, level: Level, config: CalibrationConfig) -> str:
    if level == "exam" and config.substacks is not None:
        cutting = config.substacks
        return f"{measured_on}; runs of {cutting.shortest} to {cutting.longest} slices for exams"
    return measured_on
