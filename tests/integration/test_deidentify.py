"""`medrec deidentify` on the shipped samples and on odd folders."""

from __future__ import annotations

import csv
import hashlib
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import yaml
from dicom_factory import a_multi_frame, a_stack, an_image, save, save_stack
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from typer.testing import CliRunner

import medrec
from medrec.cli.app import app
from medrec.domain.ids import PatientKey
from medrec.errors import OutputError
from medrec.io.index import index_scans
from medrec.io.loading import load_volume

PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def copies(result):
    return [result.out / record.path for record in result.files if record.status == "deidentified"]


def only_dataset(image, tmp_path, **options):
    save(image, tmp_path / "scans" / "a.dcm")
    result = medrec.deidentify(tmp_path / "scans", out=tmp_path / "out", **options)
    (copy,) = copies(result)
    return pydicom.dcmread(copy)


def facts_of(folder):
    """Voxels, geometry and kind of each series of each case, in an order that no UID decides."""
    index = index_scans(folder, patient_key=PatientKey)
    found = []
    for case in index.cases:
        for series in case.series:
            volume = load_volume(series)
            affine = None if volume.geometry is None else volume.geometry.affine_lps.tobytes()
            first = series.first
            kind = (first.modality, first.sequence, first.body_part, first.view_position)
            digest = hashlib.sha256(volume.voxels.tobytes()).hexdigest()
            found.append((digest, affine, kind, len(series.headers), len(case.series)))
        found += [("left out", reason.code, len(one.headers)) for one, reason in case.left_out]
    return sorted(found, key=repr)


@pytest.mark.parametrize("name", ["brain1-dicom", "chest", "awkward/localizer", "awkward/polarity"])
def test_a_sample_reads_alike_before_and_after(data_samples, tmp_path, name):
    result = medrec.deidentify(data_samples / name, out=tmp_path / "out")

    assert copies(result)
    assert facts_of(data_samples / name) == facts_of(tmp_path / "out" / "files")


def dciodvfy_errors(path):
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    return {line for line in (done.stderr + done.stdout).splitlines() if line.startswith("Error")}


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
@pytest.mark.parametrize("name", ["brain1-dicom", "chest"])
def test_an_independent_validator_finds_no_new_error(data_samples, tmp_path, name):
    link = tmp_path / "link.csv"
    medrec.deidentify(data_samples / name, out=tmp_path / "out", linking_table=link)
    rows = [row for row in rows_of(link) if row["path"].endswith(".dcm")][:4]

    assert rows
    for row in rows:
        before = dciodvfy_errors(data_samples / name / row["source"])
        assert set() == dciodvfy_errors(tmp_path / "out" / row["path"]) - before


def test_every_file_is_in_the_table_once_and_originals_are_untouched(data_samples, tmp_path):
    scans = tmp_path / "scans"
    shutil.copytree(data_samples / "awkward", scans)
    (scans / "sidecar.json").write_text("{}")
    before = {path: path.read_bytes() for path in scans.rglob("*") if path.is_file()}

    result = medrec.deidentify(scans, out=tmp_path / "out", linking_table=tmp_path / "link.csv")

    rows = rows_of(tmp_path / "out" / "files.csv")
    assert before == {path: path.read_bytes() for path in scans.rglob("*") if path.is_file()}
    assert len(before) == len(rows) == len({row["path"] for row in rows})
    assert sorted(path.relative_to(scans).as_posix() for path in before) == sorted(
        row["source"] for row in rows_of(tmp_path / "link.csv")
    )
    written = {path.relative_to(result.out).as_posix() for path in result.out.glob("files/*")}
    assert written == {row["path"] for row in rows if row["status"] == "deidentified"}
    assert 3 == result.exit_code
    assert yaml.safe_load((result.out / "run.yaml").read_text())["finished"]


def test_two_runs_on_one_machine_agree(data_samples, tmp_path):
    for out in ("one", "two"):
        medrec.deidentify(data_samples / "awkward", out=tmp_path / out)

    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / out / "files").iterdir()}
        for out in ("one", "two")
    )
    assert one
    assert one == two


