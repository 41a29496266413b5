"""From a package and settings to a screener that is ready to judge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medrec.config.exclusive import columns_of
from medrec.config.model import (
    DetectorConfig,
    VolumeDetectorConfig,
    is_of_exams,
    pooling_of,
)
from medrec.config.selection import resolve_rules
from medrec.inference.detectors import BoxJudge, SliceDetector, VolumeDetector
from medrec.inference.predictor import Predictor
from medrec.inference.screener import Screener, ScreenSettings
from medrec.inference.volumes import AnyPredictor, BagPredictor, BoxPredictor
from medrec.io.build import build_rules
from medrec.models.build import build_finder
from medrec.package.build import load_network, load_preprocessor
from medrec.preprocess.volumes import VolumePreprocessor

if TYPE_CHECKING:
    from medrec.config.screening import ScreenConfig
    from medrec.domain.modality import Modality
    from medrec.package.package import ModelPackage


def build_predictor(package: ModelPackage, config: ScreenConfig, *, device: str) -> AnyPredictor:
    """Load the package's network onto a device."""
    model = package.manifest.model
    if isinstance(model, DetectorConfig | VolumeDetectorConfig):
        return _build_detector(package, model, config, device=device)
    network, preprocessor = load_network(package, device=device), load_preprocessor(package)
    exclusive = columns_of(package.manifest.labels, package.manifest.exclusive)
    if isinstance(preprocessor, VolumePreprocessor):
        return BoxPredictor(network, preprocessor, device, config.precision)
    if is_of_exams(model):
        return BagPredictor(network, preprocessor, device, config.precision, exclusive)
    pooling = pooling_of(model)
    return Predictor(
        network=network,
        preprocessor=preprocessor,
        positions=pooling.positions,
        top=pooling.top,
        device=device,
        exclusive=exclusive,
        batch_size=config.batch_size,
        precision=config.precision,
    )


def _build_detector(
    package: ModelPackage,
    model: DetectorConfig | VolumeDetectorConfig,
    config: ScreenConfig,
    *,
    device: str,
) -> SliceDetector | VolumeDetector:
    judge = BoxJudge(
        network=load_network(package, device=device),
        finder=build_finder(model),
        calibrations=package.box_calibrations,
        label_count=len(package.manifest.labels),
        device=device,
        precision=config.precision,
    )
    preprocessor = load_preprocessor(package)
    if isinstance(preprocessor, VolumePreprocessor):
        return VolumeDetector(judge, preprocessor)
    joins = isinstance(model, DetectorConfig) and model.join_slices
    return SliceDetector(judge, preprocessor, joins, config.batch_size)


def build_screener(
    package: ModelPackage,
    config: ScreenConfig,
    *,
    device: str,
    modality: Modality | None = None,
    prevalence: float | None = None,
    config_digest: str = "",
) -> Screener:
    """Make a screener from a verified package.

    Series are chosen by the rules that the config names, else by those that the package carries.
    """
    settings = ScreenSettings(
        operating_point=config.operating_point,
        modality=modality,
        prevalence=prevalence,
        heatmap=config.heatmap,
        for_processing=config.for_processing,
        config_digest=config_digest,
        rules=build_rules(resolve_rules(config.rules, folder=Path()) or package.manifest.rules),
    )
    return Screener(package, build_predictor(package, config, device=device), settings)
