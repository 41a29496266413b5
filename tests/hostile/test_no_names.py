"""A name that stands in a scan, wherever it stands, comes out of medrec nowhere."""

from __future__ import annotations

import csv
import logging
import shutil
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pydicom
import pytest
from dicom_factory import save
from name_planter import (
    ANSI,
    PATIENT_ID,
    SURNAME,
    a_named_image,
    a_named_stack,
    an_item,
    element_bytes,
    files_with_name,
    found_in,
    in_jpeg,
    in_nifti,
    in_png,
    text_tags,
    write_with,
)
from package_factory import a_package
from typer.testing import CliRunner

from medrec.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path

LATIN, UTF8 = SURNAME.encode("latin-1"), SURNAME.encode("utf-8")
CODE_STRING = b"ZYXWANDER"
PATHS_STAND_IN = {"predictions.jsonl", "summary.csv", "images.csv", "files.csv"}
"""What contracts let hold the user's own paths."""


def run(*words: object, caplog: pytest.LogCaptureFixture) -> tuple[int, str]:
    """A verb's exit code, and all that it said: stdout, stderr, log."""
    with caplog.at_level(logging.DEBUG):
        result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code in (0, 3), result.output
    return result.exit_code, result.output + result.stderr + caplog.text


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "files.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def only_copy(scans: Path, out: Path, caplog: pytest.LogCaptureFixture) -> Path:
    run("deidentify", scans, "--out", out, caplog=caplog)
    (row,) = rows_of(out)
    assert row["status"] == "deidentified", row
    return out / row["path"]


def a_folder_of_names(folder: Path) -> Path:
    """Every kind of file that is read, refused or skipped, each with the name in and on it."""
    home = folder / f"{SURNAME}, Hans {ANSI}"
    a_named_stack(home / "stack")
    copied = next((home / "stack").iterdir())
    shutil.copy(copied, home / f"copy of {SURNAME}.dcm")
    save(a_named_image(21, StudyInstanceUID="1.2.3.21"), home / "one.dcm")
    cut = save(a_named_image(22, StudyInstanceUID="1.2.3.22"), home / f"cut {SURNAME}.dcm")
    cut.write_bytes(cut.read_bytes()[:-400])
    report = a_named_image(23, StudyInstanceUID="1.2.3.23", Modality="SR")
    save(report, home / f"report {SURNAME}.dcm")
    foreign = a_named_image(24, StudyInstanceUID="1.2.3.24")
    foreign.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    path = save(foreign, home / "syntax.dcm")
    content = path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"Zyxwander.Hans.Dr.\0\0", 1)
    path.write_bytes(content)
    (home / f"{SURNAME}.dcm").write_text(f"a letter on {SURNAME}", encoding="utf-8")
    (home / f"{SURNAME}.json").write_text(f'{{"PatientName": "{SURNAME}"}}', encoding="utf-8")
    in_nifti(home / f"{SURNAME}.nii.gz", nib.Nifti1Image)
    in_png(home / f"{SURNAME}.png")
    in_jpeg(home / f"{SURNAME}.jpg")
    return folder


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return a_package(tmp_path_factory.mktemp("model")).folder


def test_the_search_finds_a_name_in_each_encoding():
    for encoding in ("latin-1", "utf-8", "utf-16-le", "utf-16-be", "cp1252"):
        assert found_in(b"abc" + SURNAME.encode(encoding) + b"\0")
        assert found_in(SURNAME.upper().encode(encoding))
    assert found_in(PATIENT_ID.encode())
    assert not found_in(b"REMOVED")


@pytest.mark.parametrize(
    ("written", "charset"),
    [(LATIN, "ISO_IR 100"), (UTF8, "ISO_IR 192"), (CODE_STRING, "ISO_IR 6"),
     (SURNAME.encode("utf-16-le"), "ISO_IR 100"), (PATIENT_ID.encode(), "ISO_IR 6")],
)  # fmt: skip
def test_a_name_in_any_text_element_is_gone(tmp_path, caplog, written, charset):
    planted = [(tag, vr, written) for tag, vr in text_tags()]
    image = a_named_image()
    image.SpecificCharacterSet = charset
    image.PatientName = "Zyxwander" if charset == "ISO_IR 6" else f"{SURNAME}^Hans"
    kept = {0x00100010, 0x00100020}  # who is meant is known from these
    planted = [one for one in planted if one[0] not in kept]
    source = write_with(image, tmp_path / "scans" / "a.dcm", planted)
    assert len(planted) > 2500
    assert found_in(source.read_bytes())

    copy = only_copy(tmp_path / "scans", tmp_path / "out", caplog)

    assert [] == files_with_name(tmp_path / "out")
    assert image.PixelData == pydicom.dcmread(copy).PixelData


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_name_in_a_nested_sequence_is_gone(tmp_path, caplog, depth):
    fields = [(0x00080070, "LO"), (0x00081140, "LO"), (0x00100010, "PN"), (0x00104000, "LT"),
              (0x00180015, "CS"), (0x00409999, "UN"), (0x00111001, "LO")]  # fmt: skip
    content = b"".join(element_bytes(tag, vr, LATIN) for tag, vr in fields)
    for _ in range(depth):
        # SharedFunctionalGroups, which stays, and a private sequence, which doesn't
        kept = element_bytes(0x52009229, "SQ", an_item(content))
        content = element_bytes(0x00111010, "SQ", an_item(content)) + kept
    planted = [(0x52009229, "SQ", an_item(content)), (0x00400275, "SQ", an_item(content))]
    write_with(a_named_image(), tmp_path / "scans" / "a.dcm", planted)

    copy = only_copy(tmp_path / "scans", tmp_path / "out", caplog)

    assert [] == files_with_name(tmp_path / "out")
    assert "SharedFunctionalGroupsSequence" in pydicom.dcmread(copy)


