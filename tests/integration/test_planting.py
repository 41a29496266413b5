"""Training on lesion-free films, with lesions planted as they are shown."""

from __future__ import annotations

import pytest
import torch
import yaml
from planting_factory import DETECTOR, OBVIOUS, a_planting_config, write_chest_films
from safetensors.torch import load_file

from medrec.config.lesions import LesionsConfig
from medrec.lesions.build import build_recipe
from medrec.training.modules import ClassifierModule
from medrec.workflows.train import train

CENTRE = {**DETECTOR, "head": "centre"}
SPLITS = {"train": 20, "test": 12}
LEARNING = {
    "epochs": 12,
    "batch_size": 4,
    "optimiser": {"learning_rate": 0.01, "ema_decay": 0.5},
}
CHANGES = ("flip_left_right", "affine", "gamma", "intensity", "bias_field", "noise", "blur",
           "low_resolution")  # fmt: skip


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder, recipe = tmp_path_factory.mktemp("films"), build_recipe(LesionsConfig(**OBVIOUS))
    return write_chest_films(folder, SPLITS, planted=("train", "test"), recipe=recipe)


def write(folder, manifest, **changes):
    facts = a_planting_config(manifest, plant={"recipe": OBVIOUS}, **changes)
    facts["fit"] = {**facts["fit"], "epochs": 2} if "model" in changes else LEARNING
    facts["augment"] = dict.fromkeys(CHANGES, 0.0)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(facts), encoding="utf-8")
    return path


@pytest.mark.parametrize("model", [None, DETECTOR, CENTRE], ids=["classifier", "boxes", "centres"])
def test_a_model_learns_of_planted_lesions_and_its_package_says_so(tmp_path, manifest, model):
    said = []
    config = write(tmp_path, manifest, **({"model": model} if model else {}))

    package = train(config, out=tmp_path / "run", device="cpu", say=said.append).package

    facts = package.manifest.training.planted
    assert "planted" == package.manifest.lesions
    assert ("obvious", 0.5, (1, 3), "nodule") == (
        facts.recipe, facts.share, facts.lesions, facts.label,
    )  # fmt: skip
    assert 10 == facts.scans
    card = (package.folder / "model-card.md").read_text(encoding="utf-8")
    assert "clinical, planted lesions" in card
    assert "10 scans without nodule were shown with 1 to 3 planted ones" in card
    assert any(line.startswith("plant: 1 to 3 lesions of obvious") for line in said)


class CutError(RuntimeError):
    pass


@pytest.mark.parametrize(
    "model",
    [None, pytest.param(DETECTOR, marks=pytest.mark.slow)],
    ids=["classifier", "boxes"],
)
def test_a_cut_training_resumes_to_the_weights_of_an_uncut_one(
    tmp_path, manifest, model, monkeypatch
):
    config = write(tmp_path, manifest, **({"model": model} if model else {}))
    expected = train(config, out=tmp_path / "uncut", device="cpu").package
    step = ClassifierModule.training_step

    def cut(module, batch, number):
        if module.current_epoch == 1 and number == 1:
            raise CutError
        return step(module, batch, number)

    monkeypatch.setattr(ClassifierModule, "training_step", cut)
    with pytest.raises(CutError):
        train(config, out=tmp_path / "cut", device="cpu")
    monkeypatch.setattr(ClassifierModule, "training_step", step)
    found = train(config, out=tmp_path / "cut", device="cpu", resume=True).package

    one, other = (
        load_file(package.folder / "weights.safetensors") for package in (expected, found)
    )
    assert all(torch.equal(value, other[name]) for name, value in one.items())
