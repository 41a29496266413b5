"""Zips, gzipped images and DICOMDIRs: what they hold is read, or one row says why not."""

from __future__ import annotations

import gzip
import shutil
import stat
import zipfile

import numpy as np
import pytest
from dicom_factory import a_stack, save_stack
from disc_factory import a_disc

from medrec.domain.ids import PatientKey
from medrec.errors import RefusedScanError, SkippedFileError
from medrec.io.archive import unpack
from medrec.io.discover import FoundFile
from medrec.io.gzipped import inflate
from medrec.io.header import read_header
from medrec.io.index import index_scans, open_index
from medrec.io.inflating import UnpackLimits
from medrec.io.loading import load_volume

VOXELS = np.arange(7 * 9 * 5, dtype=np.uint16).reshape(7, 9, 5)


@pytest.fixture
def head(tmp_path):
    return save_stack(a_stack(VOXELS), tmp_path / "head")


def indexed(scans):
    return index_scans(scans, patient_key=PatientKey)


def rows_of(scans):
    return {r.path: f"{r.status}:{r.code}" for r in indexed(scans).records}


def zip_of(folder, path, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"study/{file.name}")
    return path


def zip_with(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_a_zip_is_read_like_the_folder_that_it_was_made_of(tmp_path, head):
    packed = zip_of(head, tmp_path / "head.zip")

    with open_index(packed, patient_key=PatientKey) as index:
        (case,) = index.cases
        volume = load_volume(case.series[0])

    (expected,) = indexed(head).cases
    assert expected.id == case.id
    assert {f"head.zip/study/{name}" for name in expected.series[0].sources} == {
        *case.series[0].sources
    }
    np.testing.assert_array_equal(load_volume(expected.series[0]).voxels, volume.voxels)


def test_a_zip_among_the_files_has_a_row_of_its_own_whatever_its_name(tmp_path, head):
    scans = tmp_path / "scans"
    scans.mkdir()
    zip_of(head, scans / "export.bin", zipfile.ZIP_STORED)

    index = indexed(scans)

    (record,) = index.records
    assert ("export.bin", "skipped", "not_an_image") == (record.path, record.status, record.code)
    assert "an archive of 5 files" in record.detail
    assert 5 == len(index.cases[0].series[0].headers)


def test_nothing_unpacked_is_left_behind(tmp_path, head, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    packed = zip_of(head, tmp_path / "head.zip")

    indexed(packed)

    assert [] == list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize(
    "name",
    ["../up.dcm", "a/../../up.dcm", "/tmp/up.dcm", "..\\up.dcm", "C:/up.dcm", "C:\\up.dcm"],  # noqa: S108
)
def test_a_name_that_leads_out_condemns_the_whole_archive(tmp_path, head, name):
    image = sorted(head.iterdir())[0].read_bytes()
    packed = zip_with(tmp_path / "slip.zip", ("good.dcm", image), (name, image))

    assert {"slip.zip": "refused:unsafe_archive"} == rows_of(packed)
    assert () == indexed(packed).cases


def test_links_and_devices_are_unsafe(tmp_path):
    for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR):
        member = zipfile.ZipInfo("out")
        member.create_system = 3  # Unix: the upper half of the attributes is a file mode
        member.external_attr = (kind | 0o777) << 16
        with zipfile.ZipFile(tmp_path / "kind.zip", "w") as archive:
            archive.writestr(member, "/etc")
        assert {"kind.zip": "refused:unsafe_archive"} == rows_of(tmp_path / "kind.zip")


def test_an_encrypted_member_is_unsafe(tmp_path):
    packed = zip_with(tmp_path / "secret.zip", ("a.dcm", b"1"))
    content = bytearray(packed.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    packed.write_bytes(content)

    (record,) = indexed(packed).records

    assert "unsafe_archive" == record.code
    assert "encrypted" in record.detail


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_inflate_without_a_bound_are_not_read(tmp_path, head, method):
    packed = zip_of(head, tmp_path / "head.zip", method)

    assert {"head.zip": "refused:archive_limit"} == rows_of(packed)


def test_folders_of_an_archive_are_no_files_however_they_are_written(tmp_path):
    # Java deflates the nothing in a folder to two bytes; old .NET parts names by backslashes.
    packed = zip_with(
        tmp_path / "a.zip",
        ("java/", b""),
        ("net\\", b""),
        ("net\\a.txt", b"1"),
        ("java/a.txt", b"1"),
    )
    with zipfile.ZipFile(packed) as archive:
        assert 2 == archive.getinfo("java/").compress_size

    assert {"a.zip", "a.zip/java/a.txt", "a.zip/net/a.txt"} == set(rows_of(packed))


def test_a_folder_with_content_is_unsafe(tmp_path):
    assert {"a.zip": "refused:unsafe_archive"} == rows_of(
        zip_with(tmp_path / "a.zip", ("scans/", b"hidden"))
    )


def test_a_document_is_no_archive(tmp_path):
    picture = b"\x89PNG\r\n\x1a\n"
    letter = zip_with(
        tmp_path / "letter.docx", ("[Content_Types].xml", b"x"), ("word/media/1.png", picture)
    )

    assert {"letter.docx": "skipped:not_an_image"} == rows_of(letter)


def test_two_members_of_one_name_are_unsafe_and_names_that_differ_in_case_are_two(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zip_with(tmp_path / "twice.zip", ("a", b"1"), ("a", b"2"))
    case = zip_with(tmp_path / "case.zip", ("a", b"1"), ("A", b"2"))

    assert {"twice.zip": "refused:unsafe_archive"} == rows_of(twice)
    assert {"case.zip", "case.zip/a", "case.zip/A"} == set(rows_of(case))


def test_a_name_is_shown_printable(tmp_path):
    packed = zip_with(tmp_path / "odd.zip", ("a\nb\x1b[31m/c.txt", b"1"))

    assert "odd.zip/a\\nb\\x1b[31m/c.txt" in rows_of(packed)


@pytest.mark.parametrize(
    "limits",
    [
        UnpackLimits(members=1),
        UnpackLimits(member_bytes=999_999),
        UnpackLimits(free_bytes=1_000_000, ratio=10),
        UnpackLimits(total_bytes=1_000_000),
        UnpackLimits(name_letters=4),
        UnpackLimits(directory_bytes=50),
    ],
)
def test_every_limit_of_an_archive_holds_and_leaves_nothing(tmp_path, limits):
    packed = zip_with(tmp_path / "a.zip", ("a.txt", bytes(1_000_000)), ("bb.txt", b"1"))
    workspace = tmp_path / "workspace"
    workspace.mkdir()

    with pytest.raises(RefusedScanError) as caught:
        unpack(FoundFile(packed, "a.zip"), workspace, limits=limits)

    assert "archive_limit" == caught.value.code
    assert [] == list(workspace.iterdir())


def test_a_size_that_lies_is_found_out_while_inflating(tmp_path):
    packed = zip_with(tmp_path / "lie.zip", ("a", bytes(5_000_000)))
    honest = packed.read_bytes()
    lying = honest.replace((5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    packed.write_bytes(lying)

    assert lying != honest
    assert {"lie.zip": "refused:malformed"} == rows_of(packed)


def test_members_that_share_bytes_are_unsafe(tmp_path):
    packed = zip_with(tmp_path / "overlap.zip", ("aaaa", bytes(1000)), ("bbbb", bytes(1000)))
    with zipfile.ZipFile(packed) as archive:
        second = archive.getinfo("bbbb").header_offset
    content = packed.read_bytes()
    at = content.rindex(second.to_bytes(4, "little") + b"bbbb")
    packed.write_bytes(content[:at] + bytes(4) + content[at + 4 :])

    assert {"overlap.zip": "refused:unsafe_archive"} == rows_of(packed)


def test_a_damaged_zip_is_refused(tmp_path, head):
    whole = zip_of(head, tmp_path / "whole.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "flipped.zip").write_bytes(whole.replace(b"PK\x03\x04", b"PK\x03\x05", 2)[4:])
    (tmp_path / "named.zip").write_bytes(b"no zip at all")

    assert {"cut.zip": "refused:truncated"} == rows_of(tmp_path / "cut.zip")
    assert "refused:malformed" in rows_of(tmp_path / "flipped.zip").values()
    assert {"named.zip": "refused:malformed"} == rows_of(tmp_path / "named.zip")


def test_an_archive_in_an_archive_is_one_refused_row(tmp_path, head):
    inner = zip_of(head, tmp_path / "inner.zip").read_bytes()
    outer = zip_with(tmp_path / "outer.zip", ("inner.zip", inner), ("note.txt", b"x"))

    rows = rows_of(outer)

    assert "refused:archive_limit" == rows["outer.zip/inner.zip"]
    assert "skipped:not_an_image" == rows["outer.zip/note.txt"]


def test_other_archives_are_refused_by_name(tmp_path):
    (tmp_path / "a.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(100))
    shutil.make_archive(str(tmp_path / "b"), "tar", tmp_path, "a.7z")

    index = indexed(tmp_path)

    details = {record.path: record.detail for record in index.records}
    assert {"a.7z": "refused:archive_limit", "b.tar": "refused:archive_limit"} == rows_of(tmp_path)
    assert "packed by 7z" in details["a.7z"]
    assert "unpack it first" in details["b.tar"]


def test_a_gzipped_image_keeps_its_source_in_a_zip_too(tmp_path, head):
    image = sorted(head.iterdir())[0].read_bytes()
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "IM1.dcm.gz").write_bytes(gzip.compress(image))
    packed = zip_with(tmp_path / "a.zip", ("IM1.gz", gzip.compress(image)))

    (case,) = indexed(tmp_path / "scans").cases
    (member,) = indexed(packed).cases

    assert "IM1.dcm.gz" == case.source
    assert "a.zip/IM1.gz" == member.source
    assert case.id == member.id


def test_a_gzipped_image_may_not_grow_without_end(tmp_path):
    packed = tmp_path / "bomb.gz"
    packed.write_bytes(gzip.compress(bytes(128) + b"DICM" + bytes(5_000_000)))

    with pytest.raises(RefusedScanError) as caught:
        inflate(FoundFile(packed, "bomb.gz"), tmp_path, limits=UnpackLimits(free_bytes=10, ratio=2))

    assert "inflate_limit" == caught.value.code
    assert [packed] == list(tmp_path.iterdir())


def test_a_cut_gzip_is_truncated(tmp_path, head):
    image = sorted(head.iterdir())[0].read_bytes()
    noise = np.random.default_rng(1).bytes(4000)
    (tmp_path / "cut.dcm.gz").write_bytes(gzip.compress(image + noise)[:-500])

    assert {"cut.dcm.gz": "refused:truncated"} == rows_of(tmp_path / "cut.dcm.gz")


@pytest.fixture
def disc(tmp_path, head, monkeypatch):
    return a_disc(head, tmp_path, monkeypatch)


def test_a_dicomdir_names_the_files_that_are_read(disc, head):
    (disc / "not named.txt").write_bytes(b"x")

    index = indexed(disc / "DICOMDIR")

    (case,) = index.cases
    assert indexed(head).cases[0].id == case.id
    assert {"DICOMDIR": "skipped:not_an_image"} == rows_of(disc / "DICOMDIR")
    assert 5 == len(case.series[0].headers)


def test_in_a_folder_a_dicomdir_is_no_image_and_its_files_are_found_once(disc):
    index = indexed(disc)

    assert {"DICOMDIR": "skipped:not_an_image"} == rows_of(disc)
    assert 5 == len(index.cases[0].series[0].headers)
    with pytest.raises(SkippedFileError, match="table of contents"):
        read_header(FoundFile(disc / "DICOMDIR", "DICOMDIR"))


def test_a_file_that_the_dicomdir_names_and_is_gone_is_a_row(disc):
    gone = next(path for path in disc.rglob("*") if path.is_file() and path.name != "DICOMDIR")
    gone.unlink()

    rows = rows_of(disc / "DICOMDIR")

    assert "failed:io" == rows[gone.relative_to(disc).as_posix()]
    assert 4 == len(indexed(disc / "DICOMDIR").cases[0].series[0].headers)


def test_names_of_a_dicomdir_are_found_in_any_case(disc):
    for path in sorted(disc.iterdir()):
        if path.is_dir():
            path.rename(path.with_name(path.name.lower()))

    assert 5 == len(indexed(disc / "DICOMDIR").cases[0].series[0].headers)


def test_a_dicomdir_that_leads_outside_by_a_link_is_unsafe(disc, tmp_path):
    (folder,) = (path for path in disc.iterdir() if path.is_dir())
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")

    assert {"DICOMDIR": "refused:unsafe_archive"} == rows_of(disc / "DICOMDIR")


def test_a_dicomdir_that_climbs_out_of_its_folder_is_unsafe(disc):
    path = disc / "DICOMDIR"
    (folder,) = (path for path in disc.iterdir() if path.is_dir())
    climbing = "..".ljust(len(folder.name), "\\")
    path.write_bytes(path.read_bytes().replace(folder.name.encode(), climbing.encode()))

    assert {"DICOMDIR": "refused:unsafe_archive"} == rows_of(path)


def test_a_dicomdir_of_endless_records_is_too_large(disc, monkeypatch):
    monkeypatch.setattr("medrec.io.dicomdir.MAX_RECORDS", 3)

    assert {"DICOMDIR": "refused:too_large"} == rows_of(disc / "DICOMDIR")


def test_padding_around_the_names_of_a_dicomdir_does_not_count(disc):
    path = disc / "DICOMDIR"
    (folder,) = (path for path in disc.iterdir() if path.is_dir())
    folder.rename(disc / folder.name[:-2])
    padded = folder.name[:-2].encode() + b" \0"
    path.write_bytes(path.read_bytes().replace(folder.name.encode() + b"\\", padded + b"\\"))

    assert 5 == len(indexed(path).cases[0].series[0].headers)
