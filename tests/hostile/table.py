"""The table of hostile inputs: what a folder may hold to break medrec, and what must become of it.

`docs/reference/hostile-inputs.md` is checked against it. To print the page's table after a change:
`PYTHONPATH=tests python -m hostile.table`.
"""

from __future__ import annotations

import sys

import numpy as np
from hostile import archive_inputs as archives
from hostile import dicom_inputs as dicom
from hostile import nifti_inputs as nifti
from hostile import picture_inputs as pictures
from hostile.row import Row, one
from pydicom.uid import JPEG2000Lossless

_NAMES = {
    "PatientName": "<script>alert('Planted')</script>",
    "PatientID": "=cmd|'/c calc'!A1",
    "StudyDescription": "\x1b[31mPlanted study\x1b[0m",
    "SeriesDescription": "<img src=x onerror=alert(1)>",
    "Manufacturer": "=HYPERLINK(1)<script>alert(2)</script>\x1b[31m",
    "BodyPartExamined": "HEAD",
}

DICOM = (
    Row("1", "an empty file", dicom.raw(b""), one("refused:not_dicom")),
    Row("2", "text under a DICOM name", dicom.raw(b"Dear Sir,\n" * 99), one("refused:not_dicom")),
    Row("3", "a DICOM file that ends amid its header", dicom.cut_header, one("refused:truncated")),
    Row("4", "a DICOM file that ends amid its pixels", dicom.cut(0.8), one("refused:truncated")),
    Row("5", "a dataset without preamble", dicom.no_preamble, one("scored"), ("no_preamble",)),
    Row(
        "6",
        "a preamble that is a Windows program's",
        dicom.preamble(b"MZ"),
        one("scored"),
        ("executable_preamble",),
    ),
    Row(
        "7",
        "a preamble that is a Linux program's",
        dicom.preamble(b"\x7fELF"),
        one("scored"),
        ("executable_preamble",),
    ),
    Row(
        "8",
        "a header of 65,535 by 65,535 pixels over little data",
        dicom.tagged(Rows=65535, Columns=65535),
        one("refused:size_mismatch"),
    ),
    Row(
        "9",
        "the same over a small JPEG 2000 stream",
        dicom.compressed_lie(JPEG2000Lossless, Rows=65535, Columns=65535),
        one("refused:too_large"),
    ),
    Row(
        "9b",
        "a JPEG 2000 stream that claims 60,000 by 60,000 pixels under a small header",
        dicom.stream_lie,
        one("refused:size_mismatch"),
    ),
    Row(
        "10",
        "2,147,483,647 frames over the data of one",
        dicom.tagged(NumberOfFrames=str(2**31 - 1)),
        one("refused:size_mismatch"),
    ),
    Row("11", "an RLE bomb: 3.2 GB out of megabytes", dicom.rle_bomb, one("refused:too_large")),
    Row(
        "12",
        "a deflate bomb: 1.5 GB out of 1.5 MB",
        dicom.deflate_bomb,
        one("refused:inflate_limit"),
    ),
    Row("13", "20,000 nested sequences", dicom.nested, one("refused:nesting")),
    Row(
        "14",
        "markup, formulas and terminal controls in names, IDs and descriptions",
        dicom.tagged(**_NAMES),
        one("scored"),
        words="escaped in pages, tables, logs and on the terminal; names and IDs stand in none",
    ),
    Row("15", "UIDs that are paths", dicom.bad_uids, one("refused:bad_uid")),
    Row(
        "16",
        "an empty SOPInstanceUID",
        dicom.tagged(SOPInstanceUID=""),
        one("refused:bad_uid"),
    ),
    Row(
        "17",
        "a report, a structure set, a key object: no pixels",
        dicom.no_picture,
        one("skipped:not_an_image"),
    ),
    Row("18", "no Rows", dicom.without("Rows"), one("refused:malformed")),
    Row(
        "19",
        "more bits stored than allocated",
        dicom.tagged(BitsStored=24, HighBit=23),
        one("refused:malformed"),
    ),
    Row("20", "rubbish after the start of a JPEG", dicom.garbage_jpeg, one("refused:decode_error")),
    Row(
        "21",
        "explicit elements under an implicit transfer syntax",
        dicom.wrong_label,
        one("scored"),
        ("syntax_mismatch",),
    ),
    Row(
        "22",
        "a transfer syntax that nobody knows",
        dicom.unknown_syntax,
        one("refused:unsupported_syntax"),
        words="named in the detail",
    ),
    Row(
        "23",
        "a constant image",
        dicom.tagged(stored=np.zeros((48, 40), np.uint16)),
        one("refused:blank_image"),
        words="no probability",
    ),
    Row(
        "24",
        "a film with a pixel spacing of 0, below 0 or that is no number",
        dicom.several(PixelSpacing=(["0", "0"], ["-1", "-1"], ["nan", "nan"])),
        one("scored"),
        ("no_physical_size",),
    ),
    Row(
        "24b",
        "a series of slices with such a spacing",
        dicom.broken_series(lambda slices: slices, PixelSpacing=["0", "0"]),
        one("refused:bad_geometry"),
    ),
    Row(
        "25",
        "a rescale slope of 0, an intercept of 1e30",
        dicom.several(RescaleSlope=("0", "1"), RescaleIntercept=("0", "1e30")),
        one("refused:bad_rescale"),
    ),
    Row(
        "26",
        "a window of width 0",
        dicom.tagged(WindowCenter="50", WindowWidth="0"),
        one("scored"),
        words="the window is left aside",
    ),
    Row(
        "27",
        "an unknown character set",
        dicom.tagged(SpecificCharacterSet="ISO_IR 999", PatientName="Pl\xe4nted"),
        one("scored"),
        ("charset",),
    ),
    Row(
        "28",
        "RGB of one sample a pixel",
        dicom.tagged(PhotometricInterpretation="RGB"),
        one("refused:malformed"),
    ),
    Row("29", "0 rows, 0 columns", dicom.tagged(Rows=0, Columns=0), one("refused:malformed")),
    Row(
        "30",
        "dates, times and ages that are none, numbers that are empty",
        dicom.tagged(
            StudyDate="99999999",
            AcquisitionDate="yesterday",
            StudyTime="25:61",
            PatientBirthDate="18000230",
            PatientAge="999Z",
            InstanceNumber="",
            SeriesNumber=None,
        ),
        one("scored"),
    ),
)

