"""Figures of a fixed cohort must not move unless somebody means them to.

Values are exact; intervals and calibrators come from random resamples, whose stream numpy may
change, and get room for that. `python tests/regression/test_golden_numbers.py` writes the golden
file anew: say in the changelog which figure moved and why.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logit

from medrec.calibration.fit import fit_calibration
from medrec.calibration.operating_point import Target, choose_threshold
from medrec.domain.finding import (
    CasePrediction,
    CaseStatus,
    Finding,
    ImageFindings,
    Label,
    Provenance,
)
from medrec.domain.ids import CaseId
from medrec.domain.reference import Reference
from medrec.evaluation.evaluate import evaluate_predictions
from medrec.evaluation.result import to_json
from medrec.evaluation.samples import Samples
from medrec.evaluation.settings import EvaluationSettings

GOLDEN = Path(__file__).parent / "golden" / "numbers.json"
TUMOR = Label("tumor")
PATIENTS, SLICES = 60, 12
MADE_BY = Provenance("0.1.0", "golden", "1", "sha256:0", "sha256:1", "cpu", "2026-01-01", 1.0)
RESAMPLED = {"low", "high"}


def _even(count: int, step: float) -> np.ndarray:
    """Numbers spread evenly over (0, 1) without a random generator: multiples of an irrational."""
    return (np.arange(1, count + 1) * step) % 1.0


def _cohort() -> tuple[list[CasePrediction], list[Reference]]:
    chance = np.clip(_even(PATIENTS, 0.6180339887), 0.02, 0.98)
    is_ill = _even(PATIENTS, 0.4142135623) < chance**1.5
    slice_chance = np.clip(_even(PATIENTS * SLICES, 0.7320508075), 0.01, 0.99)
    has_lesion = _even(PATIENTS * SLICES, 0.2360679774) < 0.6 * slice_chance
    predictions, rows = [], []
    for number in range(PATIENTS):
        source = f"p{number}.nii"
        of_slices = slice_chance[number * SLICES : (number + 1) * SLICES]
        predictions.append(
            CasePrediction(
                case_id=CaseId(f"c-{number}"),
                source=source,
                status=CaseStatus.SCORED,
                provenance=MADE_BY,
                findings=(_finding(chance[number], 0.4),),
                images=tuple(
                    ImageFindings(source, n, (_finding(value, None),))
                    for n, value in enumerate(of_slices)
                ),
            )
        )
        site = {"site": "north" if number % 3 else "south"}
        rows.append(Reference(source, source, {TUMOR: bool(is_ill[number])}, attributes=site))
        rows += [
            Reference(
                source,
                source,
                {TUMOR: bool(has_lesion[number * SLICES + n])},
                slice=n,
                attributes=site,
            )
            for n in range(SLICES)
        ]
    return predictions, rows


def _finding(probability: float, threshold: float | None) -> Finding:
    name = None if threshold is None else "screening"
    return Finding(
        TUMOR,
        float(logit(probability)),
        float(probability),
        operating_point=name,
        threshold=threshold,
    )


def _numbers() -> dict[str, object]:
    predictions, rows = _cohort()
    settings = EvaluationSettings(bootstrap_rounds=1000, stratify_by=("site",))
    evaluation = to_json(evaluate_predictions(predictions, rows, settings=settings))
    evaluation.pop("provenance")
    samples = Samples.from_logits(
        [row.labels[TUMOR] for row in rows if row.slice is None],
        [3 * prediction.findings[0].logit for prediction in predictions],
        [row.patient for row in rows if row.slice is None],
    )
    entry = fit_calibration(
        samples,
        label=TUMOR,
        level="exam",
        method="platt",
        rounds=1000,
        rng=np.random.default_rng(1),
    )
    calibrated = samples.with_probability(entry.probability(samples.logit))
    return {
        "evaluation": evaluation,
        "calibration": {
            "parameters": dict(entry.parameters),
            "ece_before": entry.ece_before.value,
            "rule_out": choose_threshold(calibrated, Target("rule_out", sensitivity=0.95)),
            "interval": dict(zip(("low", "high"), entry.interval(1.0), strict=True)),
        },
    }


def _compare(golden: object, now: object, place: str, room: float) -> list[str]:
    """Every place where the two differ by more than the room."""
    if isinstance(golden, dict) and isinstance(now, dict):
        if set(golden) != set(now):
            return [f"{place}: {sorted(set(golden) ^ set(now))} stand on one side only"]
        return [
            line
            for key in golden
            for line in _compare(
                golden[key],
                now[key],
                f"{place}.{key}",
                0.03 if key in RESAMPLED or key == "ece_if_calibrated" else room,
            )
        ]
    if isinstance(golden, float) and isinstance(now, float):
        return [] if abs(golden - now) <= room else [f"{place}: {golden} became {now}"]
    return [] if golden == now else [f"{place}: {golden} became {now}"]


def test_the_numbers_of_the_fixed_cohort_have_not_moved():
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))

    assert [] == _compare(golden, json.loads(json.dumps(_numbers())), "numbers", 1e-6)


@pytest.mark.parametrize("key", ["value", "low"])
def test_the_comparison_sees_a_moved_number(key):
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    moved = json.loads(GOLDEN.read_text(encoding="utf-8"))
    moved["evaluation"]["labels"]["tumor"]["auroc"][key] += 0.05

    assert len(_compare(golden, moved, "numbers", 1e-6)) == 1


def test_the_fixed_cohort_is_neither_random_nor_trivial():
    predictions, rows = _cohort()
    truth = [row.labels[TUMOR] for row in rows if row.slice is None]

    assert 15 <= sum(truth) <= 45
    assert len(predictions) == PATIENTS


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(_numbers(), indent=1) + "\n", encoding="utf-8")
