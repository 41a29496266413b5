"""From a package to the words and numbers that reports quote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from medrec.domain.finding import Label
from medrec.errors import MedrecError
from medrec.reporting.model_facts import CalibrationFacts, ModelFacts, OperatingPointFacts
from medrec.workflows.output import read_run

if TYPE_CHECKING:
    from medrec.package.package import Level, ModelPackage


_FACTS = TypeAdapter(ModelFacts)
_KEY = "model_facts"


def to_run(facts: ModelFacts) -> dict[str, Any]:
    """What `run.yaml` keeps of a model, so that pages can be drawn without its package."""
    return {_KEY: _FACTS.dump_python(facts, mode="json")}


def read_model_facts(out: Path) -> ModelFacts:
    """What `run.yaml` kept of the model of a run.

    Raises:
        MedrecError: It kept nothing, or nothing that can be read.
    """
    try:
        return _FACTS.validate_python(read_run(out).get(_KEY))
    except ValidationError as error:
        message = f"{out}/run.yaml doesn't say what the model was: screen again with --overwrite"
        raise MedrecError(message) from error


def model_facts(package: ModelPackage, *, operating_point: str) -> ModelFacts:
    """Gather what a page says of the model; `operating_point` is the one that decides."""
    manifest = package.manifest
    return ModelFacts(
        name=manifest.name,
        version=manifest.version,
        digest=package.digest,
        labels=tuple(Label(label) for label in manifest.labels),
        primary_label=Label(manifest.primary_label),
        license=manifest.license,
        domain=manifest.domain,
        task=manifest.card.intended_use,
        summary=manifest.card.summary,
        limits=tuple(manifest.card.limits),
        calibrations=tuple(_calibrations(package)),
        operating_point=_operating_point(package, operating_point, "exam"),
        film_operating_point=_operating_point(package, operating_point, "image")
        if manifest.input.dimensionality == "image"
        else None,
        finds_regions=manifest.task == "detection",
    )


def _calibrations(package: ModelPackage) -> list[CalibrationFacts]:
    return [
        CalibrationFacts(
            label=entry.label,
            level=entry.level,
            method=entry.method,
            patients=entry.patients,
            positives=entry.positives,
            ece_before=entry.ece_before,
            ece_after=entry.ece_after,
        )
        for entry in package.calibrations
    ]


def _operating_point(package: ModelPackage, name: str, level: Level) -> OperatingPointFacts | None:
    point = package.operating_point(name, package.manifest.primary_label, level)
    if point is None:
        return None
    return OperatingPointFacts(
        name=point.name,
        label=point.label,
        threshold=point.threshold,
        sensitivity=point.sensitivity,
        specificity=point.specificity,
        measured_on=point.measured_on,
        level=point.level,
    )
