"""A disk that fills up at any write: one message, nothing half written, and a way on."""

from __future__ import annotations

import csv
import errno
import json
import os
from pathlib import Path

import pytest
from hostile.dicom_inputs import image, put
from typer.testing import CliRunner

import medrec
from medrec.cli.app import app
from medrec.errors import OutputError


class Disk:
    """Counts what is written, and after so many writes has room for none."""

    def __init__(self, monkeypatch, room=10**9):
        self.room, self.writes = room, 0
        self._write_bytes, self._write_text, self._fsync = (
            Path.write_bytes,
            Path.write_text,
            os.fsync,
        )
        # Lambdas, since a method that is already bound would not be given the path.
        monkeypatch.setattr(Path, "write_bytes", lambda *a, **k: self._bytes(*a, **k))  # noqa: PLW0108
        monkeypatch.setattr(Path, "write_text", lambda *a, **k: self._text(*a, **k))  # noqa: PLW0108
        monkeypatch.setattr(os, "fsync", self._sync)

    def _is_full(self):
        self.writes += 1
        return self.writes > self.room

    def _bytes(self, path, data):
        if self._is_full():
            self._write_bytes(path, data[: len(data) // 2])
            raise _full()
        return self._write_bytes(path, data)

    def _text(self, path, text, **options):
        if self._is_full():
            self._write_text(path, text[: len(text) // 2], **options)
            raise _full()
        return self._write_text(path, text, **options)

    def _sync(self, descriptor):
        if self._is_full():
            raise _full()
        self._fsync(descriptor)


def _full():
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/disk/of/a/patient")


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    for number in range(2):
        put(image(), folder / f"scan{number}.dcm")
    (folder / "refused.dcm").write_bytes(b"no scan")
    return folder


@pytest.fixture
def key(monkeypatch, tmp_path, brain_model, scans):
    """The key is there: what is tried is the output."""
    medrec.screen(scans, model=brain_model.folder, out=tmp_path / "first")


def whole_or_absent(out):
    """Every file but the journal and parts is whole; returns how many there were."""
    checked = 0
    for path in out.rglob("*"):
        if not path.is_file() or path.suffix in (".part", ".jsonl"):
            continue
        assert not path.name.startswith("."), path
        text = path.read_bytes()
        match path.suffix:
            case ".html":
                assert text.rstrip().endswith(b"</html>"), path
            case ".json":
                json.loads(text)
            case ".png":
                assert text.endswith(b"IEND\xaeB`\x82"), path
            case ".csv":
                assert len(list(csv.reader(text.decode().splitlines()))) >= 3
            case ".yaml":
                assert text.endswith(b"\n")
        checked += 1
    return checked


def answers(result):
    return [(p.source, p.status, p.decision, p.findings) for p in result.predictions]


@pytest.mark.usefixtures("key")
def test_whenever_the_disk_fills_up_nothing_is_half_written_and_resume_goes_on(
    tmp_path, scans, brain_model, monkeypatch
):
    facts = {"model": brain_model.folder}
    with monkeypatch.context() as patch:
        disk = Disk(patch)
        whole = medrec.screen(scans, **facts, out=tmp_path / "whole")
    rooms = range(0, disk.writes, max(1, disk.writes // 5))

    for room in rooms:
        out = tmp_path / f"room{room}"
        with monkeypatch.context() as patch:
            Disk(patch, room)
            with pytest.raises(OutputError, match="No space left on device"):
                medrec.screen(scans, **facts, out=out)
        whole_or_absent(out)
        resumed = medrec.screen(scans, **facts, out=out, resume=True)
        assert answers(whole) == answers(resumed)
        assert whole.files == resumed.files
        assert whole_or_absent(out) == whole_or_absent(tmp_path / "whole")

    assert len(rooms) >= 5


@pytest.mark.usefixtures("key")
def test_a_full_disk_is_one_message_and_exit_code_1(tmp_path, scans, brain_model, monkeypatch):
    command = ["screen", str(scans), "--model", str(brain_model.folder)]
    with monkeypatch.context() as patch:
        Disk(patch, 5)
        outcome = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])

    assert 1 == outcome.exit_code
    assert "No space left on device" in outcome.stderr
    assert "--resume" in outcome.stderr
    assert "Traceback" not in outcome.output
    assert "/disk/of/a/patient" not in outcome.output


def test_an_output_folder_that_can_t_be_made_is_one_message(tmp_path, scans, brain_model):
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(OutputError):
        medrec.screen(scans, model=brain_model.folder, out=tmp_path / "file" / "out")
