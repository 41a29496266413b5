from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from medrec.calibration.files import (
    read_calibration,
    read_operating_points,
    write_calibration,
    write_operating_points,
)
from medrec.calibration.fit import fit_calibration
from medrec.calibration.operating_point import Population, Target, fit_operating_point
from medrec.domain.finding import Label
from medrec.errors import PackageError

TUMOR = Label("tumor")


@pytest.fixture
def entries(distort, rng):
    return tuple(
        fit_calibration(
            distort(30, intercept=1.0), label=TUMOR, level=level, method=method, rounds=50, rng=rng
        )
        for level, method in (("image", "temperature"), ("exam", "platt"))
    )


@pytest.fixture
def points(distort, entries, rng):
    samples = distort(30, intercept=1.0)
    samples = samples.with_probability(entries[1].probability(samples.logit))
    where = Population(TUMOR, "exam", "30 patients, cross-fitted")
    return tuple(
        fit_operating_point(samples, target, population=where, rounds=50, rng=rng)
        for target in (Target("rule_out", sensitivity=0.95), Target("rule_in", specificity=0.9))
    )


def test_calibrators_come_back_as_they_went(entries, tmp_path):
    write_calibration(tmp_path / "calibration.json", entries)

    back = read_calibration(tmp_path / "calibration.json")

    logits = np.linspace(-5, 5, 11)
    for before, after in zip(entries, back, strict=True):
        assert before.probability(logits).tolist() == after.probability(logits).tolist()
        assert (before.method, before.level, before.patients) == (
            after.method,
            after.level,
            after.patients,
        )
        assert before.ece_after == after.ece_after
        assert before.interval(1.0) == pytest.approx(after.interval(1.0), abs=1e-5)


def test_operating_points_come_back_as_they_went(points, tmp_path):
    write_operating_points(tmp_path / "operating_points.yaml", points)

    assert points == read_operating_points(tmp_path / "operating_points.yaml")


def test_the_same_entries_give_the_same_bytes(entries, tmp_path):
    for name in ("a", "b"):
        write_calibration(tmp_path / name, entries)

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_is_written_again_does_not_change(entries, tmp_path):
    write_calibration(tmp_path / "a", entries)
    write_calibration(tmp_path / "b", read_calibration(tmp_path / "a"))

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def _change(path, edit):
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))


def test_every_problem_is_listed_at_once(entries, tmp_path):
    path = tmp_path / "calibration.json"
    write_calibration(path, entries)

    def spoil(data):
        data["entries"][0]["level"] = "study"
        data["entries"][0]["surprise"] = 1
        data["entries"][1]["patients"] = "many"
        del data["entries"][1]["method"]

    _change(path, spoil)

    with pytest.raises(PackageError) as caught:
        read_calibration(path)

    message = str(caught.value)
    assert "4 problems" in message
    for place in (
        "entries.0.level",
        "entries.0.surprise",
        "entries.1.patients",
        "entries.1.method",
    ):
        assert place in message


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda data: data.update(schema="medrec.calibration/2"), "schema"),
        (lambda data: data["entries"][1]["parameters"].update(slope=-1.0), "entries.1: a slope"),
        (lambda data: data["entries"][0].update(parameters={"slope": 1.0}), "entries.0: method"),
        (lambda data: data["entries"][1]["replicates"]["slope"].pop(), "entries.1"),
        (lambda data: data["entries"].append(data["entries"][0]), "more than once"),
        (lambda data: data["entries"][0]["ece_after"].update(low=9.0), "interval"),
    ],
)
def test_a_changed_calibration_is_refused(entries, tmp_path, edit, message):
    path = tmp_path / "calibration.json"
    write_calibration(path, entries)
    _change(path, edit)

    with pytest.raises(PackageError, match=message):
        read_calibration(path)


@pytest.mark.parametrize("text", ["{", "[1, 2]", "", "\ud800"])
def test_what_is_no_calibration_is_refused(tmp_path, text):
    path = tmp_path / "calibration.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    with pytest.raises(PackageError, match=r"calibration\.json"):
        read_calibration(path)


def test_a_missing_file_is_a_package_error(tmp_path):
    with pytest.raises(PackageError, match="can't be read"):
        read_operating_points(tmp_path / "operating_points.yaml")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda data: data["points"][0].update(threshold=1.5), "points.0: a threshold"),
        (lambda data: data["points"][0].update(threshold=float("nan")), "points.0.threshold"),
        (lambda data: data["points"].append(data["points"][0]), "more than once"),
        (lambda data: data["points"][1].update(extra=1), "points.1.extra"),
    ],
)
def test_changed_operating_points_are_refused(points, tmp_path, edit, message):
    path = tmp_path / "operating_points.yaml"
    write_operating_points(path, points)
    data = yaml.safe_load(path.read_text())
    edit(data)
    path.write_text(yaml.safe_dump(data))

    with pytest.raises(PackageError, match=message):
        read_operating_points(path)


def test_yaml_that_would_run_code_is_refused(tmp_path):
    path = tmp_path / "operating_points.yaml"
    path.write_text("!!python/object/apply:os.getcwd []\n")

    with pytest.raises(PackageError, match="not YAML"):
        read_operating_points(path)
