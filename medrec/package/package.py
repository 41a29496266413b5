"""A model is one folder: open it (verified, or not at all) and write it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import yaml

from medrec.calibration.files import (
    read_box_calibration,
    read_calibration,
    read_operating_points,
    write_calibration,
    write_operating_points,
)
from medrec.config.base import BAD_YAML, validate
from medrec.config.model import classes_of
from medrec.errors import ConfigError, PackageError
from medrec.evaluation.home_curves import read_home
from medrec.package.checksums import verify_checksums, write_checksums
from medrec.package.contract import FORMAT, PackageManifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medrec.calibration.boxes import BoxCalibration
    from medrec.calibration.entry import CalibrationEntry
    from medrec.calibration.operating_point import OperatingPoint
    from medrec.evaluation.home_curves import HomeCurves

Level = Literal["image", "exam"]

MANIFEST = "package.yaml"
WEIGHTS = "weights.safetensors"
CALIBRATION = "calibration.json"
OPERATING_POINTS = "operating_points.yaml"
CARD = "model-card.md"
LICENSE = "LICENSE"
HOME = "acceptance.json"
"""Figures of planted lesions at the training site; a package may lack them."""
_HOME_TITLE = "## Planted lesions at home\n"
_HOME_WORDS = (
    f"\n`{HOME}` holds what the model finds of lesions planted into lesion-free scans of its "
    "training site: `medrec acceptance` holds other sites against it. How often real lesions are "
    "found it doesn't say.\n"
)


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """A verified model: its facts, its calibrators, and where its weights lie.

    `digest` covers every file of the folder; two packages with the same digest are the same model.
    """

    folder: Path
    digest: str
    manifest: PackageManifest
    calibrations: tuple[CalibrationEntry, ...]
    operating_points: tuple[OperatingPoint, ...]
    box_calibrations: tuple[BoxCalibration, ...] = ()
    """Of a detector: one for each label, in their order, or none; then boxes have scores only."""
    home: HomeCurves | None = None
    """What an acceptance test at another site is held against; None where there is none."""

    @property
    def box_classes(self) -> tuple[str, ...]:
        """The classes of a detector's boxes, in the order of its columns."""
        return tuple(classes_of(self.manifest.model, self.manifest.labels))

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.folder / WEIGHTS

    def calibration(self, label: str, level: Level) -> CalibrationEntry | None:
        """The calibrator of a label at a level, or None: then the model has scores only."""
        matches = (c for c in self.calibrations if c.label == label and c.level == level)
        return next(matches, None)

    def operating_point(self, name: str, label: str, level: Level) -> OperatingPoint | None:
        """The named operating point of a label at a level."""
        matches = (
            p for p in self.operating_points if (p.name, p.label, p.level) == (name, label, level)
        )
        return next(matches, None)


def open_package(folder: Path) -> ModelPackage:
    """Open a model folder and verify all of it.

    Raises:
        PackageError: Foreign, changed, of an unknown format, or without a calibrator for a level
            at which it claims probabilities.
    """
    digest = verify_checksums(folder)
    manifest = _read_manifest(folder / MANIFEST)
    try:
        calibrations = read_calibration(folder / CALIBRATION)
        boxes = read_box_calibration(folder / CALIBRATION)
        points = read_operating_points(folder / OPERATING_POINTS)
        home = read_home(folder / HOME) if (folder / HOME).is_file() else None
    except PackageError as error:
        message = f"{folder}: {error}"
        raise PackageError(message) from error
    package = ModelPackage(
        folder, digest, manifest, tuple(calibrations), tuple(points), tuple(boxes), home
    )
    _check_complete(package)
    return package