def test_the_copy_says_how_it_was_deidentified(tmp_path):
    copy = only_dataset(an_image(PIXELS), tmp_path)

    codes = [item.CodeValue for item in copy.DeidentificationMethodCodeSequence]
    assert "YES" == copy.PatientIdentityRemoved
    assert "MODIFIED" == copy.LongitudinalTemporalInformationModified
    assert ["113100", "113107"] == codes
    assert bytes(128) == copy.preamble
    assert "SourceApplicationEntityTitle" not in copy.file_meta


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_pixels_and_transfer_syntax_are_kept(tmp_path, syntax):
    image = an_image(PIXELS)
    image.file_meta.TransferSyntaxUID = syntax
    path = tmp_path / "scans" / "a.dcm"
    path.parent.mkdir()
    implicit, little = syntax.is_implicit_VR, syntax.is_little_endian
    pydicom.dcmwrite(
        path, image, implicit_vr=implicit, little_endian=little, enforce_file_format=True
    )

    (copy,) = copies(medrec.deidentify(path, out=tmp_path / "out"))

    assert syntax == pydicom.dcmread(copy).file_meta.TransferSyntaxUID
    assert pydicom.dcmread(path).PixelData == pydicom.dcmread(copy).PixelData


def test_encapsulated_pixels_are_kept_bit_for_bit(tmp_path):
    image = an_image(PIXELS)
    image.compress(RLELossless)

    copy = only_dataset(image, tmp_path)

    assert image.PixelData == copy.PixelData
    assert RLELossless == copy.file_meta.TransferSyntaxUID


def test_frames_keep_their_places(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 999, (16, 12, 5)).astype(np.uint16)
    save(a_multi_frame(voxels), tmp_path / "scans" / "a.dcm")

    medrec.deidentify(tmp_path / "scans", out=tmp_path / "out")

    assert facts_of(tmp_path / "scans") == facts_of(tmp_path / "out" / "files")


def test_references_between_files_hold_and_dates_keep_their_distance(tmp_path):
    first = an_image(PIXELS, number=1, StudyDate="20200229", StudyTime="233000")
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = (
        first.SOPClassUID,
        first.SOPInstanceUID,
    )
    second = an_image(PIXELS, number=2, StudyDate="20200301", StudyTime="003000")
    second.ReferencedImageSequence = Sequence([item])
    save_stack([first, second], tmp_path / "scans")

    result = medrec.deidentify(tmp_path / "scans", out=tmp_path / "out")

    one, two = sorted(map(pydicom.dcmread, copies(result)), key=lambda copy: copy.InstanceNumber)
    assert one.SOPInstanceUID == two.ReferencedImageSequence[0].ReferencedSOPInstanceUID
    assert one.StudyInstanceUID == two.StudyInstanceUID
    assert one.PatientID == two.PatientID == one.PatientName
    assert "20200229" != one.StudyDate
    hours = [
        (int(copy.StudyTime[:2]) + 24 * pydicom.valuerep.DA(copy.StudyDate).toordinal())
        for copy in (one, two)
    ]
    assert 1 == hours[1] - hours[0]


def test_what_was_said_of_the_sequence_is_kept_in_fixed_words(tmp_path):
    stack = a_stack(np.ones((8, 8, 3), np.uint16), SeriesDescription="AX T1 POST GD for Mueller")

    copy = only_dataset(stack[0], tmp_path)

    assert "T1 CONTRAST" == copy.ProtocolName
    assert "SeriesDescription" not in copy


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"BurnedInAnnotation": "YES"}, "burned_in_annotation"),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, "burned_in_annotation"),
        ({"modality": "DX"}, "burned_in_annotation"),
        ({"modality": "DX", "BurnedInAnnotation": "NO"}, ""),
        ({}, ""),
    ],
)
def test_text_that_may_be_in_the_pixels_is_flagged(tmp_path, tags, code):
    save(an_image(PIXELS, **tags), tmp_path / "a.dcm")

    result = medrec.deidentify(tmp_path / "a.dcm", out=tmp_path / "out")

    assert [("deidentified", code)] == [(row.status, row.code) for row in result.files]


