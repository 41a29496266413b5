"""The reader of plain files says what pydicom's says, or leaves the file to it."""

from __future__ import annotations

import logging
import os
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import a_multi_frame, a_stack, an_image, save
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.sequence import Sequence
from pydicom.uid import (
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from medrec.errors import RefusedScanError, ScanError
from medrec.io.dicom import _TAGS, read_dicom_header, read_plain_dicom_header
from medrec.io.discover import FoundFile
from medrec.io.plain_dicom import read_plain_head

VOXELS = np.arange(7 * 9 * 3, dtype=np.uint16).reshape(7, 9, 3)
SYNTAXES = [
    str(syntax)
    for syntax in AllTransferSyntaxes
    if syntax not in (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian)
]
TEXTS = {
    "SeriesDescription": ["", " t1 gd ", "a\\b", "\x00", "localizer"],
    "ProtocolName": ["", "t2"],
    "ImageType": [[], "ORIGINAL", ["ORIGINAL", "PRIMARY", "LOCALIZER"]],
    "PixelSpacing": [[], ["0.5", "0.5"], ["0", "1"], ["1e0", "+2"], ["1", "2", "3"]],
    "ImagePositionPatient": [[], ["1", "2", "-3.5"], ["0", "0"], ["1e400", "0", "0"]],
    "ImageOrientationPatient": [["1", "0", "0", "0", "1", "0"], ["1", "0"]],
    "EchoTime": [None, "90", "0", "90.50"],
    "EchoNumbers": [None, "1", ["1", "2"]],
    "InstanceNumber": [None, "7", "-1", "007"],
    "ScanningSequence": ["SE", ["SE", "IR"], []],
    "WindowCenter": ["40", ["40", "50"], None],
    "WindowWidth": ["400", ["400", "0"], "-1"],
    "NumberOfFrames": [None, "1"],
    "Laterality": ["L", "", "l"],
    "BurnedInAnnotation": ["YES", "NO"],
    "PresentationLUTShape": ["INVERSE", "IDENTITY", ""],
    "PatientID": ["", "PLANTED-ID", "0"],
    "SpecificCharacterSet": ["", "ISO_IR 100", "ISO_IR 192", "ISO_IR 6", "NONE SUCH"],
}


def outcome(read, path, source="image"):
    """A header, or why there is none."""
    try:
        return read(FoundFile(path=path, source=source))
    except ScanError as error:
        return type(error), error.code, error.detail


def assert_same(path):
    """Reading twice asks what was remembered of the first time too."""
    expected = outcome(read_dicom_header, path)
    for _ in range(2):
        found = outcome(read_plain_dicom_header, path)
        assert found is None or expected == found
    return found is not None


def written(dataset, folder, syntax=ExplicitVRLittleEndian):
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.set_original_encoding(is_implicit_vr=False, is_little_endian=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that DICOM forbids
        return save(dataset, folder / "image.dcm")


def as_bytes(dataset, syntax=ExplicitVRLittleEndian):
    dataset.file_meta.TransferSyntaxUID = syntax
    stream = DicomBytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_plain_file_is_read_without_pydicom_walking_through_it(tmp_path, syntax):
    image = a_stack(VOXELS, SeriesDescription="t1 gd")[1]

    assert assert_same(written(image, tmp_path, syntax))


@pytest.mark.parametrize("syntax", [DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_encodings_are_left_to_pydicom(tmp_path, syntax):
    assert not assert_same(written(an_image(VOXELS[..., 0]), tmp_path, syntax))


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_transfer_syntax_ends_alike(tmp_path, syntax):
    """Its name alone decides here: whether the pixels are such a stream is the decoder's matter."""
    content = as_bytes(an_image(VOXELS[..., 0]))
    group = content.index(b"\x02\x00\x10\x00UI")
    old = struct.unpack_from("<H", content, group + 6)[0]
    new = syntax.encode() + b"\0" * (len(syntax) % 2)
    length = struct.unpack_from("<L", content, 140)[0] + len(new) - old
    path = tmp_path / "image.dcm"
    path.write_bytes(
        content[:140]
        + struct.pack("<L", length)
        + content[144 : group + 6]
        + struct.pack("<H", len(new))
        + new
        + content[group + 8 + old :]
    )

    # The dataset is explicit, which pydicom finds out where the name says otherwise.
    assert (syntax != ImplicitVRLittleEndian) == assert_same(path)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_encapsulated_pixels_end_alike(tmp_path, syntax):
    image = an_image(np.resize(VOXELS, (40, 48)))
    image.compress(syntax)

    assert assert_same(written(image, tmp_path, syntax))


@pytest.mark.parametrize("is_undefined", [True, False])
def test_sequences_before_the_pixels_end_alike(tmp_path, is_undefined):
    image = a_multi_frame(VOXELS)
    image.ReferencedImageSequence = Sequence([Dataset(), Dataset()])
    image["ReferencedImageSequence"].is_undefined_length = is_undefined

    assert is_undefined != assert_same(written(image, tmp_path))


def test_a_header_longer_than_what_is_read_at_once_ends_alike(tmp_path):
    image = a_stack(VOXELS, SeriesDescription="t1", ContrastBolusAgent="y" * 9001)[0]
    block = image.private_block(0x0019, "MADE UP", create=True)
    for number in range(1, 9):
        block.add_new(number, "UN", bytes(3001 * number))
    image.ImageComments = "x" * 9000

    assert assert_same(written(image, tmp_path))


def test_names_outside_ascii_end_alike(tmp_path):
    for charset in ("ISO_IR 100", "ISO_IR 192", "ISO_IR 144"):
        image = an_image(VOXELS[..., 0], SpecificCharacterSet=charset)
        image.SeriesDescription = "ж" if charset == "ISO_IR 144" else "Schädel"
        assert assert_same(written(image, tmp_path))


def test_switching_between_character_sets_is_left_to_pydicom(tmp_path):
    image = an_image(VOXELS[..., 0], SpecificCharacterSet=["ISO 2022 IR 6", "ISO 2022 IR 87"])

    assert not assert_same(written(image, tmp_path))


def test_an_element_under_another_vr_than_its_own_ends_alike(tmp_path):
    image = a_stack(VOXELS)[0]
    for keyword, vr, value in (
        ("EchoTime", "LO", "12"),
        ("Rows", "UL", 9),
        ("SeriesDescription", "UN", b"t1 gd "),
        ("InstanceNumber", "UT", "4"),
    ):
        image[keyword if keyword in image else image.add_new(keyword, vr, value) or keyword].VR = vr
        image[keyword].value = value

    assert assert_same(written(image, tmp_path))


@pytest.mark.parametrize("without", ["preamble", "pixels", "Rows", "SOPClassUID", "BitsStored"])
def test_what_is_missing_ends_alike(tmp_path, without):
    image = an_image(VOXELS[..., 0])
    if without == "pixels":
        del image.PixelData
    elif without != "preamble":
        del image[without]
    path = tmp_path / "image.dcm"
    content = as_bytes(image)
    path.write_bytes(content[132:] if without == "preamble" else content)

    assert_same(path)


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_any_values_end_alike(tmp_path_factory, data):
    keywords = data.draw(st.sets(st.sampled_from(sorted(TEXTS))))
    tags = {keyword: data.draw(st.sampled_from(TEXTS[keyword])) for keyword in sorted(keywords)}
    syntax = data.draw(st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian]))
    folder = tmp_path_factory.mktemp("values")

    assert_same(written(an_image(VOXELS[..., 0], **tags), folder, syntax))


@pytest.fixture(scope="module")
def contents():
    """Good files as bytes: explicit, implicit, encapsulated, with sequences."""
    stack = a_stack(VOXELS, WindowCenter="9", WindowWidth="9", SpecificCharacterSet="ISO_IR 100")
    packed = an_image(np.resize(VOXELS, (40, 48)))
    packed.compress(RLELossless)
    return [
        as_bytes(stack[0]),
        as_bytes(stack[1], ImplicitVRLittleEndian),
        as_bytes(packed, RLELossless),
        as_bytes(a_multi_frame(VOXELS)),
    ]


@given(data=st.data())
@settings(deadline=None, max_examples=400)
def test_a_damaged_file_ends_alike(tmp_path_factory, contents, data):
    content = bytearray(data.draw(st.sampled_from(contents)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(content), 1500) - 1))
        match data.draw(st.integers(0, 3)):
            case 0:
                content[place] = data.draw(st.integers(0, 255))
            case 1:
                word = data.draw(
                    st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", b"SQ", b"nan "])
                )
                content[place : place + len(word)] = word
            case 2:
                del content[place : place + data.draw(st.integers(1, 20))]
            case _:
                del content[max(place, 200) :]
    path = tmp_path_factory.mktemp("damaged") / "image.dcm"
    path.write_bytes(content)

    assert_same(path)


def test_slices_of_a_series_keep_what_is_their_own(tmp_path):
    images = a_stack(VOXELS, WindowWidth="9")
    for number, image in enumerate(images):
        image.WindowCenter = str(number)
        path = save(image, tmp_path / f"{number}")

        found = outcome(read_plain_dicom_header, path, source=path.name)

        assert outcome(read_dicom_header, path, source=path.name) == found
        assert (number + 1, (float(number), 9.0)) == (found.instance_number, found.window)


def test_a_neighbour_of_a_good_slice_is_still_refused_for_itself(tmp_path):
    image = an_image(VOXELS[..., 0])
    good = as_bytes(image)
    for name, content in {
        "good": good,
        "cut": good[:-10],
        "uid": good.replace(
            image.SOPInstanceUID.encode(), b"../" + b"7" * (len(image.SOPInstanceUID) - 3)
        ),
        "size": good.replace(b"\x28\x00\x10\x00US\x02\x00\x07", b"\x28\x00\x10\x00US\x02\x00\x10"),
    }.items():
        (tmp_path / name).write_bytes(content)

    found = {
        name: outcome(read_plain_dicom_header, tmp_path / name)
        for name in ("good", "cut", "uid", "size")
    }

    assert ["truncated", "bad_uid", "size_mismatch"] == [
        found[n][1] for n in ("cut", "uid", "size")
    ]
    assert found["good"] == outcome(read_dicom_header, tmp_path / "good")


def test_picked_elements_read_like_the_dataset_that_they_are_of(tmp_path):
    image = a_stack(VOXELS, EchoTime="12.50", SmallestImagePixelValue=3)[0]
    path = written(image, tmp_path, ImplicitVRLittleEndian)
    picked = read_plain_head(path, _TAGS | {0x00280106}).dataset
    dataset = dcmread(path)

    assert "12.50" == str(picked.EchoTime) == str(picked.get("EchoTime"))
    assert 3 == picked.get("SmallestImagePixelValue")  # its VR hangs on another element
    assert dataset.ImageOrientationPatient == picked.ImageOrientationPatient
    assert dataset[0x00200032] == picked.get((0x0020, 0x0032))
    assert "Rows" in picked
    assert 0x00280010 in picked
    assert "StudyDate" not in picked
    assert "none" == picked.get("StudyDate", "none")
    with pytest.raises(AttributeError):
        _ = picked.StudyDate
    assert ImplicitVRLittleEndian == picked.file_meta.get("TransferSyntaxUID")


@pytest.mark.data
def test_files_of_many_makers_end_alike():
    root = os.environ.get("MEDREC_TEST_DATA")
    if not root:
        pytest.skip("MEDREC_TEST_DATA names no folder")
    paths = [path for path in sorted((Path(root) / "dicom").rglob("*")) if path.is_file()]

    plain = sum(assert_same(path) for path in paths)

    assert len(paths) > 50
    assert plain > len(paths) / 4


def test_a_program_that_turned_pydicom_s_log_off_is_spared_its_warnings_too(tmp_path, monkeypatch):
    monkeypatch.setattr(logging.getLogger("pydicom"), "disabled", True)
    image = an_image(VOXELS[..., 0])
    uid = image.SOPInstanceUID.encode()
    content = as_bytes(image).replace(uid, b"../".ljust(len(uid), b"7"))
    (tmp_path / "image").write_bytes(content)

    with pytest.raises(RefusedScanError, match="bad_uid"):
        read_dicom_header(FoundFile(tmp_path / "image", "image"))