def write_package(
    folder: Path,
    manifest: PackageManifest,
    *,
    calibrations: Sequence[CalibrationEntry],
    operating_points: Sequence[OperatingPoint],
    license_text: str,
    boxes: Sequence[BoxCalibration] = (),
) -> None:
    """Write all but weights and card into a folder that already holds `weights.safetensors`.

    Call `seal_package` when the card is written too.
    """
    data = manifest.model_dump(mode="json", exclude_none=True)
    (folder / MANIFEST).write_text(
        yaml.safe_dump(data, sort_keys=False, width=100), encoding="utf-8"
    )
    write_calibration(folder / CALIBRATION, calibrations, boxes)
    write_operating_points(folder / OPERATING_POINTS, operating_points)
    (folder / LICENSE).write_text(license_text, encoding="utf-8")


def seal_package(folder: Path, card: str) -> ModelPackage:
    """Write the card and the checksums; return the model as anyone would open it."""
    (folder / CARD).write_text(card, encoding="utf-8")
    write_checksums(folder)
    return open_package(folder)


def copy_with_home(package: ModelPackage, folder: Path, text: str) -> ModelPackage:
    """Write a copy of a model that holds figures of its training site (`acceptance.json`).

    Raises:
        PackageError: The text is no acceptance test.
    """
    for name in (MANIFEST, WEIGHTS, CALIBRATION, OPERATING_POINTS, LICENSE):
        shutil.copyfile(package.folder / name, folder / name)
    (folder / HOME).write_text(text, encoding="utf-8")
    card = (package.folder / CARD).read_text(encoding="utf-8").partition(_HOME_TITLE)[0]
    return seal_package(folder, f"{card.rstrip()}\n\n{_HOME_TITLE}{_HOME_WORDS}")


def _read_manifest(path: Path) -> PackageManifest:
    data = _read_mapping(path)
    if data.get("format") != FORMAT:
        message = (
            f"{path}: format {data.get('format')!r} is unknown to this medrec, "
            f"which reads {FORMAT}: update medrec"
        )
        raise PackageError(message)
    try:
        return validate(data, PackageManifest, where=str(path))
    except ConfigError as error:
        raise PackageError(str(error)) from error


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, *BAD_YAML) as error:
        message = f"{path} can't be read: {error}"
        raise PackageError(message) from error
    if not isinstance(data, dict):
        message = f"{path} must hold a mapping"
        raise PackageError(message)
    return data


def _check_complete(package: ModelPackage) -> None:
    calibrated = [entry.label for entry in package.box_calibrations]
    if calibrated and calibrated != package.manifest.labels:
        message = (
            f"{package.folder} has calibrators of boxes for {', '.join(calibrated)}, wanted one "
            f"for each of {', '.join(package.manifest.labels)}, in that order: get it again"
        )
        raise PackageError(message)
    missing = [
        f"{label} ({level})"
        for level in package.manifest.probability_levels
        for label in package.manifest.labels
        if package.calibration(label, level) is None
    ]
    if missing:
        message = (
            f"{package.folder} claims probabilities but has no calibrator for "
            f"{', '.join(missing)}: make one with `medrec calibrate`"
        )
        raise PackageError(message)
    torn = [
        f"{label} ({entry.level})"
        for label in package.manifest.labels
        for entry in package.calibrations
        if entry.label == label and not _is_whole(package, entry)
    ]
    if torn:
        message = (
            f"{package.folder}: the calibrators of {', '.join(torn)} aren't those of the groups "
            "that exclude each other in package.yaml, all of a group with the same numbers: their "
            "probabilities would not sum to 1. Get the package again, or run `medrec calibrate`"
        )
        raise PackageError(message)
    if not package.weights.is_file():
        message = f"{package.folder} has no {WEIGHTS}"
        raise PackageError(message)


def _is_whole(package: ModelPackage, entry: CalibrationEntry) -> bool:
    """Whether a label's calibrator is that of its group, or of it alone where it has none."""
    group = package.manifest.group_of(entry.label)
    if len(group) == 1:
        return entry.classes is None
    mates = [package.calibration(label, entry.level) for label in group]
    return all(
        mate is not None
        and mate.classes == group
        and (mate.method, mate.parameters) == (entry.method, entry.parameters)
        for mate in mates
    )
