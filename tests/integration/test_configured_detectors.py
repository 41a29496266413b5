"""What `medrec configure --detect` writes is trained as it stands: a detector that loads."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest
from lesion_factory import write_lesion_films, write_lesion_volumes
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.config.base import read_config
from medrec.config.model import DetectorConfig, VolumeDetectorConfig
from medrec.config.training import TrainConfig
from medrec.data.fingerprint import DetectorSpeeds
from medrec.package.build import load_network
from medrec.package.package import ModelPackage, open_package
from medrec.training import detector_sight, plan_network
from medrec.workflows import configure as configuring
from medrec.workflows import fingerprinting

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PATIENTS = 28
SHAPE = (32, 32, 6)
AFFINE = np.diag([-1.0, -1.0, 4.0, 1.0])
FILM = ("--modality", "DX", "--body-part", "HAND")
HEAD = ("--modality", "MR", "--body-part", "BRAIN")


@pytest.fixture(autouse=True)
def _small_and_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest EfficientNet of timm from random weights, and a speed."""

    def speeds(_: str, *, is_solid: bool, **__: object) -> DetectorSpeeds:
        return DetectorSpeeds(30.0, 12.0, 15.0, 1.0, 4.0 if is_solid else None)

    monkeypatch.setattr(fingerprinting, "read_detector_speeds", speeds)
    monkeypatch.setattr(plan_network, "BACKBONE", "test_efficientnet")
    monkeypatch.setattr(configuring, "has_weights", lambda: False)


def medrec(*arguments: object) -> None:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert 0 == result.exit_code, result.output


def train(manifest: Path, folder: Path, *words: object) -> tuple[TrainConfig, ModelPackage]:
    """Configure and train; changed are channels, epochs, folds and rounds, which only cost time."""
    config = folder / "model.yaml"
    medrec("configure", manifest, "--out", config, "--device", "cpu", "--detect", *words)
    medrec(
        *("train", config, "--out", folder / "run", "--device", "cpu"),
        *("--set", "audit={allow: [near_duplicates]}", "--set", "splits.folds=2"),
        *("--set", "calibration.bootstrap_rounds=50", "--set", "model.channels=16"),
        *("--set", "fit.epochs=2"),
    )
    package = open_package(folder / "run" / "model")
    load_network(package, device="cpu")
    return read_config(config, TrainConfig), package


def test_boxes_on_films_train_a_detector(tmp_path):
    manifest = write_lesion_films(tmp_path / "films", PATIENTS)

    config, package = train(manifest, tmp_path, *FILM)

    assert isinstance(config.model, DetectorConfig)
    assert "detection" == package.manifest.task
    assert package.manifest.model.anchors


@pytest.mark.parametrize("row", ["slice", "volume"])
def test_masks_train_a_detector_of_slices(tmp_path, row):
    manifest = write_masked_heads(tmp_path / "heads", row=row)

    config, package = train(manifest, tmp_path, *HEAD)

    assert isinstance(config.model, DetectorConfig)
    assert not config.model.join_slices
    assert "model-manifest.csv" == config.data.manifest.name
    assert package.manifest.model.anchors


def test_solid_boxes_of_many_patients_train_a_3d_detector(tmp_path, monkeypatch):
    monkeypatch.setattr(detector_sight, "PATIENTS_FOR_3D", PATIENTS)
    monkeypatch.setattr(detector_sight, "SLICES_FOR_3D", 10)
    manifest = write_lesion_volumes(tmp_path / "scans", PATIENTS)

    config, package = train(manifest, tmp_path, *HEAD)

    assert isinstance(config.model, VolumeDetectorConfig)
    assert "detector_3d" == package.manifest.model.kind


def test_windows_in_volumes_are_trained_as_they_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(detector_sight, "PATIENTS_FOR_3D", PATIENTS)
    monkeypatch.setattr(detector_sight, "SLICES_FOR_3D", 10)
    monkeypatch.setattr(detector_sight, "WINDOWS_3D", (24,))
    monkeypatch.setattr(detector_sight, "_WORTH_A_WINDOW", 1.2)
    monkeypatch.setattr(detector_sight, "_fits", lambda _, one: one.window_px is not None)
    manifest = write_lesion_volumes(tmp_path / "scans", PATIENTS, vary=True)

    config, package = train(manifest, tmp_path, *HEAD)

    assert isinstance(config.model, VolumeDetectorConfig)
    assert config.preprocess.spacing_mm is not None  # slices of 1 and of 2 mm
    assert config.preprocess.spacing_mm == package.manifest.preprocess.spacing_mm
    assert 24 == config.model.window_size[1]
    assert (0.5, 0.5) == (config.model.window_overlap, config.model.lesion_share)
    assert config.model.window_size == package.manifest.model.window_size


def write_masked_heads(root: Path, *, row: str) -> Path:
    """A row for each slice, or for each volume, of heads of which every other one has a tumor."""
    root.mkdir()
    rows = []
    for number in range(PATIENTS):
        rng = np.random.default_rng(number)
        i, j, k = np.indices(SHAPE)
        body = (i - 15.5) ** 2 + (j - 15.5) ** 2 < 14**2
        voxels = np.where(body, rng.normal(90, 8, SHAPE), 0)
        at = [*rng.integers(10, 22, 2), rng.integers(1, SHAPE[2] - 1)]
        ball = (i - at[0]) ** 2 + (j - at[1]) ** 2 + (4 * (k - at[2])) ** 2 < 20
        mask = ball if number % 2 else np.zeros_like(ball)
        voxels[mask] += 110
        for name, values in ((f"h{number}.nii", voxels.clip(0, 255)), (f"m{number}.nii", mask)):
            nibabel.save(nibabel.Nifti1Image(values.astype(np.uint8), AFFINE), root / name)
        facts = {"path": f"h{number}.nii", "patient": f"P{number}", "mask": f"m{number}.nii"}
        if row == "volume":
            rows.append({**facts, "tumor": int(mask.any())})
        else:
            shown = enumerate(mask.any(axis=(0, 1)))
            rows += [{**facts, "slice": z, "tumor": int(is_shown)} for z, is_shown in shown]
    with (root / "heads.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    return root / "heads.csv"
