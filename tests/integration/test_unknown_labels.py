"""Labels that nobody knows of a film, from the manifest to the evaluation: they count nowhere."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from training_factory import PLACES_PX, write_config, write_films
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.package.package import open_package

PAIR = ("high", "low")
CLASSES = tuple(PLACES_PX)
PATIENTS = 48
# Films come in turns of these discs, so that labels and blanks meet in each way.
DISCS = ("high", "low", None, "middle")


def medrec(*arguments):
    outcome = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert 0 == outcome.exit_code, outcome.output
    return outcome


def read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def blank(manifest, is_blank):
    """Empty the labels (number of the film, name) that `is_blank` picks."""
    rows = read(manifest)
    for number, row in enumerate(rows):
        row |= {label: "" for label in CLASSES if is_blank(number, label)}
    with manifest.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    return manifest


def run_through(folder, config, *options):
    """Train, screen all films, evaluate the test's; return the run and what was found."""
    run, out, found = folder / "run", folder / "out", folder / "evaluation"
    medrec("train", config, "--out", run, "--device", "cpu")
    medrec("screen", folder / "films", "--model", run / "model", "--out", out, "--device", "cpu")
    medrec(
        *("evaluate", out, "--against", run / "manifest.csv", "--split", "test"),
        *("--out", found, *options),
    )
    return run, json.loads((found / "evaluation.json").read_text(encoding="utf-8"))


def screened_by(run):
    lines = (run.parent / "out" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def known(rows, label):
    return {row["path"]: int(row[label]) for row in rows if row[label]}


def log_loss(logit, truth):
    return float(np.logaddexp(0, -logit if truth else logit))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two labels: of a third of the films one is unknown, of one in six both are."""
    folder = tmp_path_factory.mktemp("pair")
    manifest = write_films(folder / "films", DISCS * (PATIENTS // len(DISCS)))
    turns = {0: PAIR, 1: ("high",), 2: ("low",)}
    blank(manifest, lambda number, label: label in turns.get(number // 2 % 6, ()))
    splits = {"folds": 2, "file": "splits.csv"}
    config = write_config(folder, manifest, labels=[*PAIR], primary_label="high", splits=splits)
    return run_through(folder, config)


@pytest.fixture(scope="module")
def rows_of(pair):
    """The rows of the run's manifest, by split."""
    rows = read(pair[0] / "manifest.csv")
    return {split: [row for row in rows if row["split"] == split] for split in ("train", "test")}


def test_the_test_has_films_of_which_each_label_alone_or_both_are_unknown(rows_of):
    for rows in rows_of.values():
        assert {(True, True), (True, False), (False, True), (False, False)} == {
            tuple(bool(row[label]) for label in PAIR) for row in rows
        }


def test_figures_count_the_films_whose_label_is_known_alone(pair, rows_of):
    run, found = pair
    screened = screened_by(run)
    for label in PAIR:
        truth = {path.split("/")[-1]: t for path, t in known(rows_of["test"], label).items()}
        logit = {
            one["source"]: finding["logit"]
            for one in screened
            for finding in one["findings"]
            if finding["label"] == label
        }
        measured = found["labels"][label]
        unknown = len(rows_of["test"]) - len(truth)
        assert (len(truth), sum(truth.values()), unknown) == (
            measured["n"],
            measured["positives"],
            measured["unknown"],
        )
        expected = roc_auc_score([*truth.values()], [logit[name] for name in truth])
        assert expected == pytest.approx(measured["auroc"]["value"])


def test_calibrators_rest_on_the_films_whose_label_is_known_alone(pair, rows_of):
    package = open_package(pair[0] / "model")
    for label in PAIR:
        truth = known(rows_of["train"], label)
        for level in ("image", "exam"):  # a patient has one film
            entry = package.calibration(label, level)
            assert (len(truth), sum(truth.values())) == (entry.patients, entry.positives)


@pytest.mark.parametrize("fold", ["0", "1"])
def test_the_loss_of_a_held_out_fold_is_the_mean_over_what_is_known(pair, rows_of, fold):
    run, _ = pair
    fold_of = {row["patient"]: row["fold"] for row in read(run.parent / "splits.csv")}
    logits = {row["path"].split("/")[-1]: row for row in read(run / "logits.csv")}
    losses = [
        log_loss(float(logits[row["path"].split("/")[-1]][f"{label}_logit"]), row[label] == "1")
        for row in rows_of["train"]
        for label in PAIR
        if row[label] and fold_of[row["patient"]] == fold
    ]

    history = json.loads((run / "folds" / fold / "history.json").read_text(encoding="utf-8"))
    # The logits are those of weights in half precision.
    assert np.mean(losses) == pytest.approx(history[-1]["watched_loss"], rel=0.01)


def test_a_film_of_which_nothing_is_known_is_screened_for_both_labels(pair):
    run, _ = pair
    screened = screened_by(run)

    assert PATIENTS == len(screened)
    assert all({*PAIR} == {f["label"] for f in one["findings"]} for one in screened)


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    """Classes that exclude each other: of a quarter of the films nobody knows which one it is."""
    folder = tmp_path_factory.mktemp("classes")
    manifest = write_films(folder / "films", CLASSES * (PATIENTS // 3))

    def is_blank(number, label):
        # Unknown; or the true class is stated alone, which says that the others are absent.
        return number // 3 % 4 == 0 or (number // 3 % 4 == 1 and label != CLASSES[number % 3])

    blank(manifest, is_blank)
    config = write_config(
        folder, manifest, labels=[*CLASSES], primary_label="middle", exclusive=[[*CLASSES]]
    )
    return run_through(folder, config, "--set", "exclusive=[[high, middle, low]]")


def test_a_film_of_unknown_class_is_in_no_figure_and_in_no_calibrator(classes):
    run, found = classes
    rows = read(run / "manifest.csv")
    count = {
        split: [sum(any(row[one] == "1" for one in CLASSES) is wanted for row in rows
                    if row["split"] == split) for wanted in (True, False)]
        for split in ("train", "test")
    }  # fmt: skip

    (group,) = found["exclusive"]
    assert PATIENTS // 4 == count["train"][1] + count["test"][1]
    assert count["test"] == [group["n"], group["unknown"]]
    assert count["test"][0] == sum(map(sum, group["confusion"]))
    assert {count["test"][0]} == {found["labels"][label]["n"] for label in CLASSES}
    calibrations = open_package(run / "model").calibrations
    assert {count["train"][0]} == {entry.patients for entry in calibrations}
