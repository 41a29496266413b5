"""Archives, gzipped images and DICOMDIRs with damage anywhere: refused, and nothing is left."""

from __future__ import annotations

import gzip
import io
import zipfile

import numpy as np
import pytest
from dicom_factory import a_stack, save_stack
from disc_factory import a_disc

from medrec.errors import RefusedScanError
from medrec.io.archive import unpack
from medrec.io.dicomdir import referenced_files
from medrec.io.discover import FoundFile
from medrec.io.gzipped import inflate

ROUNDS = 300


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    voxels = np.arange(7 * 9 * 3, dtype=np.uint16).reshape(7, 9, 3)
    return save_stack(a_stack(voxels), tmp_path_factory.mktemp("scans") / "head")


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with a few bytes changed, missing or added; half of it near the end."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        low = rng.choice([0, max(0, len(changed) - 400)])
        at, count = int(rng.integers(low, len(changed))), int(rng.integers(1, 30))
        match rng.integers(4):
            case 0:
                changed[at] = rng.integers(256)
            case 1:
                changed[at : at + 4] = rng.choice([b"\xff" * 4, b"\x00" * 4, rng.bytes(4)])
            case 2:
                del changed[at : at + count]
            case _:
                changed[at:at] = rng.bytes(count)
    return bytes(changed)


def refusals(path, content, read, workspace):
    """How often damage was refused; any other error is not caught."""
    count, leavers = 0, []
    for seed in range(ROUNDS):
        path.write_bytes(damaged(content, np.random.default_rng(seed)))
        before = set(workspace.iterdir())
        try:
            read(path)
        except RefusedScanError:
            count += 1
            leavers += [seed] if before != set(workspace.iterdir()) else []
    assert [] == leavers
    return count


def test_a_zip_with_damage_anywhere_is_read_or_refused_whole(tmp_path, head):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("study/", b"")
        for file in sorted(head.iterdir()):
            archive.write(file, f"study/{file.name}")
    (workspace := tmp_path / "workspace").mkdir()

    refused = refusals(
        tmp_path / "a.zip",
        stream.getvalue(),
        lambda path: unpack(FoundFile(path, "a.zip"), workspace),
        workspace,
    )

    assert ROUNDS // 2 < refused < ROUNDS


def test_a_gzip_with_damage_anywhere_is_read_or_refused(tmp_path, head):
    content = gzip.compress(next(head.iterdir()).read_bytes())
    (workspace := tmp_path / "workspace").mkdir()

    refused = refusals(
        tmp_path / "a.gz",
        content,
        lambda path: inflate(FoundFile(path, "a.gz"), workspace),
        workspace,
    )

    assert refused > ROUNDS // 2


def test_a_dicomdir_with_damage_anywhere_never_leads_out_of_its_folder(tmp_path, head, monkeypatch):
    disc = a_disc(head, tmp_path, monkeypatch)
    content = (disc / "DICOMDIR").read_bytes()

    def read(path):
        for _, found in referenced_files(path):
            assert found is None or found.resolve().is_relative_to(disc)

    assert 0 < refusals(disc / "DICOMDIR", content, read, tmp_path) < ROUNDS
