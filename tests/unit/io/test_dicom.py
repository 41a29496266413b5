from __future__ import annotations

import zlib

import numpy as np
import pytest
from dicom_factory import ROOT, a_stack, an_image, save
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from medrec.domain.modality import Modality, Sequence
from medrec.errors import RefusedScanError, SkippedFileError
from medrec.io import dicom_file
from medrec.io.dicom import read_dicom_header
from medrec.io.digest import dataset_offset
from medrec.io.discover import FoundFile

PIXELS = np.arange(48, dtype=np.uint16).reshape(6, 8)


def read(path):
    return read_dicom_header(FoundFile(path=path, source=path.name))


def header_of(tmp_path, **tags):
    return read(save(an_image(PIXELS, **tags), tmp_path / "image"))


def refusal_of(path):
    with pytest.raises(RefusedScanError) as caught:
        read(path)
    return caught.value.code


def notes_of(header):
    return [note.code for note in header.notes]


def test_facts_come_from_the_header(tmp_path):
    image = a_stack(
        PIXELS.T[:, :, np.newaxis],
        BodyPartExamined="Brain",
        SeriesDescription="AX T1 POST GD",
        WindowCenter=["40", "400"],
        WindowWidth=["80", "1000"],
        EchoTime="12.5",
        Laterality="L",
    )[0]

    header = read(save(image, tmp_path / "image"))

    assert header.shape == (8, 6, 1)
    assert header.modality is Modality.MR
    assert header.sequence is Sequence.T1C
    assert header.body_part == "BRAIN"
    assert header.laterality == "L"
    assert header.identity == header.study_uid == f"{ROOT}.1.1"
    assert header.sop_uid == f"{ROOT}.3.1"
    assert header.patient_id == "PLANTED-ID"
    assert header.position_lps_mm == (-20.0, -30.0, 10.0)
    assert header.orientation == (1, 0, 0, 0, 1, 0)
    assert header.window == (40.0, 80.0)
    assert header.echo_time_ms == 12.5
    assert header.notes == ()


def test_absent_facts_are_unknown(tmp_path):
    image = an_image(PIXELS)
    del image.Modality, image.PatientID, image.InstanceNumber

    header = read(save(image, tmp_path / "image"))

    assert (header.modality, header.patient_id, header.instance_number) == (None, None, None)
    assert (header.sequence, header.position_lps_mm, header.window) == (None, None, None)


def test_a_header_never_shows_the_patient_id(tmp_path):
    assert "PLANTED" not in repr(header_of(tmp_path))


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
@pytest.mark.parametrize("value", ["", "../../..", "/etc/cron.d/x", "1." * 33])
def test_a_bad_uid_is_refused_and_not_repeated(tmp_path, keyword, value):
    image = an_image(PIXELS)
    path = save(image, tmp_path / "image")
    content = path.read_bytes()
    old = getattr(image, keyword).encode()
    old += b"\0" * (len(old) % 2)
    new = value.encode() + b"\0" * (len(value) % 2)
    tag = {"Study": b"\x20\x00\x0d\x00", "Serie": b"\x20\x00\x0e\x00", "SOPIn": b"\x08\x00\x18\x00"}
    start = content.index(tag[keyword[:5]] + b"UI")
    length = len(new).to_bytes(2, "little")
    path.write_bytes(content[: start + 6] + length + new + content[start + 8 + len(old) :])

    with pytest.raises(RefusedScanError) as caught:
        read(path)

    assert caught.value.code == "bad_uid"
    assert not value or value not in str(caught.value)


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"Rows": 0, "Columns": 0}, "malformed"),
        ({"Rows": None}, "malformed"),
        ({"BitsStored": 17}, "malformed"),
        ({"HighBit": 11}, "malformed"),
        ({"PhotometricInterpretation": "RGB"}, "malformed"),
        ({"PhotometricInterpretation": "CIELAB"}, "malformed"),
        ({"SamplesPerPixel": 3}, "malformed"),
        ({"Rows": 65535, "Columns": 65535}, "size_mismatch"),
        ({"NumberOfFrames": 2**31 - 1}, "size_mismatch"),
        ({"Rows": 2}, "size_mismatch"),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(tmp_path, tags, code):
    assert code == refusal_of(save(an_image(PIXELS, **tags), tmp_path / "image"))


