"""A small but whole model package: real network, real calibrators, sealed like a shipped one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from medrec.calibration.entry import CalibrationEntry
from medrec.calibration.operating_point import OperatingPoint
from medrec.config.model import ModelConfig, NoWeights, label_columns
from medrec.config.preprocess import PreprocessConfig
from medrec.domain.finding import Label
from medrec.evaluation.estimate import Estimate
from medrec.models.build import build_any
from medrec.models.ensemble import Ensemble
from medrec.package.build import save_weights
from medrec.package.card import CardFigures, render_card
from medrec.package.contract import PackageManifest
from medrec.package.package import WEIGHTS, ModelPackage, seal_package, write_package

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from medrec.calibration.boxes import BoxCalibration

TUMOR = Label("tumor")
_DIGEST = f"sha256:{'0' * 64}"


def a_manifest(**changes: Any) -> PackageManifest:
    """Facts of a brain MRI model on the smallest EfficientNet of timm."""
    facts: dict[str, Any] = {
        "name": "test-model",
        "version": "0.0.1",
        "labels": ["tumor"],
        "primary_label": "tumor",
        "input": {"modality": ["MR"], "body_part": ["BRAIN", "HEAD"], "sequence": ["t1c"]},
        "domain": "clinical",
        "lesions": "real",
        "exam_level_surrogate": True,
        "preprocess": PreprocessConfig(size_px=64).model_dump(),
        "model": ModelConfig(backbone="test_efficientnet", weights=NoWeights()).model_dump(),
        "probability_levels": ["image", "exam"],
        "prevalence": {"image": 0.3, "exam": 0.5},
        "training": {
            "data": "none",
            "data_digest": _DIGEST,
            "config_digest": _DIGEST,
            "patients": 20,
            "test_patients": 10,
            "design": "cross_fit",
            "device": "cpu",
            "versions": {},
        },
        "license": "CC0-1.0",
        "card": {
            "summary": "A model for tests.",
            "intended_use": "Tests.",
            "limits": ["It knows nothing."],
            "training_data": "None.",
        },
    }
    return PackageManifest.model_validate({**facts, **changes})


def a_calibration(level: Any, **changes: Any) -> CalibrationEntry:
    """A Platt map fitted on 20 imaginary patients."""
    some = Estimate(0.05, 0.02, 0.09, "patient bootstrap")
    facts: dict[str, Any] = {
        "label": TUMOR,
        "level": level,
        "method": "platt",
        "parameters": {"slope": 1.0, "intercept": 0.2},
        "patients": 20,
        "positives": 20,
        "rows": 400,
        "ece_before": some,
        "ece_after": some,
        "replicates": tuple({"slope": 1.0, "intercept": n / 100} for n in range(40)),
    }
    return CalibrationEntry(**{**facts, **changes})


def a_point(level: Any, **changes: Any) -> OperatingPoint:
    """A threshold at one half."""
    some = Estimate(0.9, 0.8, 0.95, "patient bootstrap")
    facts: dict[str, Any] = {
        "name": "screening",
        "label": TUMOR,
        "level": level,
        "threshold": 0.5,
        "sensitivity": some,
        "specificity": some,
        "measured_on": "imaginary patients",
    }
    return OperatingPoint(**{**facts, **changes})


def _a_network(manifest: PackageManifest) -> nn.Module:
    return build_any(
        manifest.model,
        label_count=len(manifest.labels),
        label_of=label_columns(manifest.model, manifest.labels),
        pretrained=False,
        size_px=manifest.preprocess.size_px,
    )


def a_package(
    folder: Path,
    *,
    calibrated: bool = True,
    calibrations: Sequence[CalibrationEntry] | None = None,
    levels: Sequence[str] = ("image", "exam"),
    network: nn.Module | None = None,
    boxes: Sequence[BoxCalibration] = (),
    **changes: Any,
) -> ModelPackage:
    """Write and open a package with seeded random weights, or with those of a network."""
    folder.mkdir(parents=True, exist_ok=True)
    levels = levels if calibrated else ()
    manifest = a_manifest(**({} if calibrated else {"probability_levels": []}), **changes)
    if network is None:
        torch.manual_seed(0)
        networks = [_a_network(manifest) for _ in range(manifest.members or 1)]
        network = Ensemble(networks) if manifest.members else networks[0]
    save_weights(folder / WEIGHTS, network.state_dict())
    if calibrations is None:
        calibrations = [a_calibration(level) for level in levels]
    points = [a_point(level) for level in levels]
    write_package(
        folder,
        manifest,
        calibrations=calibrations,
        operating_points=points,
        license_text="CC0",
        boxes=boxes,
    )
    card = render_card(manifest, calibrations, points, CardFigures((), "medrec models list"))
    return seal_package(folder, card)
