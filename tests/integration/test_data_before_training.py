"""What a training says of its data before the first epoch, and what a person may overrule."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from training_factory import write_config, write_films
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.data import cache

TRAINED, TESTED = 22, 10
ONE_EPOCH = {"epochs": 1, "batch_size": 8, "optimiser": {"learning_rate": 0.003}}

ALLOWED = {"allow": ["duplicates"], "without": ["middle", "low"]}  # low is where high isn't


def train(config, out, *more):
    arguments = ["train", config, "--out", out, "--device", "cpu", *more]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows_of(manifest):
    with manifest.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def rewrite(manifest, rows):
    with manifest.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def manifest(tmp_path):
    """Films of two classes: 22 patients to train on, then 10 of the test."""
    path = write_films(tmp_path / "films", ["high", None] * ((TRAINED + TESTED) // 2))
    rows = rows_of(path)
    for number, row in enumerate(rows):
        row["split"] = "train" if number < TRAINED else "test"
    rewrite(path, rows)
    return path


@pytest.fixture
def small_disk(monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: usage)


@pytest.mark.usefixtures("small_disk")
def test_all_that_is_wrong_with_the_data_is_said_at_once_and_nothing_is_written(manifest, tmp_path):
    rows = rows_of(manifest)[: TRAINED + 4]
    Image.new("L", (9, 9), 1).save(manifest.parent / "mask.png")
    for number, row in enumerate(rows):
        row |= {"high": 1, "mask": "mask.png" if number == 0 else ""}
    rows[3]["path"] = "gone.png"
    rows[5]["patient"] = rows[-1]["patient"]  # who is tested
    rewrite(manifest, rows)

    outcome = train(write_config(tmp_path, manifest, fit=ONE_EPOCH), tmp_path / "run")

    said = " ".join(outcome.stderr.split())
    assert 1 == outcome.exit_code
    assert "6 problems" in said
    assert 1 == said.count("several splits")
    for problem, way_out in [
        ("1 file of column path is missing, row 4", "correct them, or leave the rows out"),
        ("1 mask lies on another grid than the scan, row 1", "resample onto"),
        ("label high: its rows hold 1 alone", "add scans of the other class"),
        ("1 patient has rows in several splits, rows 6, 26", "belongs to one alone"),
        ("4 patients have the split test, where 10 or more are needed", "give more of them"),
        ("for 25 files that are not in it yet, and 0.00 GB are free", "--set cache.folder=FOLDER"),
    ]:
        assert problem in said
        assert way_out in said
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("small_disk")
def test_a_disk_too_small_alone_is_said_before_the_run_folder_is_made(manifest, tmp_path):
    outcome = train(write_config(tmp_path, manifest, fit=ONE_EPOCH), tmp_path / "run")

    assert 1 == outcome.exit_code
    assert "0.00 GB are free" in outcome.stderr
    assert not (tmp_path / "run").exists()


def test_files_that_cannot_be_decoded_are_listed_before_the_first_epoch(manifest, tmp_path):
    for name in ("f3.png", "f8.png"):
        (manifest.parent / name).write_bytes((manifest.parent / name).read_bytes()[:300])

    outcome = train(write_config(tmp_path, manifest, fit=ONE_EPOCH), tmp_path / "run")

    assert 1 == outcome.exit_code
    assert 2 == outcome.stderr.count("truncated")
    assert not list((tmp_path / "run").rglob("history.json"))


def test_one_film_on_both_sides_of_a_split_stops_a_training(manifest, tmp_path):
    shutil.copy(manifest.parent / "f0.png", manifest.parent / f"f{TRAINED}.png")

    outcome = train(write_config(tmp_path, manifest, fit=ONE_EPOCH), tmp_path / "run")

    assert 1 == outcome.exit_code
    assert "leaks the test" in outcome.stderr
    assert f"rows 1 and {TRAINED + 1}" in outcome.stderr
    assert "audit: {allow: [duplicates]}" in outcome.stderr
    assert not list((tmp_path / "run").rglob("history.json"))


@pytest.fixture(scope="module")
def overruled(tmp_path_factory):
    """A run whose config allows one film on both sides of the split."""
    folder = tmp_path_factory.mktemp("overruled")
    manifest = write_films(folder / "films", ["high", "low"] * ((TRAINED + TESTED) // 2))
    rows = rows_of(manifest)
    for number, row in enumerate(rows):
        row["split"] = "train" if number < TRAINED else "test"
    rewrite(manifest, rows)
    shutil.copy(folder / "films" / "f0.png", folder / "films" / f"f{TRAINED}.png")
    config = write_config(folder, manifest, audit=ALLOWED)
    outcome = train(config, folder / "run")
    assert 0 == outcome.exit_code, outcome.output
    return folder / "run", outcome


def test_what_the_config_overrules_does_not_stop_and_the_card_says_so(overruled):
    run, outcome = overruled

    card = (run / "model" / "model-card.md").read_text(encoding="utf-8")

    assert "overruled (duplicates)" in outcome.output
    assert "Overruled by the config (duplicates): 1 picture stands in several splits" in card


def test_a_training_on_films_speaks_of_films(overruled):
    run, outcome = overruled
    page = (run / "summary.html").read_text(encoding="utf-8")

    assert "final: fitting on 22 films" in outcome.output
    assert "positive counts are patients / films" in page
    assert "slices" not in outcome.output


def test_the_probe_is_said_before_the_fit_and_stands_on_the_card(overruled):
    run, outcome = overruled
    head = "high from metadata alone (site, size, intensity, position): AUROC"

    assert 0 < outcome.output.index(head) < outcome.output.index("patients\n")
    assert head in (run / "model" / "model-card.md").read_text(encoding="utf-8")


def test_the_summary_shows_the_probe_beside_the_model(overruled):
    run, _ = overruled
    page = (run / "summary.html").read_text(encoding="utf-8")
    row = page.partition("AUROC, metadata alone")[2].partition("</table>")[0]

    audited, evaluated = (
        json.loads((run / name).read_text(encoding="utf-8"))
        for name in ("audit.json", "test/evaluation.json")
    )
    probe = audited["probes"]["high"]["auroc"]["value"]
    model = evaluated["labels"]["high"]["auroc"]["value"]
    assert not np.isclose(probe, model)
    assert f"{probe:.3f}" in row
    assert f"{model:.3f}" in row