def test_missing_rows_are_malformed(tmp_path):
    image = an_image(PIXELS)
    del image.Rows

    assert refusal_of(save(image, tmp_path / "image")) == "malformed"


def test_a_compressed_image_that_claims_to_be_huge_is_refused_before_decoding(tmp_path):
    image = an_image(PIXELS)
    image.compress("1.2.840.10008.1.2.5", encoding_plugin="pydicom")
    image.Rows = image.Columns = 65535

    assert refusal_of(save(image, tmp_path / "image")) == "too_large"


def test_an_unknown_transfer_syntax_is_named(tmp_path):
    path = save(an_image(PIXELS), tmp_path / "image")
    content = path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0")
    path.write_bytes(content)

    with pytest.raises(RefusedScanError, match=r"unsupported_syntax: .*1\.2\.840\.10008\.9\.9\.9"):
        read(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_cut_anywhere_is_truncated(tmp_path, share):
    pixels = np.zeros((4, 4), np.uint16)
    path = save(an_image(pixels, StudyDescription="x" * 60), tmp_path / "image")
    content = path.read_bytes()
    start = content.index(b"\x20\x00\x0d\x00UI")
    path.write_bytes(content[: start + int(share * (len(content) - start))])

    with pytest.raises(RefusedScanError) as caught:
        read(path)

    assert caught.value.code in {"truncated", "bad_uid"}


def test_pixel_data_that_end_early_are_truncated(tmp_path):
    path = save(an_image(PIXELS), tmp_path / "image")
    path.write_bytes(path.read_bytes()[:-10])

    assert refusal_of(path) == "truncated"


def test_an_image_without_pixel_data_is_truncated(tmp_path):
    image = an_image(PIXELS)
    del image.PixelData

    assert refusal_of(save(image, tmp_path / "image")) == "truncated"


@pytest.mark.parametrize(
    "sop_class",
    [
        "1.2.840.10008.5.1.4.1.1.88.11",  # structured report
        "1.2.840.10008.5.1.4.1.1.481.3",  # radiotherapy structures
        "1.2.840.10008.5.1.4.1.1.88.59",  # key object selection
    ],
)
def test_an_object_without_pixels_is_no_image(tmp_path, sop_class):
    image = an_image(PIXELS, SOPClassUID=sop_class, Modality="OT")
    del image.PixelData, image.Rows, image.Columns

    with pytest.raises(SkippedFileError, match="not_an_image"):
        read(save(image, tmp_path / "image"))


def test_a_segmentation_has_pixels_but_is_no_image(tmp_path):
    image = an_image(PIXELS, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", Modality="SEG")

    with pytest.raises(SkippedFileError, match="a segmentation"):
        read(save(image, tmp_path / "image"))


def test_nested_sequences_are_refused_when_too_deep(tmp_path):
    path = save(an_image(PIXELS), tmp_path / "image")
    content = path.read_bytes()
    place = content.index(b"\x08\x00\x60\x00CS")
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path.write_bytes(content[:place] + opening * 20_000 + content[place:])

    assert refusal_of(path) == "nesting"


def test_deflated_data_are_read(tmp_path):
    image = an_image(PIXELS)
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian

    header = read(save(image, tmp_path / "image"))

    assert header.shape == (8, 6, 1)


def test_deflated_data_that_inflate_a_thousandfold_are_refused(tmp_path):
    image = an_image(np.zeros((8, 8), np.uint16))
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = save(image, tmp_path / "a.dcm")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path.write_bytes(
        path.read_bytes()[: dataset_offset(path.read_bytes())]
        + deflater.compress(bytes(65 * 1024**2))
        + deflater.flush()
    )

    assert refusal_of(path) == "inflate_limit"


def test_deflated_data_that_inflate_without_end_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_file, "MAX_DECODED_BYTES", 10_000_000)
    image = an_image(PIXELS)
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = save(image, tmp_path / "image")
    content = path.read_bytes()
    meta_end = 144 + int.from_bytes(content[140:144], "little")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = deflater.compress(bytes(50_000_000)) + deflater.flush()
    path.write_bytes(content[:meta_end] + bomb)

    assert refusal_of(path) == "inflate_limit"


def test_a_file_without_a_preamble_is_read_with_a_note(tmp_path):
    path = save(an_image(PIXELS), tmp_path / "image")
    path.write_bytes(path.read_bytes()[132:])

    assert "no_preamble" in notes_of(read(path))


def test_a_preamble_that_starts_like_a_program_is_noted(tmp_path):
    path = save(an_image(PIXELS), tmp_path / "image")
    path.write_bytes(b"MZ" + path.read_bytes()[2:])

    assert "executable_preamble" in notes_of(read(path))


def test_elements_encoded_otherwise_than_said_are_noted(tmp_path):
    image = an_image(PIXELS)
    image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    path = save(image, tmp_path / "image")
    content = path.read_bytes()
    claimed = content.replace(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.1\0")
    length = claimed.index(b"\x02\x00\x10\x00UI") + 6
    claimed = claimed[:length] + b"\x14\x00" + claimed[length + 2 :]
    group_length = int.from_bytes(claimed[140:144], "little") + 2
    path.write_bytes(claimed[:140] + group_length.to_bytes(4, "little") + claimed[144:])

    header = read(path)

    assert header.shape == (8, 6, 1)
    assert "syntax_mismatch" in notes_of(header)


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"PhotometricInterpretation": "MONOCHROME1"}, "polarity_normalised"),
        ({"BurnedInAnnotation": "YES"}, "burned_in_annotation"),
        ({"SpecificCharacterSet": "KLINGON"}, "charset"),
        ({"ImagerPixelSpacing": ["0", "0"]}, "no_physical_size"),
    ],
)
@pytest.mark.filterwarnings("ignore:Unknown encoding")
def test_what_is_worth_knowing_is_noted(tmp_path, tags, code):
    assert code in notes_of(header_of(tmp_path, **tags))