@pytest.mark.parametrize("name", ["Basic^Profile", "Chest^Hand", "Philips^Hitachi"])
def test_a_patient_called_like_a_word_of_the_standard_is_no_reason_to_refuse(tmp_path, name):
    tags = {"PatientName": name, "Manufacturer": "Philips", "BodyPartExamined": "CHEST"}

    copy = only_dataset(an_image(PIXELS, **tags), tmp_path)

    assert ("PHILIPS", "CHEST") == (copy.Manufacturer, copy.BodyPartExamined)


def test_a_lone_number_of_the_patient_in_a_code_string_is_gone(tmp_path):
    image = an_image(PIXELS, PatientID="471147", BodyPartExamined="471147", PatientName="A^BOSCH")
    image.ScanOptions = ["PFF", "DR BOSCH"]

    copy = only_dataset(image, tmp_path)

    assert ("OTHER", ["PFF", "OTHER"]) == (copy.BodyPartExamined, copy.ScanOptions)


@pytest.mark.parametrize("modality", ["SR", "PR", "SEG", "RTSTRUCT", "KO"])
def test_an_object_whose_content_is_text_is_refused(tmp_path, modality):
    image = an_image(PIXELS)
    image.Modality = modality
    save(image, tmp_path / "a.dcm")

    result = medrec.deidentify(tmp_path / "a.dcm", out=tmp_path / "out")

    assert [("refused", "identifiable")] == [(row.status, row.code) for row in result.files]
    assert [] == list((tmp_path / "out" / "files").iterdir())


@pytest.mark.parametrize("place", ["scans", "scans/out"])
def test_an_output_among_the_scans_is_refused(tmp_path, place):
    save(an_image(PIXELS), tmp_path / "scans" / "a.dcm")

    with pytest.raises(OutputError, match="outside"):
        medrec.deidentify(tmp_path / "scans", out=tmp_path / place, overwrite=True)


@pytest.mark.parametrize("place", ["out/link.csv", "scans/link.csv"])
def test_a_linking_table_that_would_be_passed_on_is_refused(tmp_path, place):
    save(an_image(PIXELS), tmp_path / "scans" / "a.dcm")

    with pytest.raises(OutputError, match="linking-table"):
        medrec.deidentify(tmp_path / "scans", out=tmp_path / "out", linking_table=tmp_path / place)


def test_a_full_output_is_refused_unless_overwritten(tmp_path):
    scans = save(an_image(PIXELS), tmp_path / "scans" / "a.dcm").parent
    run = ["deidentify", str(scans), "--out", str(tmp_path / "out")]

    codes = [
        CliRunner().invoke(app, words).exit_code for words in (run, run, [*run, "--overwrite"])
    ]

    assert [0, 1, 0] == codes


def test_what_cannot_be_read_is_not_copied_and_ends_with_3(tmp_path):
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.dcm").write_text("no DICOM")

    done = CliRunner().invoke(
        app, ["deidentify", str(tmp_path / "scans"), "--out", str(tmp_path / "out")]
    )

    assert 3 == done.exit_code
    assert "1 refused" in done.stdout
    assert [] == list(Path(tmp_path / "out" / "files").iterdir())


def test_what_is_packed_is_refused_and_says_what_to_do(tmp_path):
    (tmp_path / "scans").mkdir()
    with zipfile.ZipFile(tmp_path / "scans" / "exam.zip", "w") as archive:
        archive.writestr("a.dcm", b"x")

    result = medrec.deidentify(tmp_path / "scans", out=tmp_path / "out")

    (record,) = result.files
    assert ("refused", "archive_limit") == (record.status, record.code)
    assert "unpack it" in record.detail