ARCHIVES = (
    Row(
        "31",
        "an archive whose members lead out of its folder: `..`, absolute paths, drives, links",
        archives.slips,
        one("refused:unsafe_archive"),
        words="nothing of it is unpacked",
    ),
    Row("32", "a zip bomb: 500 MB out of 0.5 MB", archives.bomb, one("refused:archive_limit")),
)

NIFTI = (
    Row("33", "text under a NIfTI name, packed or not", nifti.fake, one("refused:not_nifti")),
    Row(
        "34",
        "a NIfTI affine that is not finite",
        nifti.changed(34, (nifti.SROW, [np.nan] * 4, "<f4")),
        one("refused:bad_geometry"),
    ),
    Row(
        "35",
        "a NIfTI header of 30,000 cubed voxels",
        nifti.changed(35, (nifti.DIM, [3, 30_000, 30_000, 30_000], "<i2")),
        one("refused:too_large"),
    ),
    Row(
        "35b",
        "a gzip bomb behind a small NIfTI volume",
        nifti.bomb_behind,
        one("scored"),
        words="only what the header asks for is inflated",
    ),
    Row(
        "35c",
        "a gzip bomb that is a NIfTI extension",
        nifti.bomb_extension,
        one("refused:malformed"),
    ),
    Row(
        "35d",
        "2 GB of voxels promised by a packed file of 1 kB",
        nifti.far_too_small,
        one("refused:truncated"),
        words="before memory is asked for",
    ),
    Row(
        "36",
        "NIfTI voxels that are infinite or no numbers",
        nifti.of_values(nifti.with_values(np.nan, np.inf), 36),
        one("refused:non_finite"),
        words="one such voxel is enough",
    ),
    Row("37", "NIfTI voxels of three colours", nifti.colour, one("refused:unsupported_dtype")),
    Row(
        "37b",
        "NIfTI voxels that are complex numbers",
        nifti.of_values(lambda stored: stored.astype(np.complex64), 371),
        one("refused:unsupported_dtype"),
    ),
    Row(
        "38",
        "a NIfTI file without sform and qform",
        nifti.changed(38, (nifti.QFORM_CODE, [0, 0], "<i2")),
        one("scored"),
        ("no_orientation",),
    ),
    Row(
        "38b",
        "a sform and a qform that lay an axis to opposite sides",
        nifti.two_frames,
        one("scored"),
        ("no_orientation",),
    ),
    Row("38c", "a NIfTI file in the other byte order", nifti.big_endian, one("scored")),
    Row(
        "38d",
        "a negative pixdim under a qform",
        nifti.changed(384, (nifti.SFORM_CODE, 0, "<i2"), (nifti.PIXDIM + 4, -1.0, "<f4")),
        one("scored"),
        words="its size counts, its sign doesn't",
    ),
    Row("39", "a NIfTI file that ends early", nifti.cut, one("refused:truncated")),
    Row(
        "39b",
        "a vox_offset far behind the file's end",
        nifti.changed(392, (nifti.VOX_OFFSET, 1e12, "<f4")),
        one("refused:truncated"),
    ),
    Row(
        "39c",
        "a vox_offset inside the header, or that is no number",
        nifti.bad_offsets,
        one("refused:malformed"),
    ),
    Row(
        "40",
        "a NIfTI dimension of 0",
        nifti.changed(40, (nifti.DIM, [3, 24, 20, 0], "<i2")),
        one("refused:malformed"),
    ),
    Row(
        "40b",
        "a NIfTI file of several volumes",
        nifti.several_volumes,
        one("refused:out_of_scope"),
    ),
    Row(
        "40c",
        "a scl_slope of 0 or that is no number",
        nifti.no_slopes,
        one("scored"),
        words="values as stored",
    ),
    Row(
        "40d",
        "a scl_slope that is infinite",
        nifti.changed(404, (nifti.SLOPE, np.inf, "<f4")),
        one("refused:bad_rescale"),
    ),
)

