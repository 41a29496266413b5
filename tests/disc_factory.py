"""A CD made up for tests: images and the DICOMDIR that names them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from pydicom import dcmread
from pydicom.fileset import FileSet

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def a_disc(images: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the images of a folder as a CD to `folder / "disc"`; they get the dates it wants."""
    # pydicom leaves its temporary folders to the garbage collector, which warns of each.
    stage = SimpleNamespace(name=str(folder / "stage"), cleanup=lambda: None)
    (folder / "stage").mkdir()
    monkeypatch.setattr("pydicom.fileset.TemporaryDirectory", lambda: stage)
    fileset = FileSet()
    for path in sorted(images.iterdir()):
        image = dcmread(path)
        image.StudyDate, image.StudyTime, image.StudyID = "20000101", "000000", "1"
        image.save_as(path)
        fileset.add(path)
    fileset.write(folder / "disc")
    return folder / "disc"
