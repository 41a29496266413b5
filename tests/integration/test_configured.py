"""What `medrec configure` writes is trained as it stands: a package comes out that loads."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest
from training_factory import PLACES_PX, write_films
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.config.base import read_config
from medrec.config.training import TrainConfig
from medrec.package.build import load_network
from medrec.package.package import open_package
from medrec.training import plan_network, seen
from medrec.workflows import configure as configuring
from medrec.workflows import fingerprinting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILMS, PATIENTS = 20, 28
SHAPE = (24, 24, 6)
SPEED = 20.0
"""Pictures a second at 192 px, whatever else the machine does."""
AFFINE = np.diag([-1.0, -1.0, 4.0, 1.0])


@dataclass(frozen=True)
class Archive:
    """A manifest, the words of its `configure`, and what is to come of it."""

    manifest: Path
    words: Sequence[str]
    kind: str = "classifier_2d"
    labels: Sequence[str] = ("tumor",)
    exclusive: Sequence[Sequence[str]] | None = None
    minutes: float = 3.0
    """Twenty epochs or so: calibration refuses a network that has learned nothing."""


def films(root: Path) -> Archive:
    classes = ["high", None] * (FILMS // 2)
    words = ["--modality", "DX", "--body-part", "CHEST", "--label", "high"]
    return Archive(write_films(root, classes), words, labels=("high",), minutes=0.35)


def classes(root: Path) -> Archive:
    words = ["--modality", "DX", "--body-part", "CHEST"]
    manifest = write_films(root, [*PLACES_PX] * (PATIENTS // 2))
    return Archive(manifest, words, labels=[*PLACES_PX], exclusive=[[*PLACES_PX]], minutes=0.8)


def slices(root: Path) -> Archive:
    rows = [
        {"path": path, "patient": patient, "slice": k, "mask": f"m{path}", "tumor": int(row)}
        for path, patient, mask in _write_heads(root)
        for k, row in enumerate(mask.any(axis=(0, 1)))
    ]
    return Archive(_write(root, rows), ["--modality", "MR", "--body-part", "BRAIN"])


def volumes(root: Path) -> Archive:
    rows = [
        {"path": path, "patient": patient, "tumor": int(mask.any())}
        for path, patient, mask in _write_heads(root)
    ]
    words = ["--modality", "MR", "--body-part", "BRAIN"]
    return Archive(_write(root, rows), words, kind="classifier_slices")


ARCHIVES = {"films": films, "classes": classes, "slices": slices, "volumes": volumes}


def _write_heads(root: Path) -> list[tuple[str, str, np.ndarray]]:
    root.mkdir()
    heads = []
    for number in range(PATIENTS):
        rng = np.random.default_rng(number)
        i, j, k = np.indices(SHAPE)
        body = (i - 11.5) ** 2 + (j - 11.5) ** 2 < 10**2
        voxels = np.where(body, rng.normal(90, 8, SHAPE), 0)
        at = [*rng.integers(8, 16, 2), rng.integers(1, SHAPE[2] - 1)]
        ball = (i - at[0]) ** 2 + (j - at[1]) ** 2 + (4 * (k - at[2])) ** 2 < 12
        mask = ball if number % 2 else np.zeros_like(ball)
        voxels[mask] += 110
        for name, values in ((f"h{number}.nii", voxels.clip(0, 255)), (f"mh{number}.nii", mask)):
            nibabel.save(nibabel.Nifti1Image(values.astype(np.uint8), AFFINE), root / name)
        heads.append((f"h{number}.nii", f"P{number}", mask))
    return heads


def _write(root: Path, rows: list[dict[str, object]]) -> Path:
    with (root / "heads.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    return root / "heads.csv"


def medrec(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def train(archive: Archive, folder: Path, *changes: str):
    """Configure and train; what is changed is the number of folds, what look-alikes need, and what
    a test asks for."""
    config = folder / "model.yaml"
    written = medrec(
        *("configure", archive.manifest, "--out", config, "--device", "cpu", *archive.words),
        *("--budget-minutes", archive.minutes, "--sample", 4),
    )
    assert 0 == written.exit_code, written.output
    trained = medrec(
        *("train", config, "--out", folder / "run", "--device", "cpu"),
        *("--set", "audit={allow: [near_duplicates]}", "--set", "splits.folds=2"),
        *("--set", "calibration.bootstrap_rounds=50"),
        *(word for change in changes for word in ("--set", change)),
    )
    assert 0 == trained.exit_code, trained.output
    return read_config(config, TrainConfig), open_package(folder / "run" / "model")


@pytest.fixture(autouse=True)
def _a_known_speed(monkeypatch):
    monkeypatch.setattr(fingerprinting, "measure_speed", lambda *_, **__: SPEED)


@pytest.fixture
def _small_network(monkeypatch):
    """The smallest EfficientNet of timm, with random weights, in place of Lite0 with ImageNet's."""
    monkeypatch.setattr(plan_network, "BACKBONE", "test_efficientnet")
    monkeypatch.setattr(configuring, "has_weights", lambda: False)


@pytest.mark.usefixtures("_small_network")
@pytest.mark.parametrize(
    "name", ["films", *(pytest.param(one, marks=pytest.mark.slow) for one in [*ARCHIVES][1:])]
)
def test_a_written_config_trains_to_a_package_that_loads(name, tmp_path):
    archive = ARCHIVES[name](tmp_path / "archive")

    config, package = train(archive, tmp_path)

    assert archive.kind == config.model.kind == package.manifest.model.kind
    assert [*archive.labels] == [*package.manifest.labels]
    assert archive.exclusive == config.exclusive == package.manifest.exclusive
    load_network(package, device="cpu")


# The rate for few patients needs hundreds of patients' steps: in a test's few dozen nothing is
# learned, and what has learned nothing is not calibrated.
FAST = ("fit.optimiser.learning_rate=0.002", "preprocess.size_px=64")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["films", "volumes"])
def test_imagenet_weights_are_tuned_with_care(name, tmp_path):
    config, package = train(ARCHIVES[name](tmp_path / "archive"), tmp_path, *FAST)

    assert "package" == config.model.weights.kind
    assert config.fit.unfreeze
    assert config.fit.layer_decay
    load_network(package, device="cpu")


@pytest.mark.slow
def test_many_labelled_volumes_train_a_3d_network(tmp_path, monkeypatch):
    monkeypatch.setattr(seen, "PATIENTS_FOR_3D", PATIENTS)
    monkeypatch.setattr(seen, "SLICES_FOR_3D", SHAPE[2])

    config, package = train(volumes(tmp_path / "archive"), tmp_path)

    assert "classifier_3d" == config.model.kind == package.manifest.model.kind
    load_network(package, device="cpu")
