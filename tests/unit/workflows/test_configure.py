"""`medrec configure`, from generated films to a config that reads back."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.config.kinds import read_any_config
from medrec.errors import ManifestError, OutputError, UsageError
from medrec.training.choice import Choice
from medrec.workflows import configure as module
from medrec.workflows import fingerprinting
from medrec.workflows.commented import to_data, to_yaml
from medrec.workflows.configure import configure

PATIENTS = 24


@pytest.fixture(autouse=True)
def _a_known_speed(monkeypatch):
    monkeypatch.setattr(fingerprinting, "measure_speed", lambda *_, **__: 20.0)


@pytest.fixture
def manifest(tmp_path):
    rng = np.random.default_rng(1)
    rows = []
    for number in range(PATIENTS):
        film = np.zeros((64, 64), dtype=np.uint8)
        film[8:56, :40] = rng.integers(80, 200, (48, 40))
        Image.fromarray(film).save(tmp_path / f"{number}.png")
        rows.append({"path": f"{number}.png", "patient": f"P{number}", "cancer": number % 2})
    return write(tmp_path / "manifest.csv", rows)


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_the_config_reads_back_and_each_key_has_a_reason(manifest, tmp_path):
    out = tmp_path / "films.yaml"

    result = configure(manifest, out=out, modality="MG", device="cpu")

    assert read_any_config(out) == result.config
    lines = out.read_text(encoding="utf-8").splitlines()
    reasons = iter(one.reason.split()[0] for one in result.plan.values())
    for key in result.plan:
        name = key.rsplit(".", maxsplit=1)[-1]
        assert any(line.lstrip().startswith(f"{name}:") for line in lines), key
    comments = {line.lstrip("# ").split()[0] for line in lines if line.lstrip().startswith("# ")}
    assert set(reasons) <= comments


def test_neighbours_with_one_reason_share_a_comment_and_no_line_is_long():
    points = {f"point_{n}": {"sensitivity": 0.95} for n in range(5)}
    plan = {
        "a.one": Choice(1, "why"),
        "a.two": Choice(2, "why"),
        "b.three": Choice(["word " * 40], "why"),
        "b.four": Choice(points, "else"),
    }

    text = to_yaml(plan, heading="Made.")

    assert "  # why\n  one: 1\n  two: 2\n" in text
    assert "b:\n  # why\n  three:\n" in text
    assert 100 > max(map(len, text.splitlines()))
    assert to_data(plan)["b"]["four"] == yaml.safe_load(text)["b"]["four"]


def test_a_person_reads_the_choices_of_a_small_archive(manifest, tmp_path):
    out = tmp_path / "films.yaml"
    configure(manifest, out=out, modality="MG", device="cpu")
    data = yaml.safe_load(out.read_text(encoding="utf-8"))

    assert "manifest.csv" == data["data"]["manifest"]
    assert "films-splits.csv" == data["splits"]["file"]
    assert ["MG"] == data["scope"]["modality"]
    assert ["BREAST"] == data["scope"]["body_part"]
    assert "foreground" == data["preprocess"]["crop"]
    assert 96 == data["preprocess"]["size_px"]
    assert "TODO" in data["card"]["intended_use"]


def test_all_that_is_wrong_is_listed_at_once(tmp_path):
    rows = [{"path": f"{n}.png", "patient": f"P{n}", "cancer": 1} for n in range(3)]
    manifest = write(tmp_path / "manifest.csv", rows)

    with pytest.raises(ManifestError) as caught:
        configure(manifest, out=tmp_path / "c.yaml", modality="MG", device="cpu")

    text = str(caught.value)
    assert "0.png: no such file" in text
    assert "2.png: no such file" in text
    assert "no row is negative" in text
    assert "too few" in text


def test_a_picture_without_modality_asks_for_it(manifest, tmp_path):
    with pytest.raises(ManifestError, match="--modality") as caught:
        configure(manifest, out=tmp_path / "c.yaml", device="cpu")

    assert "--body-part" in str(caught.value)


def test_an_existing_config_is_kept(manifest, tmp_path):
    out = tmp_path / "c.yaml"
    out.write_text("mine", encoding="utf-8")

    with pytest.raises(OutputError, match="exists"):
        configure(manifest, out=out, modality="MG")
    assert "mine" == out.read_text(encoding="utf-8")


def test_options_that_mean_nothing_are_named_together(manifest, tmp_path):
    with pytest.raises(UsageError, match=r"(?s)--budget-minutes.*--modality"):
        configure(manifest, out=tmp_path / "c.yaml", modality="XX", budget_minutes=0)


def test_no_more_pixels_are_read_than_the_sample(manifest, tmp_path, monkeypatch):
    read = []
    load = fingerprinting.load_file
    monkeypatch.setattr(fingerprinting, "load_file", lambda path: read.append(path) or load(path))

    configure(manifest, out=tmp_path / "c.yaml", modality="MG", device="cpu", sample=5)

    assert 5 == len(read)


def test_the_verb_prints_the_fingerprint(manifest, tmp_path):
    words = ["configure", str(manifest), "--out", str(tmp_path / "c.yaml"), "--modality", "MG"]

    result = CliRunner().invoke(app, [*words, "--device", "cpu"])

    assert 0 == result.exit_code, result.output
    assert "12 positive, 12 negative" in result.output
    assert module.BUDGET_MINUTES == 60
