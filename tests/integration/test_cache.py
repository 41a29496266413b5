"""Training from a cache: what is prepared, and that it changes no weight."""

from dataclasses import replace

import nibabel
import numpy as np
import pytest
import torch
import yaml

from medrec.config.model import ModelConfig, NoWeights
from medrec.config.preprocess import AugmentConfig
from medrec.data import dataset
from medrec.data.build import build_cache
from medrec.data.dataset import prepare_slices
from medrec.domain.reference import Reference
from medrec.preprocess.build import build_augmenter
from medrec.preprocess.pipeline import Preprocessor
from medrec.training.build import build_network
from medrec.training.fit import FitData, fit_network
from medrec.training.settings import FitSettings
from medrec.workflows.train import train

PATIENTS, SLICES = 18, 4
SIZE_PX = 32
SETTINGS = FitSettings(epochs=2, batch_size=8)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Noise, with a bright square in every second patient."""
    root = tmp_path_factory.mktemp("archive")
    rows = ["path,patient,tumor"]
    for number in range(PATIENTS):
        voxels = np.random.default_rng(number).integers(20, 120, (24, 24, SLICES), dtype=np.uint8)
        voxels[6:12, 6:12] += 100 * (number % 2)
        affine = np.diag([-1.0, -1.0, 5.0, 1.0])
        nibabel.save(nibabel.Nifti1Image(voxels, affine), root / f"{number}.nii")
        rows += [f"{number}.nii,P{number},{number % 2},{n}" for n in range(SLICES)]
    rows[0] += ",slice"
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def loaded(monkeypatch):
    names, load = [], dataset.load_file
    monkeypatch.setattr(
        dataset, "load_file", lambda path, **kw: names.append(path.name) or load(path, **kw)
    )
    return names


def slices_of(archive, cache_folder=None):
    prepare = Preprocessor(size_px=SIZE_PX)
    rows = [
        Reference(path=f"{n}.nii", patient=f"P{n}", labels={"tumor": bool(n % 2)}, slice=s)
        for n in range(PATIENTS)
        for s in range(SLICES)
    ]
    cache = build_cache(None, prepare, folder=cache_folder) if cache_folder else None
    return prepare_slices(rows, root=archive, prepare=prepare, labels=["tumor"], cache=cache)


def weights_of(slices, folder, settings=SETTINGS):
    model = ModelConfig(backbone="test_efficientnet", weights=NoWeights())
    result = fit_network(
        build_network(model, label_count=1, size_px=SIZE_PX, seed=1),
        FitData(slices.subset(range(8, len(slices))), watched=slices.subset(range(8)),
                augment=build_augmenter(AugmentConfig(), size_px=SIZE_PX)),
        settings=settings,
        folder=folder,
        device="cpu",
    )  # fmt: skip
    return torch.cat([value.flatten().float() for value in result.network.state_dict().values()])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_neither_cache_nor_workers_change_a_bit_of_the_weights(archive, tmp_path):
    expected = weights_of(slices_of(archive), tmp_path / "memory")

    cached = weights_of(slices_of(archive, tmp_path / "cache"), tmp_path / "cached")
    workers = weights_of(
        slices_of(archive, tmp_path / "cache"), tmp_path / "workers", replace(SETTINGS, workers=2)
    )

    assert torch.equal(expected, cached)
    assert torch.equal(expected, workers)


@pytest.fixture
def config(archive, tmp_path):
    path = tmp_path / "square.yaml"
    asked = {
        "kind": "train",
        "name": "square",
        "labels": ["tumor"],
        "primary_label": "tumor",
        "data": {"kind": "manifest", "manifest": str(archive / "manifest.csv")},
        "splits": {"file": "splits.csv", "test_fraction": 0.4, "folds": 2},
        "scope": {"modality": ["MR"], "body_part": ["HEAD"]},
        "preprocess": {"size_px": SIZE_PX},
        "model": {"backbone": "test_efficientnet", "weights": {"kind": "none"}},
        "fit": {"epochs": 1, "batch_size": 8},
        "card": {
            "summary": "Noise.",
            "intended_use": "Tests.",
            "limits": ["All."],
            "training_data": "Noise.",
            "license": "CC0-1.0",
        },
    }
    path.write_text(yaml.safe_dump(asked))
    return path


def test_a_second_run_with_the_same_cache_prepares_nothing(config, tmp_path, loaded):
    said = []
    options = {"device": "cpu", "overrides": ["cache.folder=shared"], "say": said.append}

    first = train(config, out=tmp_path / "first", **options)
    assert PATIENTS == len(loaded)
    second = train(config, out=tmp_path / "second", **options)

    assert PATIENTS == len(loaded)
    assert 1 == sum(text.startswith("cache ") for text in said)
    assert first.package.weights.read_bytes() == second.package.weights.read_bytes()
    assert (tmp_path / "shared").is_dir()


def test_the_cache_of_a_run_goes_when_the_run_is_finished(config, tmp_path):
    train(config, out=tmp_path / "run", device="cpu")

    assert not (tmp_path / "run" / "cache").exists()
    assert (tmp_path / "run" / "model").is_dir()