def test_a_film_with_a_detector_spacing_has_a_size(tmp_path):
    header = header_of(tmp_path, modality="DX", ImagerPixelSpacing=["0.2", "0.2"])

    assert "no_physical_size" not in notes_of(header)


@pytest.mark.parametrize(
    "tags",
    [
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"SeriesDescription": "3-plane_loc"},
        {"SeriesDescription": "HEAD SCOUT"},
        {"SeriesDescription": "Survey_32ch"},
    ],
)
def test_a_localizer_is_told_by_type_or_description(tmp_path, tags):
    assert header_of(tmp_path, **tags).is_localizer


def test_an_ordinary_series_is_no_localizer(tmp_path):
    tags = {"ImageType": ["ORIGINAL", "PRIMARY", "M"], "SeriesDescription": "local shim t2"}

    assert not header_of(tmp_path, **tags).is_localizer


@pytest.mark.parametrize(
    "window", [("40", "0"), ("40", "-3"), ("40", ""), ("", "80"), (["", "1"], "80")]
)
def test_a_window_that_shows_nothing_is_ignored(tmp_path, window):
    assert header_of(tmp_path, WindowCenter=window[0], WindowWidth=window[1]).window is None


def test_messages_hold_no_value_of_the_header(tmp_path):
    image = an_image(PIXELS)
    bad = Dataset()
    bad.PatientName = "Planted^Name"
    image.ReferencedImageSequence = DicomSequence([bad])
    path = save(image, tmp_path / "image")
    path.write_bytes(
        path.read_bytes().replace(b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00LO\x02\x00")
    )

    with pytest.raises(RefusedScanError) as caught:
        read(path)

    assert "Planted" not in str(caught.value)
