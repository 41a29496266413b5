"""From a training run to a model package, and from its test to the card."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from medrec.config.data import ManifestData
from medrec.config.ensemble import FoldsEnsemble, SeedsEnsemble
from medrec.config.model import ModelConfig, is_detector, is_of_exams
from medrec.config.selection import RulesConfig, resolve_rules
from medrec.errors import ConfigError
from medrec.package.contract import Card, InputContract, PackageManifest, TrainingFacts
from medrec.package.package import write_package
from medrec.workflows.versions import digest_of_fit, versions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medrec.config.model import AnyModel, PoolingConfig
    from medrec.config.training import TrainConfig
    from medrec.data.splits import SplitPlan
    from medrec.workflows.levels import FittedLevels

_FEWEST_SLICES = 2
"""Of a volume for networks of volumes: a film is none."""


def to_manifest(
    config: TrainConfig,
    fitted: FittedLevels,
    *,
    pooling: PoolingConfig,
    plan: SplitPlan,
    data_digest: str,
    device: str,
) -> PackageManifest:
    """Gather the facts of a package."""
    places = [place.split for place in plan.assignment.values()]
    tested = sum(split == "test" for split in places)
    scope, card = config.scope, config.card
    return PackageManifest(
        name=config.name,
        version=config.version,
        task="detection" if is_detector(config.model) else "classification",
        labels=config.labels,
        primary_label=config.primary_label,
        exclusive=config.exclusive,
        input=InputContract(
            modality=scope.modality,
            body_part=scope.body_part,
            sequence=scope.sequence,
            view_position=scope.view_position or [],
            for_processing=scope.for_processing or "refuse",
            dimensionality=scope.dimensionality,
            minimum_slices=_FEWEST_SLICES if is_of_exams(config.model) else 1,
        ),
        domain=scope.domain,
        lesions=scope.lesions,
        exam_level_surrogate=scope.exam_level_surrogate,
        rules=rules_of(config),
        substacks=config.calibration.substacks,
        preprocess=config.preprocess,
        model=_shipped(config.model, pooling),
        members=_member_count(config, plan),
        probability_levels=sorted({entry.level for entry in fitted.calibrations}, reverse=True),
        prevalence={level: round(share, 6) for level, share in fitted.prevalence.items()},
        training=TrainingFacts(
            data=card.training_data,
            data_digest=data_digest,
            config_digest=digest_of_fit(config),
            patients=len(places) - tested,
            test_patients=tested,
            design=plan.mode,
            device=device,
            versions=versions(),
            ensemble=config.ensemble.kind if config.ensemble else None,
            splits_digest=plan.digest,
        ),
        license=card.license,
        card=Card(
            summary=card.summary,
            intended_use=card.intended_use,
            limits=card.limits,
            training_data=card.training_data,
            scored_before=card.scored_before,
        ),
    )


def _shipped(model: AnyModel, pooling: PoolingConfig) -> AnyModel:
    """The network as a package describes it: its weights are the package's own."""
    changes: dict[str, object] = {"weights": {"kind": "none"}}
    if isinstance(model, ModelConfig):
        changes["pooling"] = pooling.model_dump(exclude_none=True)
    return type(model).model_validate({**model.model_dump(), **changes})


def _member_count(config: TrainConfig, plan: SplitPlan) -> int | None:
    match config.ensemble:
        case None:
            return None
        case SeedsEnsemble(members=members):
            return members
        case FoldsEnsemble(folds=folds):
            return len(plan.folds) or folds or config.splits.folds


def with_rules(config: TrainConfig, folder: Path) -> TrainConfig:
    """Read the rules that the data name as a file: digest, run and package hold what they say.

    Raises:
        ConfigError: The file can't be read, or its rules are wrong.
    """
    if not isinstance(config.data, ManifestData):
        return config
    rules = resolve_rules(config.data.rules, folder=folder)
    data = config.data.model_copy(update={"rules": rules})
    return config.model_copy(update={"data": data})


def rules_of(config: TrainConfig) -> RulesConfig | None:
    """The rules of a config that went through `with_rules`."""
    rules = config.data.rules if isinstance(config.data, ManifestData) else None
    return rules if isinstance(rules, RulesConfig) else None


def write_unsealed(
    folder: Path, manifest: PackageManifest, fitted: FittedLevels, license_text: str
) -> None:
    """Write all of a package but the card, which waits for the test."""
    write_package(
        folder,
        manifest,
        calibrations=fitted.calibrations,
        operating_points=fitted.operating_points,
        license_text=license_text,
        boxes=fitted.boxes,
    )


def read_license(config: TrainConfig, folder: Path) -> str:
    """The terms of the weights: a file beside the config, or the licence's name alone.

    Raises:
        ConfigError: The file can't be read.
    """
    if config.card.license_text is None:
        return f"{config.card.license}\n"
    path = folder / config.card.license_text
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        problem = f"card.license_text: {path} can't be read: {error.strerror}"
        raise ConfigError(str(folder), [problem]) from error


def digest_of_pictures(digests: Iterable[str]) -> str:
    """One digest of all prepared pictures, whatever their order."""
    return f"sha256:{hashlib.sha256(chr(10).join(sorted(digests)).encode()).hexdigest()}"
