"""Real DICOM files of many makers: what medrec makes of each, beside what pydicom alone did."""

from __future__ import annotations

import csv
import os
import warnings
from collections import defaultdict
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder

from medrec.domain.series import Series
from medrec.errors import ScanError
from medrec.io.dicom_file import read_whole
from medrec.io.dicom_pixels import decode_frames
from medrec.io.discover import FoundFile
from medrec.io.header import read_header
from medrec.io.loading import load_file, load_volume

pytestmark = pytest.mark.data

NOT_THE_SAME = {
    # pydicom alone has no permissive decoder of 12-bit JPEG.
    "JPLY/": "ok",
    "JPEG-lossy.dcm": "ok",
    # Each decodes, and is no volume: its frames lie nowhere.
    "emri_small": "bad_geometry",
    "2frame": "bad_geometry",
    # Decodes to nothing but zeros.
    "IMG0001.dcm": "blank_image",
    # Shows no patient.
    "liver_": "not_an_image",
    "label.seg": "not_an_image",
}
SECOND_DECODERS = {
    "1.2.840.10008.1.2.4.50": "pillow",
    "1.2.840.10008.1.2.4.57": imagecodecs.ljpeg_decode,
    "1.2.840.10008.1.2.4.70": imagecodecs.ljpeg_decode,
    "1.2.840.10008.1.2.4.80": imagecodecs.jpegls_decode,
    "1.2.840.10008.1.2.4.81": imagecodecs.jpegls_decode,
    "1.2.840.10008.1.2.4.90": imagecodecs.jpeg2k_decode,
    "1.2.840.10008.1.2.4.91": imagecodecs.jpeg2k_decode,
    "1.2.840.10008.1.2.5": "pydicom",
}


@pytest.fixture(scope="module")
def folder():
    archives = os.environ.get("MEDREC_TEST_DATA")
    if not archives or not (Path(archives) / "dicom" / "manifest.csv").is_file():
        pytest.skip("MEDREC_TEST_DATA names no folder with dicom/manifest.csv")
    return Path(archives) / "dicom"


def rows_of(folder):
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 94
    return rows


def outcome(path):
    try:
        load_volume(Series((read_header(FoundFile(path=path, source=path.name)),)))
    except ScanError as error:
        return error.code
    return "ok"


def test_every_file_is_read_or_has_its_reason(folder):
    surprises = []
    for row in rows_of(folder):
        known = [code for part, code in NOT_THE_SAME.items() if part in row["path"]]
        found = outcome(folder / row["path"])
        if known and "too_short" not in row["path"]:
            is_right = found == known[0]
        else:
            is_right = (found == "ok") == (row["decode"] == "ok")
        if not is_right:
            surprises.append((row["path"], found, row["decode"]))

    assert [] == surprises


def test_compressed_files_decode_as_by_a_second_decoder(folder):
    compared = 0
    for row in rows_of(folder):
        path = folder / row["path"]
        if row["decode"] != "ok" or row["pi"] == "PALETTE COLOR" or row["bits"] == "1":
            continue
        image = dcmread(path)
        if image.file_meta.TransferSyntaxUID not in SECOND_DECODERS:
            continue
        wanted, found = second_opinion(image), decode_frames(read_whole(path))[0]
        if wanted.ndim == 3:
            wanted = wanted @ [0.299, 0.587, 0.114]
            np.testing.assert_allclose(found, wanted, atol=1.5, err_msg=row["path"])
        else:
            bits = 2**image.BitsStored - 1
            same = (found.astype(np.int64) & bits) == (wanted.astype(np.int64) & bits)
            assert same.all(), row["path"]
        compared += 1

    assert compared >= 40


def second_opinion(image):
    syntax = image.file_meta.TransferSyntaxUID
    other = SECOND_DECODERS[syntax]
    if isinstance(other, str):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frames, _ = get_decoder(syntax).as_array(image, decoding_plugin=other)
        return frames[0] if int(image.get("NumberOfFrames") or 1) > 1 else frames
    count = int(image.get("NumberOfFrames") or 1)
    return other(next(generate_frames(image.PixelData, number_of_frames=count)))


def test_one_picture_in_several_syntaxes_is_one_picture(folder):
    """The compression test set of DICOM working group 4: the same images, encoded by others."""
    pictures = defaultdict(dict)
    for path in sorted((folder / "nema_wg04").rglob("*_*")):
        name, syntax = path.name.split("_")
        pictures[name][syntax] = load_file(path).voxels
    lossless = {"JPLL", "JLSL", "J2KR", "RLE"}

    several = {n: found for n, found in pictures.items() if len(lossless & set(found)) > 1}

    assert len(several) >= 5
    for found in several.values():
        first, *others = [found[syntax] for syntax in sorted(lossless & set(found))]
        for other in others:
            np.testing.assert_array_equal(first, other)
        scale = float(np.ptp(first))
        for syntax in set(found) - lossless:
            assert np.abs(found[syntax] - first).mean() < 0.03 * scale
