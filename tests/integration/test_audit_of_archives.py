"""The audit of public archives: what is twice in them is found, and nothing else."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.workflows.audit import audit

pytestmark = [pytest.mark.data, pytest.mark.slow]

SAME_FILM = {"LIDC-IDRI-0029", "LIDC-IDRI-0138"}
CHANGED = 12


@pytest.fixture(scope="module")
def archive():
    folder = Path(os.environ.get("MEDREC_TEST_DATA", "")) / "xray-chest-nodules"
    if not (folder / "cases.csv").is_file():
        pytest.skip("MEDREC_TEST_DATA names no folder with xray-chest-nodules/cases.csv")
    return folder


@pytest.fixture
def films(archive):
    """Path and patient of each film."""
    with (archive / "cases.csv").open(encoding="utf-8", newline="") as stream:
        found = [(archive / row["image"], row["patient"]) for row in csv.DictReader(stream)]
    assert len(found) > 300
    return found


def write_manifest(path, films):
    rows = [f"{os.path.relpath(film, path.parent)},{patient}" for film, patient in films]
    path.write_text("\n".join(["path,patient", *rows]), encoding="utf-8")
    return path


def test_the_film_under_two_names_is_found_and_no_other(films, tmp_path):
    wanted = [str(n) for n, (_, patient) in enumerate(films, start=1) if patient in SAME_FILM]

    report = audit(write_manifest(tmp_path / "films.csv", films))

    (problem,) = report.blocking
    assert ("duplicates", 1, ()) == (problem.kind, report.identical, report.near.confirmed)
    assert f"rows {wanted[0]} and {wanted[1]}" in problem.text


def test_films_that_were_changed_on_their_way_are_confirmed_and_no_others(films, tmp_path):
    """Smaller, mirrored or not, another brightness, saved as JPEG, under another patient's name."""
    films = [(path, patient) for path, patient in films if patient not in SAME_FILM]
    copies = []
    for number, (path, _) in enumerate(films[::30][:CHANGED]):
        with Image.open(path) as film:
            small = film.convert("L").resize((film.width * 3 // 4, film.height * 3 // 4))
        values = 255 * (np.asarray(small)[:, :: 1 - 2 * (number % 2)] / 255.0) ** 0.85
        copies.append((tmp_path / f"copy{number}.jpg", f"stranger{number}"))
        Image.fromarray(values.astype(np.uint8)).save(copies[-1][0], quality=80)

    report = audit(write_manifest(tmp_path / "films.csv", [*films, *copies]))

    pairs = {(pair.first, pair.second) for pair in report.near.confirmed}
    assert {(30 * n, len(films) + n) for n in range(CHANGED)} == pairs
    assert ["near_duplicates"] == [problem.kind for problem in report.blocking]


def test_a_training_that_does_not_name_the_two_one_patient_is_stopped(archive, tmp_path):
    config = Path(__file__).parents[2] / "configs" / "train" / "xray-chest-nodules.yaml"
    changes = [f"data.root={archive}", "data.same_patient=[]", "splits.file=null"]
    options = [word for change in changes for word in ("--set", change)]

    outcome = CliRunner().invoke(
        app, ["train", str(config), "--out", str(tmp_path / "run"), "--device", "cpu", *options]
    )

    assert 1 == outcome.exit_code
    assert re.search("problems? that leaks? the test", outcome.stderr)
    assert re.search(
        r"1 picture stands in several splits or folds, rows \d+ and \d+", outcome.stderr
    )
