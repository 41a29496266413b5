"""Simulated rows and predictions whose truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import expit

from medrec.domain.codes import Reason, ReasonCode
from medrec.domain.finding import (
    CasePrediction,
    CaseStatus,
    Finding,
    ImageFindings,
    Label,
    Provenance,
    RawFinding,
)
from medrec.domain.ids import CaseId
from medrec.domain.reference import Reference
from medrec.evaluation.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TUMOR = Label("tumor")
MADE_BY = Provenance(
    medrec="0.1.0",
    model="test",
    model_version="1",
    model_digest="sha256:0",
    config_digest="sha256:1",
    device="cpu",
    started="2026-01-01T00:00:00Z",
    seconds=1.0,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def simulate() -> Callable[..., Samples]:
    """Samples of `patients` with `rows` each, calibrated if `slope` is 1."""

    def make(
        patients: int, rows: int = 1, *, seed: int = 0, slope: float = 1.0, shared: float = 0.0
    ) -> Samples:
        rng = np.random.default_rng(seed)
        unit = np.repeat(np.arange(patients), rows)
        own = rng.normal(size=patients * rows)
        logit = 1.5 * (
            np.sqrt(shared) * rng.normal(size=patients)[unit] + np.sqrt(1 - shared) * own
        )
        return Samples(
            truth=rng.random(len(unit)) < expit(logit),
            probability=expit(slope * logit),
            logit=slope * logit,
            unit=unit.astype(str),
            weight=np.ones(len(unit)),
        )

    return make


@pytest.fixture
def predict() -> Callable[..., CasePrediction]:
    """A scored case; `images` are (slice, probability) of its slices."""

    def make(
        name: str,
        probability: float | None = 0.5,
        *,
        images: Sequence[tuple[int, float]] = (),
        threshold: float | None = 0.5,
        source: str | None = None,
    ) -> CasePrediction:
        return CasePrediction(
            case_id=CaseId(f"c-{name}"),
            source=source or f"{name}.nii",
            status=CaseStatus.SCORED,
            provenance=MADE_BY,
            findings=(_finding(probability, threshold),),
            images=tuple(
                ImageFindings(source or f"{name}.nii", number, (_finding(chance, None),))
                for number, chance in images
            ),
        )

    return make


def _finding(probability: float | None, threshold: float | None) -> Finding | RawFinding:
    if probability is None:
        return RawFinding(TUMOR, 0.25)
    logit = float(np.log(probability / (1 - probability)))
    name = None if threshold is None else "screening"
    return Finding(TUMOR, logit, probability, operating_point=name, threshold=threshold)


@pytest.fixture
def refuse() -> Callable[[str], CasePrediction]:
    def make(name: str) -> CasePrediction:
        return CasePrediction(
            case_id=CaseId(f"c-{name}"),
            source=f"{name}.nii",
            status=CaseStatus.REFUSED,
            provenance=MADE_BY,
            reason=Reason(ReasonCode.GAP, "slice 7 is missing"),
        )

    return make


@pytest.fixture
def refer() -> Callable[..., Reference]:
    """A manifest row; the patient is the file's name unless told otherwise."""

    def make(
        path: str,
        truth: bool | None = True,
        *,
        patient: str | None = None,
        slice: int | None = None,
        case: str | None = None,
        **attributes: str,
    ) -> Reference:
        return Reference(
            path=path,
            patient=patient or path,
            labels={TUMOR: truth},
            case=case,
            slice=slice,
            attributes=attributes,
        )

    return make
