"""`medrec pretrain`, from config to the weights that a training begins with."""

import hashlib
import json

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

import medrec
from medrec.cli.app import app
from medrec.config.model import ModelConfig
from medrec.data import dataset
from medrec.errors import ConfigError, DataSplitError, OutputError
from medrec.models.build import build_classifier

PATIENTS = {f"p{n}": "train" if n < 6 else ("tune", "calibrate", "test")[n % 3] for n in range(9)}


@pytest.fixture
def config(tmp_path):
    rng = np.random.default_rng(1)
    lines = ["path,patient,cancer"]
    for patient in PATIENTS:
        for side in "lr":
            name = f"{patient}-{side}.png"
            picture = np.zeros((40, 40), dtype=np.uint8)
            picture[4:36, 4:30] = rng.integers(60, 255, (32, 26))
            Image.fromarray(picture).save(tmp_path / name)
            lines.append(f"{name},{patient},")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    placed = [f"{patient},{split}," for patient, split in PATIENTS.items()]
    (tmp_path / "splits.csv").write_text(
        "\n".join(["patient,split,fold", *placed]) + "\n", encoding="utf-8"
    )
    asked = {
        "kind": "pretrain",
        "name": "tiny",
        "data": {"kind": "manifest", "manifest": "manifest.csv"},
        "splits": "splits.csv",
        "preprocess": {"size_px": 32},
        "model": {"kind": "picture", "backbone": "test_efficientnet", "weights": {"kind": "none"}},
        "method": {"kind": "simclr", "projection": 8},
        "fit": {"epochs": 1, "batch_size": 6},
    }
    path = tmp_path / "pretrain.yaml"
    path.write_text(yaml.safe_dump(asked), encoding="utf-8")
    return path


def test_only_scans_of_training_patients_are_opened(config, tmp_path, monkeypatch):
    opened = []
    load = dataset.load_file

    def spy(path, **options):
        opened.append(path.name)
        return load(path, **options)

    monkeypatch.setattr(dataset, "load_file", spy)
    result = medrec.pretrain(config, out=tmp_path / "run", device="cpu")

    expected = {
        f"{name}-{side}.png" for name, s in PATIENTS.items() if s == "train" for side in "lr"
    }
    assert expected == set(opened)
    assert 1 == len(result.history)


def test_the_printed_lines_make_a_classifier_begin_with_the_weights(config, tmp_path):
    out = tmp_path / "run"
    answer = CliRunner().invoke(app, ["pretrain", str(config), "--out", str(out)])

    assert 0 == answer.exit_code
    said = yaml.safe_load(answer.stdout[answer.stdout.index("model:") :])["model"]
    assert (
        hashlib.sha256((out / "backbone.safetensors").read_bytes()).hexdigest()
        == (said["weights"]["sha256"])
    )
    network = build_classifier(ModelConfig.model_validate(said), label_count=1)
    plain = build_classifier(
        ModelConfig.model_validate({**said, "weights": {"kind": "none"}}), label_count=1
    )
    assert not network.backbone.conv_stem.weight.equal(plain.backbone.conv_stem.weight)
    run = yaml.safe_load((out / "run.yaml").read_text(encoding="utf-8"))
    assert (True, 6, 12) == (run["finished"], run["patients"], run["pictures"])
    assert "p1" not in (out / "run.yaml").read_text(encoding="utf-8")
    assert 1 == len(json.loads((out / "history.json").read_text(encoding="utf-8")))
    assert b"\x89PNG" == (out / "curve.png").read_bytes()[:4]


def test_a_finished_run_resumes_to_the_same_weights_and_another_config_is_refused(config, tmp_path):
    first = medrec.pretrain(config, out=tmp_path / "run", device="cpu")

    again = medrec.pretrain(config, out=tmp_path / "run", device="cpu", resume=True)

    assert first.sha256 == again.sha256
    with pytest.raises(OutputError, match="another config"):
        medrec.pretrain(
            config, out=tmp_path / "run", device="cpu", resume=True, overrides=["seed=2"]
        )


def test_wrong_values_of_a_config_are_all_listed(config, tmp_path):
    wrong = ["fit.epochs=0", "method.temperature=0", "patients=some"]

    with pytest.raises(ConfigError) as refused:
        medrec.pretrain(config, out=tmp_path / "run", overrides=wrong)

    assert 3 == len(refused.value.problems)


def test_nobody_is_opened_where_nobody_knows_who_is_held_out(config, tmp_path):
    with pytest.raises(DataSplitError, match="nobody knows who is held out"):
        medrec.pretrain(config, out=tmp_path / "run", overrides=["splits=null"])

    assert not (tmp_path / "run").exists()


def test_masked_modelling_asks_for_a_network_of_volumes(config, tmp_path):
    with pytest.raises(ConfigError, match=r"model\.kind volume"):
        medrec.pretrain(config, out=tmp_path / "run", overrides=["method={kind: masked}"])


def test_volumes_learn_by_masked_modelling(config, tmp_path):
    changes = ["method={kind: masked}", "model={kind: volume, depth: 16}", "fit.batch_size=4"]

    result = medrec.pretrain(config, out=tmp_path / "run", device="cpu", overrides=changes)

    assert "architecture: resnet10" in "".join(result.summary_lines())
    assert result.weights.stat().st_size > 0
