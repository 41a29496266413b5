"""Valid domain nouns, each with what the test is about as the only argument."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medrec.domain.box import Box
from medrec.domain.finding import (
    CasePrediction,
    CaseStatus,
    Decision,
    Finding,
    ImageFindings,
    Label,
    Provenance,
    RawFinding,
    Region,
)
from medrec.domain.geometry import Geometry
from medrec.domain.ids import CaseId, PatientKey
from medrec.domain.modality import FileFormat, Modality
from medrec.domain.reference import Reference
from medrec.domain.series import Case, ImageHeader, Series
from medrec.domain.volume import Volume

TUMOR = Label("tumor")
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def a_header(**changes: Any) -> ImageHeader:
    """An axial MR slice of study 1.1, series 1.2."""
    source = changes.get("source", "study/IM0001")
    facts: dict[str, Any] = {
        "path": Path("/scans") / source,
        "source": source,
        "format": FileFormat.DICOM,
        "identity": changes.get("study_uid", "1.1"),
        "shape": (64, 64, 1),
        "modality": Modality.MR,
        "study_uid": "1.1",
        "series_uid": "1.2",
        "sop_uid": f"1.3.{sum(source.encode())}.{len(source)}",
        "patient_id": "PAT-1",
        "position_lps_mm": (0.0, 0.0, 0.0),
        "orientation": AXIAL,
    }
    return ImageHeader(**{**facts, **changes})


def a_nifti_header(**changes: Any) -> ImageHeader:
    """A NIfTI volume of which nothing but the shape is known."""
    facts: dict[str, Any] = {
        "path": Path("/scans/head.nii.gz"),
        "source": "head.nii.gz",
        "format": FileFormat.NIFTI,
        "identity": "0" * 64,
        "shape": (64, 64, 24),
    }
    return ImageHeader(**{**facts, **changes})


def a_series(*headers: ImageHeader) -> Series:
    """A series of the headers given, else of one MR slice."""
    return Series(headers or (a_header(),))


def a_case(**changes: Any) -> Case:
    """A case of one MR series."""
    facts: dict[str, Any] = {
        "id": CaseId("c-0123456789abcdef"),
        "patient_key": PatientKey("p-0123456789abcdef"),
        "source": "study/IM0001",
        "series": (a_series(),),
    }
    return Case(**{**facts, **changes})


def a_volume(**changes: Any) -> Volume:
    """A ramp of 8 x 6 x 4 voxels, 1 x 1 x 5 mm."""
    voxels = np.arange(192, dtype=np.float32).reshape(1, 8, 6, 4)
    voxels = changes.pop("voxels", voxels)
    facts: dict[str, Any] = {
        "voxels": voxels,
        "geometry": Geometry(np.diag([1.0, 1.0, 5.0, 1.0])),
        "slice_axis": 2,
        "slice_sources": ("head.nii.gz",) * voxels.shape[3],
    }
    return Volume(**{**facts, **changes})


def a_provenance(**changes: Any) -> Provenance:
    """What made a prediction."""
    facts: dict[str, Any] = {
        "medrec": "0.1.0",
        "model": "a-model",
        "model_version": "1.0.0",
        "model_digest": "sha256:00",
        "config_digest": "sha256:11",
        "device": "cpu",
        "started": "2026-01-02T03:04:05Z",
        "seconds": 1.5,
    }
    return Provenance(**{**facts, **changes})


def a_finding(**changes: Any) -> Finding:
    """A calibrated opinion: tumor, 0.8."""
    facts: dict[str, Any] = {
        "label": TUMOR,
        "logit": 1.4,
        "probability": 0.8,
        "interval": (0.7, 0.9),
        "operating_point": "screening",
        "threshold": 0.3,
    }
    return Finding(**{**facts, **changes})


def a_raw_finding(**changes: Any) -> RawFinding:
    """An uncalibrated opinion."""
    return RawFinding(**{"label": TUMOR, "logit": 1.4, **changes})


def some_image_findings(**changes: Any) -> ImageFindings:
    """The findings of slice 3."""
    facts: dict[str, Any] = {"source": "study/IM0004", "slice": 3, "findings": (a_finding(),)}
    return ImageFindings(**{**facts, **changes})


def a_region(**changes: Any) -> Region:
    """A calibrated region on slice 3."""
    facts: dict[str, Any] = {
        "label": TUMOR,
        "score": 1.4,
        "probability": 0.8,
        "source": "study/IM0004",
        "slice": 3,
        "box_px": Box(10, 20, 30, 50),
    }
    return Region(**{**facts, **changes})


def a_prediction(**changes: Any) -> CasePrediction:
    """A scored, flagged case."""
    facts: dict[str, Any] = {
        "case_id": CaseId("c-0123456789abcdef"),
        "source": "study/IM0001",
        "status": CaseStatus.SCORED,
        "provenance": a_provenance(),
        "patient_key": PatientKey("p-0123456789abcdef"),
        "modality": Modality.MR,
        "decision": Decision.FLAG,
        "findings": (a_finding(),),
        "images": (some_image_findings(),),
    }
    return CasePrediction(**{**facts, **changes})


def a_reference(**changes: Any) -> Reference:
    """A case with a tumor."""
    facts: dict[str, Any] = {"path": "study", "patient": "PAT-1", "labels": {TUMOR: True}}
    return Reference(**{**facts, **changes})