def test_a_name_in_curves_overlays_signatures_and_private_elements_is_gone(tmp_path, caplog):
    tags = [0x50000022, 0x50003000, 0x60003000, 0x60004000, 0x60021500, 0x00110010, 0x00111001,
            0x40000010, 0x70011001, 0xFFFCFFFC]  # fmt: skip
    planted = [(tag, "OB" if tag & 0xFFFF == 0x3000 else "LT", LATIN) for tag in tags]
    planted += [(0xFFFAFFFA, "SQ", an_item(element_bytes(0x04000115, "OB", LATIN)))]
    write_with(a_named_image(), tmp_path / "scans" / "a.dcm", planted)

    only_copy(tmp_path / "scans", tmp_path / "out", caplog)

    assert [] == files_with_name(tmp_path / "out")


def test_a_name_amid_compressed_pixels_refuses_the_file(tmp_path, caplog):
    image = a_named_image()
    image.PixelData = image.PixelData[:200] + LATIN + image.PixelData[200 + len(LATIN) :]
    save(image, tmp_path / "scans" / "a.dcm")

    code, said = run("deidentify", tmp_path / "scans", "--out", tmp_path / "out", caplog=caplog)

    assert code == 3
    assert [("refused", "identifiable")] == [
        (row["status"], row["code"]) for row in rows_of(tmp_path / "out")
    ]
    assert not found_in(said.encode())
    assert [] == files_with_name(tmp_path / "out")


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_name_in_a_nifti_header_is_gone_and_voxels_stay(tmp_path, caplog, kind, suffix):
    source = in_nifti(tmp_path / "scans" / f"a{suffix}", kind)
    before = nib.load(source)

    copy = only_copy(tmp_path / "scans", tmp_path / "out", caplog)

    after = nib.load(copy)
    assert [] == files_with_name(tmp_path / "out")
    assert copy.name.endswith(suffix)
    assert before.affine.tobytes() == after.affine.tobytes()
    assert np.asanyarray(before.dataobj).tobytes() == np.asanyarray(after.dataobj).tobytes()


@pytest.mark.parametrize("big", [True, False])
def test_a_name_in_a_picture_is_gone_and_pixels_stay(tmp_path, caplog, big):
    from PIL import Image

    writers = [
        lambda path: in_png(path.with_suffix(".png")),
        lambda path: in_jpeg(path.with_suffix(".jpg"), progressive=big),
        lambda path: in_jpeg(path.with_suffix(".jpg"), mode="CMYK" if big else "L"),
    ]
    for number, write in enumerate(writers):
        source = write(tmp_path / f"scans{number}" / "a")
        assert found_in(source.read_bytes())
        with Image.open(source) as opened:
            before = opened.tobytes()

        copy = only_copy(source.parent, tmp_path / f"out{number}", caplog)

        with Image.open(copy) as opened:
            assert before == opened.tobytes()
        assert [] == files_with_name(tmp_path / f"out{number}")


def test_deidentify_writes_and_says_no_name_of_a_whole_folder(tmp_path, caplog):
    scans = a_folder_of_names(tmp_path / "scans")

    _, said = run("deidentify", scans, "--out", tmp_path / "out", caplog=caplog)

    statuses = {row["status"] for row in rows_of(tmp_path / "out")}
    assert {"deidentified", "refused", "skipped"} == statuses
    assert [] == files_with_name(tmp_path / "out")
    assert not found_in(said.encode())
    assert ANSI not in said


def test_screen_writes_names_of_paths_where_contracts_say_and_nowhere_else(
    tmp_path, caplog, package
):
    scans = a_folder_of_names(tmp_path / "scans")

    code, _ = run("screen", scans, "--model", package, "--out", tmp_path / "out", caplog=caplog)

    assert code == 3
    assert set(files_with_name(tmp_path / "out")) <= PATHS_STAND_IN
    assert not found_in(caplog.text.encode())


def test_screen_with_hidden_paths_writes_and_says_no_name_at_all(tmp_path, caplog, package):
    scans = a_folder_of_names(tmp_path / "scans")

    _, said = run(
        "screen", scans, "--model", package, "--out", tmp_path / "out", "--hide-paths",
        caplog=caplog,
    )  # fmt: skip

    assert any(row["status"] == "scored" for row in rows_of(tmp_path / "out"))
    assert any(row["status"] == "duplicate" for row in rows_of(tmp_path / "out"))
    assert [] == files_with_name(tmp_path / "out")
    assert not found_in(said.encode())
    assert ANSI not in said


@pytest.mark.parametrize("options", [(), ("--decode",), ("--json",)])
def test_inspect_says_no_name_that_is_not_in_a_path(tmp_path, caplog, options):
    named = a_folder_of_names(tmp_path / "named")
    scans = tmp_path / "scans"
    for number, path in enumerate(sorted(path for path in named.rglob("*") if path.is_file())):
        scans.mkdir(exist_ok=True)
        shutil.copy(path, scans / f"{number}{path.suffix}")

    _, said = run("inspect", scans, *options, caplog=caplog)

    assert not found_in(said.encode())
    assert ANSI not in said


@pytest.mark.parametrize("verb", ["inspect", "screen", "deidentify"])
def test_control_characters_of_names_and_headers_never_reach_the_terminal(
    tmp_path, caplog, package, verb
):
    scans = a_folder_of_names(tmp_path / "scans")
    options = {"screen": ("--model", package, "--out", tmp_path / "out"),
               "deidentify": ("--out", tmp_path / "out"), "inspect": ()}  # fmt: skip

    _, said = run(verb, scans, *options[verb], caplog=caplog)

    assert not [letter for letter in said if letter in "\x1b\x07\x08\x00\x7f\x9b"]
