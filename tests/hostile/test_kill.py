"""Kills at any step: what is finished stays, and with --resume it ends like one run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from hostile.dicom_inputs import image, put
from hostile.nifti_inputs import whole

import medrec
from medrec.io.predictions import read_journal

CASES = 8
TABLES = ("files.csv", "summary.csv", "images.csv")


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    for number in range(CASES - 2):
        put(image(), folder / f"scan{number}.dcm")
    (folder / "brain.nii").write_bytes(whole(1))
    put(image(Rows=0), folder / "refused.dcm")
    put(image(Modality="CT"), folder / "ct.dcm")
    return folder


def lines_of(out):
    path = out / "predictions.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


# What is there at the moment of the kill.
MOMENTS = {
    "nothing": lambda _: True,
    "the question": lambda out: (out / "run.yaml").exists(),
    "a page before its line": lambda out: (out / "cases").exists(),
    "a file row": lambda out: (out / "files.csv.part").exists(),
    "one line": lambda out: lines_of(out) >= 1,
    "half": lambda out: lines_of(out) >= CASES // 2,
    "all lines": lambda out: lines_of(out) >= CASES,
    "a table": lambda out: (out / "files.csv").exists(),
}


def start(scans, model, out):
    command = ["screen", str(scans), "--model", str(model.folder), "--out", str(out)]
    resume = ["--resume"] if out.exists() else []
    return subprocess.Popen(
        [sys.executable, "-m", "medrec", *command, *resume],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_when(process, is_time):
    """Kill the whole group once it is time; a run that was faster has ended."""
    deadline = time.monotonic() + 120
    while process.poll() is None and not is_time():
        assert time.monotonic() < deadline
        time.sleep(0.002)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def answers(result):
    return [
        (p.case_id, p.source, p.status, p.decision, p.findings, p.images, p.reason)
        for p in result.predictions
    ]


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_like_one_run(tmp_path, scans, brain_model):
    whole_run = medrec.screen(scans, model=brain_model.folder, out=tmp_path / "whole")
    out, kept = tmp_path / "killed", 0

    for is_time in MOMENTS.values():
        process = start(scans, brain_model, out)
        kill_when(process, lambda is_time=is_time: is_time(out))
        assert lines_of(out) >= kept, "a finished case was lost"
        kept = lines_of(out)
    resumed = medrec.screen(scans, model=brain_model.folder, out=out, resume=True)

    assert answers(whole_run) == answers(resumed)
    assert CASES == lines_of(out) == len(read_journal(out)), "a case was done twice"
    for name in TABLES:
        assert _without_seconds(tmp_path / "whole" / name) == _without_seconds(out / name)
    pages = [sorted(p.name for p in (o / "cases").iterdir()) for o in (tmp_path / "whole", out)]
    assert pages[0] == pages[1]
    assert [] == [p for p in out.rglob("*") if p.suffix in (".part", ".tmp")]


def _without_seconds(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.rpartition(",")[0] if path.name == "summary.csv" else line for line in lines]
