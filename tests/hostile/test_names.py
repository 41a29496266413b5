"""What files and headers are called: no name steers a page, a table, a log or a terminal."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
import yaml
from hostile.dicom_inputs import image, put

if TYPE_CHECKING:
    from pathlib import Path

NAMES = (
    b"new\nline.dcm",
    b"carriage\rreturn.dcm",
    b"\xff\xfe latin \xe4.dcm",
    b"l" * 251 + b".dcm",
    b"-leading --help.dcm",
    b"=HYPERLINK(1).dcm",
    b"@sum.dcm",
    b"\x1b[31mred\x1b[0m\x07.dcm",
    b"<img src=x onerror=alert(3)>.dcm",
    b"{{ 7 * 7 }}'\"&amp;.dcm",
    b"[bold]rich[bold].dcm",
    "\u202egnp.dcm".encode(),
    b" ",
)
TAGS = {
    "PatientName": "<script>alert('Planted')</script>",
    "PatientID": "=cmd|'/c calc'!Planted",
    "PatientBirthDate": "19010203",
    "AccessionNumber": "Planted-accession",
    "StudyDescription": "\x1b[31mPlanted study",
    "SeriesDescription": "<img src=x onerror=alert(1)>",
    "Manufacturer": "=HYPERLINK(1)<script>alert(2)</script>\x1b[31m\r\n",
    "ViewPosition": "<blink>\x1b[31m",
    "ImageLaterality": "'\"><marquee>",
    "BodyPartExamined": "HEAD",
}
PLANTED = (b"Planted", b"19010203", b"calc")


@pytest.fixture(scope="module")
def runs(brain_model, tmp_path_factory):
    """The folder with such names, what `screen` wrote of it, and what the terminal was told."""
    home = tmp_path_factory.mktemp("names")
    scans, out = home / "scans", home / "out"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in NAMES:
            put(image(), scans / "plain.dcm")
            os.rename(scans / "plain.dcm", os.fsencode(scans) + b"/" + name)  # noqa: PTH104
        put(image(**TAGS), scans / "tags.dcm")
        put(image(**TAGS | {"Modality": "CT"}), scans / "refused.dcm")
        put(image(**TAGS | {"Rows": 0}), scans / "malformed.dcm")
    verbs = {
        "screen": ["screen", str(scans), "--model", str(brain_model.folder), "--out", str(out)],
        "inspect": ["inspect", str(scans), "--rules", str(brain_model.folder)],
        "report": ["report", str(out)],
    }
    environment = {**os.environ, "XDG_CONFIG_HOME": str(home / "config")}
    told = {
        verb: subprocess.run(
            [sys.executable, "-m", "medrec", *words],
            capture_output=True,
            check=False,
            env=environment,
            timeout=300,
        )
        for verb, words in verbs.items()
    }
    return scans, out, told


@pytest.fixture(scope="module")
def out(runs):
    return runs[1]


def table(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


class Tags(HTMLParser):
    """Elements and attributes of a page."""

    def __init__(self):
        super().__init__()
        self.found = []
        self.handlers = []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def test_every_file_is_scored_whatever_its_name(runs, out):
    scored = [row["path"] for row in table(out / "files.csv") if row["status"] == "scored"]

    assert 3 == runs[2]["screen"].returncode
    assert len(NAMES) + 1 == len(set(scored))


def test_all_tables_list_the_same_names_and_are_valid_text(out):
    files = {row["path"] for row in table(out / "files.csv") if row["status"] == "scored"}

    assert files == {row["source"] for row in table(out / "images.csv")}
    summary = {row["source"] for row in table(out / "summary.csv") if row["status"] == "scored"}
    assert files == summary
    assert "\\xff\\xfe latin \\xe4.dcm" in files


def test_no_cell_of_a_table_is_a_formula(out):
    cells = [
        cell
        for path in out.glob("*.csv")
        for row in table(path)
        for name, cell in row.items()
        if not name.endswith(("_probability", "_score"))
    ]

    assert len(cells) > 100
    assert [] == [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_the_journal_is_one_json_object_a_line(out):
    lines = (out / "predictions.jsonl").read_bytes().split(b"\n")

    sources = [json.loads(line)["source"] for line in lines if line]

    assert {"new\nline.dcm", "\x1b[31mred\x1b[0m\x07.dcm"} <= set(sources)
    assert [] == [line for line in lines if b"\x1b" in line or b"\r" in line]


def test_no_page_holds_markup_from_a_scan(out):
    pages = sorted(out.rglob("*.html"))

    assert len(pages) > len(NAMES)
    for page in pages:
        tags = Tags()
        text = page.read_text(encoding="utf-8")
        tags.feed(text)
        assert tags.found.count("script") <= 1
        assert [] == tags.handlers
        assert not {"blink", "marquee"} & set(tags.found)
        assert "Content-Security-Policy" in text


def test_nothing_written_for_eyes_holds_a_control_character(out):
    texts = [*out.rglob("*.html"), *out.rglob("*.yaml"), *out.glob("cases/*/*.json")]

    assert len(texts) > len(NAMES)
    assert [] == [str(p) for p in texts if {b"\x1b", b"\x07"} & set(_bytes(p))]


def _bytes(path: Path) -> list[bytes]:
    return [bytes([value]) for value in set(path.read_bytes())]


@pytest.mark.parametrize("verb", ["screen", "inspect", "report"])
def test_no_name_steers_the_terminal(runs, verb):
    outcome = runs[2][verb]
    said = outcome.stdout + outcome.stderr

    assert b"Traceback" not in said
    assert b"\x1b[31m" not in said
    assert b"\x07" not in said
    assert "\u202e".encode() not in said
    assert b"\rreturn" not in said
    assert b"line.dcm" in said or verb == "report"
    assert b"\nline.dcm" not in said


def test_no_name_number_or_date_of_a_patient_is_written_or_said(runs, out):
    written = [path for path in out.rglob("*") if path.is_file()]
    said = [outcome.stdout + outcome.stderr for outcome in runs[2].values()]

    # Pictures are left out: four letters may come up by chance in so much of base64.
    texts = {path: re.sub(rb"base64,[\w+/=]+", b"", path.read_bytes()) for path in written}
    found = [path.name for path, text in texts.items() for word in PLANTED if word in text]

    assert len(written) > len(NAMES)
    assert [] == found
    assert [] == [text for text in said for word in PLANTED if word in text]


def test_the_run_file_is_plain_data(out):
    assert yaml.safe_load((out / "run.yaml").read_text(encoding="utf-8"))["finished"] is True