FOLDERS = (
    Row(
        "41",
        "two images at one place of a series",
        dicom.broken_series(dicom.twice_in_place),
        one("refused:duplicate_position"),
    ),
    Row(
        "41b",
        "a slice that is missing",
        dicom.broken_series(lambda slices: slices[:2] + slices[3:], count=7),
        one("refused:gap"),
    ),
    Row(
        "41c",
        "two echoes in one series",
        dicom.two_echoes,
        one("scored"),
        words="two series of one case",
    ),
    Row(
        "41d",
        "a localizer beside a series",
        dicom.with_localizer,
        {"scout.dcm": "skipped:localizer", "*": "scored"},
    ),
    Row(
        "42",
        "a CT in a model of MR",
        dicom.tagged(Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2"),
        one("refused:out_of_scope"),
    ),
    Row(
        "42b",
        "a hand in a model of chests",
        verdicts=one("refused:out_of_scope"),
        test="test_inputs",
    ),
    Row(
        "43",
        "a MONOCHROME1 copy of a MONOCHROME2 image",
        dicom.polarity_twins,
        one("scored"),
        words="the same probability",
    ),
    Row(
        "44",
        "one image twice",
        dicom.same_twice,
        {"a.dcm": "scored", "b.dcm": "duplicate"},
    ),
    Row(
        "44b",
        "different pixels under one SOPInstanceUID",
        dicom.same_uid,
        one("refused:uid_conflict"),
    ),
    Row(
        "45",
        "two patients under one StudyInstanceUID",
        dicom.one_study_two_patients(PatientID=("A-1", "B-2")),
        one("scored"),
        words="two cases",
    ),
    Row(
        "45b",
        "two names under one PatientID, a study each",
        dicom.several(PatientID=("A-1", "A-1"), PatientName=("One^Planted", "Two^Planted")),
        one("scored"),
        words="two cases",
    ),
    Row(
        "46",
        "a file that vanishes or changes while medrec runs, or can't be read",
        verdicts=one("failed:io"),
        words="another try with `--resume` may help",
        test="test_moving_files",
    ),
    Row(
        "46b",
        "pipes, sockets, devices, and links to themselves or to nothing",
        verdicts=one("failed:io"),
        words="never opened",
        test="test_moving_files",
    ),
    Row(
        "46c",
        "links to other files and folders",
        verdicts=one("skipped:not_an_image"),
        words="never followed",
        test="test_moving_files",
    ),
    Row(
        "47",
        "a disk that fills up while results are written",
        words="exit code 1 and one message; no partial table or report; `--resume` goes on",
        test="test_disk_full",
    ),
    Row(
        "48",
        "names with newlines, bytes that are no UTF-8, 255 bytes, a leading `-` or `=`",
        verdicts=one("scored"),
        words="tables and pages stay valid",
        test="test_names",
    ),
    Row(
        "49",
        "100,000 files in one folder",
        words="bounded memory, progress, `--resume`",
        test="test_many_files",
    ),
    Row(
        "51",
        "a kill at any instant",
        words="`--resume` ends like one run; nothing finished is lost or done twice",
        test="test_kill",
    ),
    Row(
        "52",
        "a model package with a pickle, changed weights, another version or no calibrator",
        words="exit code 1 before a scan is read",
        test="test_packages",
    ),
)

PICTURES = (
    Row("53", "text under the name of a picture", pictures.no_picture, one("refused:malformed")),
    Row("54", "a picture of 60,000 by 60,000 pixels", pictures.huge, one("refused:too_large")),
    Row("55", "a PNG comment of 100 MB, packed", pictures.text_bomb, one("refused:malformed")),
    Row("56", "pictures that end early", pictures.cut, one("refused:truncated")),
    Row("57", "a PNG of several frames", pictures.moving, one("refused:out_of_scope")),
    Row(
        "58",
        "colour, palettes, transparency, CMYK, interlacing, 16 bits, a rotation in EXIF",
        pictures.odd_modes,
        one("scored"),
        words="grey as stored",
    ),
)

TABLE = (*DICOM, *ARCHIVES, *NIFTI, *FOLDERS, *PICTURES)


def render() -> str:
    """The table of the reference page."""
    lines = ["| no. | input | what becomes of it |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(row.line for row in TABLE)]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
