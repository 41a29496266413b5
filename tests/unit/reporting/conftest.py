"""Cases, models and pictures that are made up, for the pages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medrec.domain.codes import Note, NoteCode, Reason, ReasonCode
from medrec.domain.finding import (
    CasePrediction,
    CaseStatus,
    Decision,
    Finding,
    ImageFindings,
    Label,
    Provenance,
    RawFinding,
)
from medrec.domain.ids import CaseId, PatientKey
from medrec.domain.modality import Modality
from medrec.evaluation.estimate import Estimate
from medrec.reporting.case_view import CaseView
from medrec.reporting.model_facts import CalibrationFacts, ModelFacts, OperatingPointFacts
from medrec.reporting.pictures import draw_pictures

TUMOR = Label("tumor")


@pytest.fixture
def model():
    return ModelFacts(
        name="made-up-model",
        version="1.2.3",
        digest="sha256:" + "0" * 64,
        labels=(TUMOR,),
        primary_label=TUMOR,
        license="CC-BY-NC-SA-4.0",
        summary="Looks for bright squares.",
        limits=("Never saw a circle.",),
        calibrations=(
            CalibrationFacts(
                TUMOR,
                "exam",
                "platt",
                patients=88,
                positives=44,
                ece_before=Estimate(0.112, 0.09, 0.14, "bootstrap"),
                ece_after=Estimate(0.031, 0.018, 0.055, "bootstrap"),
            ),
        ),
        operating_point=OperatingPointFacts(
            "screening",
            TUMOR,
            0.31,
            Estimate(0.912, 0.846, 0.957, "bootstrap"),
            Estimate(0.834, 0.77, 0.89, "bootstrap"),
            "out-of-fold squares",
        ),
    )


@pytest.fixture
def scored():
    images = tuple(
        ImageFindings("private/folder/a.dcm", n, (Finding(TUMOR, n / 4 - 4, n / 24),))
        for n in range(24)
    )
    return CasePrediction(
        case_id=CaseId("c-0123456789abcdef"),
        source="private/folder/a.dcm",
        status=CaseStatus.SCORED,
        provenance=Provenance(
            "0.1.0",
            "made-up-model",
            "1.2.3",
            "sha256:0",
            "sha256:1",
            "cpu",
            "2026-01-02T03:04:05Z",
            1.8,
        ),
        patient_key=PatientKey("p-0123456789abcdef"),
        modality=Modality.MR,
        decision=Decision.FLAG,
        findings=(Finding(TUMOR, 1.62, 0.83, (0.74, 0.9), "screening", 0.31),),
        images=images,
        notes=(Note(NoteCode.SEQUENCE_ASSUMED, "assumed flair"),),
    )


@pytest.fixture
def refused(scored):
    return replace(
        scored,
        case_id=CaseId("c-fedcba9876543210"),
        status=CaseStatus.REFUSED,
        decision=None,
        findings=(),
        images=(),
        notes=(),
        reason=Reason(ReasonCode.GAP, "slice 7 of 24 is missing"),
    )


@pytest.fixture
def raw(scored):
    images = tuple(replace(i, findings=(RawFinding(TUMOR, 1.0 + i.slice),)) for i in scored.images)
    return replace(
        scored, decision=Decision.DEFER, findings=(RawFinding(TUMOR, 1.62),), images=images
    )


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    heat = np.zeros((300, 400))
    heat[100:150, 200:260] = 1.0
    return draw_pictures(23, rng.normal(size=(300, 400)), heat)


@pytest.fixture
def view(scored, model, pictures):
    return CaseView(scored, model, pictures, {"Matrix": "400 x 300"})
