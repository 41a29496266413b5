from __future__ import annotations

import os

import pytest

from medrec.errors import FailedScanError, RefusedScanError, SkippedFileError
from medrec.io.discover import FoundFile
from medrec.io.header import read_header


def read(path):
    return read_header(FoundFile(path=path, source=path.name))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("text.dcm", "not_dicom"),
        ("TEXT.DCM", "not_dicom"),
        ("text.dicom", "not_dicom"),
        ("text.ima", "not_dicom"),
        ("text.nii", "not_nifti"),
        ("text.nii.gz", "not_nifti"),
        ("text.png", "malformed"),
        ("text.jpeg", "malformed"),
    ],
)
def test_a_file_that_claims_to_be_an_image_and_is_none_is_refused(tmp_path, name, code):
    (tmp_path / name).write_bytes(b"hello, this is text")

    with pytest.raises(RefusedScanError) as caught:
        read(tmp_path / name)

    assert code == caught.value.code


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04zip", b"\x1f\x8bbroken gzip"])
def test_other_junk_is_skipped(tmp_path, content):
    (tmp_path / "junk").write_bytes(content)

    with pytest.raises(SkippedFileError, match="not_an_image"):
        read(tmp_path / "junk")


def test_the_shadow_files_of_macos_are_junk_whatever_they_are_called(tmp_path):
    (tmp_path / "._IM1.dcm").write_bytes(b"\x00\x05\x16\x07\x00\x02")

    with pytest.raises(SkippedFileError, match="not_an_image"):
        read(tmp_path / "._IM1.dcm")


def test_a_file_that_vanished_is_a_failure_without_its_name(tmp_path):
    with pytest.raises(FailedScanError) as caught:
        read(tmp_path / "Planted^Name.dcm")

    assert caught.value.code == "io"
    assert "Planted" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_a_failure(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(b"x")
    path.chmod(0)

    with pytest.raises(FailedScanError, match="io"):
        read(path)


def test_a_pipe_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.dcm")

    with pytest.raises(FailedScanError, match="io: a pipe, socket or device"):
        read(tmp_path / "pipe.dcm")


def test_a_link_to_itself_or_to_nothing_failed(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "lost").symlink_to(tmp_path / "nothing")

    for name in ("loop", "lost"):
        with pytest.raises(FailedScanError, match="io: a link that leads nowhere"):
            read(tmp_path / name)


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "link.dcm").symlink_to("/etc/hostname")

    with pytest.raises(SkippedFileError, match="symbolic link"):
        read(tmp_path / "link.dcm")
