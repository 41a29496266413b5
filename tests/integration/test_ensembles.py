"""Ensembles from training to screening: several networks that ship and screen as one."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from training_factory import write_config, write_films
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.package.build import load_network
from medrec.package.package import open_package

FEW = 48
MANY_SPLITS = ("train", "train", "tune", "tune", "calibrate", "calibrate", "test", "test")


def medrec(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def train(config, out, *settings):
    words = [word for setting in settings for word in ("--set", setting)]
    outcome = medrec("train", config, "--out", out, "--device", "cpu", *words)
    assert 0 == outcome.exit_code, outcome.output
    return out


def logits_of(run):
    with (run / "logits.csv").open(encoding="utf-8", newline="") as stream:
        return np.array([float(row["high_logit"]) for row in csv.DictReader(stream)])


def folders_of(run, pattern):
    return sorted(path.parent.relative_to(run).as_posix() for path in run.glob(pattern))


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Few patients, cross-fitted in two folds."""
    folder = tmp_path_factory.mktemp("few")
    return write_config(folder, write_films(folder, ["high", None] * (FEW // 2)))


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Patients whose groups are frozen in a file, as those of a large archive."""
    folder = tmp_path_factory.mktemp("many")
    # Both classes in each group: the order of classes turns after each round of splits.
    manifest = write_films(folder, (["high", None] * 4 + [None, "high"] * 4) * 3)
    lines = [f"P{n},{MANY_SPLITS[n % len(MANY_SPLITS)]}," for n in range(48)]
    (folder / "splits.csv").write_text("\n".join(["patient,split,fold", *lines, ""]))
    return write_config(folder, manifest, splits={"file": "splits.csv", "folds": 3})


@pytest.fixture(scope="module")
def folds_of_many(tmp_path_factory, many):
    return train(many, tmp_path_factory.mktemp("runs") / "run", "ensemble={kind: folds}")


@pytest.fixture(scope="module")
def seeds_of_few(tmp_path_factory, few):
    out = tmp_path_factory.mktemp("runs") / "run"
    return train(few, out, "ensemble={kind: seeds, members: 2}")


def test_each_member_of_a_folds_ensemble_chose_its_epoch_on_a_fold_of_its_own(folds_of_many):
    histories = [
        json.loads((folds_of_many / f"members/{n}/history.json").read_text()) for n in range(3)
    ]

    assert ["members/0", "members/1", "members/2"] == folders_of(folds_of_many, "**/best.ckpt")
    assert 3 == len({history[-1]["watched_loss"] for history in histories})


def test_a_package_says_how_many_networks_it_holds_and_of_what_kind(folds_of_many, seeds_of_few):
    facts = [open_package(run / "model").manifest for run in (folds_of_many, seeds_of_few)]

    assert [(3, "folds"), (2, "seeds")] == [(one.members, one.training.ensemble) for one in facts]


def test_the_weights_hold_all_members_and_they_differ(folds_of_many):
    state = load_file(folds_of_many / "model" / "weights.safetensors")
    name = "backbone.conv_stem.weight"

    assert {"0", "1", "2"} == {key.split(".")[1] for key in state}
    assert not torch.equal(state[f"members.0.{name}"], state[f"members.1.{name}"])


def test_calibrators_of_many_patients_rest_on_the_mean_logit_of_the_calibrate_patients(
    folds_of_many,
):
    package = open_package(folds_of_many / "model")

    assert 12 == len(logits_of(folds_of_many)) == package.calibration("high", "image").patients


def test_the_package_gives_the_logits_that_the_calibrators_were_fitted_on(
    tmp_path, many, folds_of_many
):
    scans = tmp_path / "scans"
    scans.mkdir()
    with (folds_of_many / "logits.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    expected = {row["path"].split("/")[-1]: float(row["high_logit"]) for row in rows}
    for name in expected:
        shutil.copy(many.parent / name, scans)

    outcome = medrec(
        *("screen", scans, "--model", folds_of_many / "model", "--out", tmp_path / "out"),
    )

    assert 0 == outcome.exit_code, outcome.output
    lines = (tmp_path / "out" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    found = {one["source"]: one["findings"][0]["logit"] for one in map(json.loads, lines)}
    assert expected == pytest.approx(found, abs=1e-3)  # prepared films are kept in half precision
    assert list((tmp_path / "out" / "cases").glob("*/*heat*"))


def test_each_fold_of_few_patients_is_judged_by_as_many_seeds_as_ship(seeds_of_few):
    folders = folders_of(seeds_of_few, "**/last.ckpt")

    expected = [f"{part}members/{n}" for part in ("folds/0/", "folds/1/", "") for n in (0, 1)]
    assert expected == folders


def test_the_first_member_of_seeds_is_the_network_of_a_run_without_an_ensemble(
    tmp_path, few, seeds_of_few
):
    alone = load_network(open_package(train(few, tmp_path / "run") / "model"), device="cpu")
    ensemble = load_network(open_package(seeds_of_few / "model"), device="cpu")

    assert _equal(alone.state_dict(), ensemble.members[0].state_dict())
    assert not _equal(alone.state_dict(), ensemble.members[1].state_dict())


def _equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_few_patients_ship_the_networks_of_their_folds(tmp_path, few):
    run = train(few, tmp_path / "run", "ensemble={kind: folds}")

    card = (run / "model" / "model-card.md").read_text(encoding="utf-8")
    assert ["folds/0", "folds/1"] == folders_of(run, "**/last.ckpt")
    assert 2 == open_package(run / "model").manifest.members
    assert "the mean of several networks varies less" in card


def test_a_run_that_lacks_its_last_member_goes_on_to_the_same_package(
    tmp_path, many, folds_of_many
):
    run = tmp_path / "again"
    shutil.copytree(folds_of_many, run)
    shutil.rmtree(run / "model")
    shutil.rmtree(run / "members" / "2")

    outcome = medrec(
        *("train", many, "--out", run, "--device", "cpu", "--resume"),
        *("--set", "ensemble={kind: folds}"),
    )

    assert 0 == outcome.exit_code, outcome.output
    assert open_package(folds_of_many / "model").digest == open_package(run / "model").digest


def test_folds_that_few_patients_are_not_split_into_are_refused_before_anything_is_read(
    tmp_path, few
):
    outcome = medrec(
        *("train", few, "--out", tmp_path / "run", "--set", "ensemble={kind: folds, folds: 4}"),
    )

    assert 1 == outcome.exit_code
    assert "splits.folds=4" in outcome.stderr
    assert not (tmp_path / "run").exists()
