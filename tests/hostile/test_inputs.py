"""Every hostile file of the table, in one folder with a good image: each gets its verdict."""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
from hostile.archive_inputs import ESCAPED
from hostile.dicom_inputs import image, put
from hostile.table import TABLE
from package_factory import a_package

import medrec
from medrec.io.predictions import read_journal

ROWS = [row for row in TABLE if row.make]
GOOD = "good/scan.dcm"


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """All hostile files, each row in a folder of its own, and one good image."""
    scans = tmp_path_factory.mktemp("scans")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, of what these files are made for
        put(image(), scans / GOOD)
        for row in ROWS:
            row.make(scans / row.folder)
    return scans


class Run:
    """One run of the command over the folder, at home in a folder of its own."""

    def __init__(self, scans, model, home):
        self.scans, self.home, self.out = scans, home, home / "run"
        for name in ("tmp", "config"):
            (home / name).mkdir()
        self.before = digests(scans)
        command = ["screen", str(scans), "--model", str(model.folder), "--out", str(self.out)]
        self.outcome = subprocess.run(
            [sys.executable, "-m", "medrec", *command],
            capture_output=True,
            check=False,
            env={
                **os.environ,
                "TMPDIR": str(home / "tmp"),
                "XDG_CONFIG_HOME": str(home / "config"),
            },
            timeout=600,
        )
        self.after = digests(scans)
        with (self.out / "files.csv").open(encoding="utf-8", newline="") as stream:
            self.files = list(csv.DictReader(stream))
        self.predictions = read_journal(self.out)

    def rows_of(self, place):
        return [row for row in self.files if row["path"].startswith(f"{place}/")]

    def predictions_of(self, place):
        return [p for p in self.predictions if p.source.startswith(f"{place}/")]


def digests(folder):
    """Content and time of every file below a folder."""
    return {
        path: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def run(scans, brain_model, tmp_path_factory):
    return Run(scans, brain_model, tmp_path_factory.mktemp("home"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number} {row.what}")
def test_a_hostile_file_gets_its_verdict_in_one_row(run, row):
    there = sorted(
        path.relative_to(run.scans).as_posix()
        for path in (run.scans / row.folder).rglob("*")
        if path.is_file()
    )
    wanted = {path: row.verdict(Path(path).name) for path in there}

    found = [
        (r["path"], ":".join(filter(None, (r["status"], r["code"]))))
        for r in run.rows_of(row.folder)
    ]

    assert there
    assert sorted(wanted.items()) == sorted(found)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.notes], ids=lambda row: f"{row.number} {row.what}"
)
def test_a_scored_oddity_carries_its_note(run, row):
    predictions = run.predictions_of(row.folder)

    assert predictions
    for prediction in predictions:
        assert set(row.notes) <= {str(note.code) for note in prediction.notes}


def test_the_good_image_among_them_is_scored(run):
    (row,) = [row for row in run.files if row["path"] == GOOD]

    assert "scored" == row["status"]


def test_every_file_has_exactly_one_row(run):
    there = [p.relative_to(run.scans).as_posix() for p in run.scans.rglob("*") if p.is_file()]

    assert sorted(there) == sorted(row["path"] for row in run.files)


def test_the_run_ends_with_exit_code_3_and_no_traceback(run):
    assert 3 == run.outcome.returncode
    assert b"Traceback" not in run.outcome.stdout + run.outcome.stderr
    assert b"Warning" not in run.outcome.stdout + run.outcome.stderr


def test_what_is_not_scored_says_why_and_has_no_probability(run):
    unscored = [p for p in run.predictions if p.status != "scored"]

    assert unscored
    assert not [p.source for p in unscored if p.findings or p.images or not p.reason.detail]
    assert not [r for r in run.files if r["status"] in ("refused", "failed") and not r["detail"]]


def test_the_originals_are_untouched(run):
    assert run.before == run.after


def test_nothing_is_written_outside_out_but_the_key(run):
    outside = [
        path for path in run.home.rglob("*") if path.is_file() and run.out not in path.parents
    ]
    escaped = list(run.home.parent.rglob(f"*{ESCAPED}*"))

    assert [run.home / "config" / "medrec" / "patient.key"] == outside
    assert [] == [*escaped, *Path(tempfile.gettempdir()).glob(f"*{ESCAPED}*")]


def test_an_unknown_transfer_syntax_is_named(run):
    (row,) = run.rows_of("row22")

    assert "1.2.826.0.1.3680043.8.498.99.1" in row["detail"]


def test_polarity_twins_get_the_same_probability(run):
    first, second = run.predictions_of("row43")

    assert first.findings[0].probability == pytest.approx(second.findings[0].probability, abs=1e-6)


@pytest.mark.parametrize(
    ("place", "cases"), [("row41c", 1), ("row44", 1), ("row45", 2), ("row45b", 2)]
)
def test_images_are_put_into_as_many_cases_as_they_are_of(run, place, cases):
    assert cases == len({p.case_id for p in run.predictions_of(place)})


def test_a_hand_is_refused_by_a_model_of_chests(tmp_path):
    facts = {"modality": ["DX", "CR"], "body_part": ["CHEST"], "dimensionality": "image"}
    chest = a_package(tmp_path / "model", input=facts)
    for part in ("CHEST", "HAND"):
        put(image(modality="DX", BodyPartExamined=part), tmp_path / "scans" / f"{part}.dcm")

    result = medrec.screen(tmp_path / "scans", model=chest.folder, out=tmp_path / "out")

    assert {"CHEST.dcm": ("scored", ""), "HAND.dcm": ("refused", "out_of_scope")} == {
        record.path: (record.status, record.code) for record in result.files
    }
