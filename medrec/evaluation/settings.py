"""What can be set of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medrec.domain.finding import Label
    from medrec.evaluation.matching import HitRule


@dataclass(frozen=True, slots=True)
class NamedThreshold:
    """A threshold on the exam's probability that is to be measured beside those in the findings."""

    name: str
    label: Label
    threshold: float


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """Flat settings of an evaluation; `stratify_by` names columns of the manifest or of boxes.

    Slices are at the same level if their relative positions differ by at most `level_tolerance`.
    `calibrated_draws` are those of the ECE that perfect calibration would show. `exclusive` are
    groups of labels that exclude each other, which are measured together too. `hit` says when a
    box is on a lesion; None: an IoU of 0.5 in a plane, of 0.1 in a volume.
    """

    bootstrap_rounds: int = 2000
    calibrated_draws: int = 1000
    ece_bins: int = 15
    level_tolerance: float = 0.05
    stratify_by: tuple[str, ...] = ()
    seed: int = 1
    thresholds: tuple[NamedThreshold, ...] = ()
    exclusive: tuple[tuple[Label, ...], ...] = ()
    hit: HitRule | None = None
