"""Files with a name wherever a file can hold one, and a search that finds it in any encoding."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zlib
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from dicom_factory import a_stack, an_image, save
from PIL import Image, PngImagePlugin
from pydicom.datadict import DicomDictionary
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pydicom.dataset import Dataset

SURNAME = "Zyxwänder"
STEM = b"yxw"  # what of the name is the same in every 8-bit charset
PATIENT_ID = "4815162342"
PICTURE = re.compile(rb"base64,[A-Za-z0-9+/=]+")
"""Of an HTML page: letters by chance."""
ANSI = "\x1b[31m"
TEXT_VRS = {
    "AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UN",
    "UR", "UT", "OB", "OW",
}  # fmt: skip
LONG_VRS = {"OB", "OW", "SQ", "UC", "UN", "UR", "UT"}
STRUCTURAL = {
    0x00080005, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00280004, 0x00280008, 0x7FE00010,
}  # fmt: skip
"""Elements without which nothing is read: charset, UIDs, photometry, frames, pixels."""


def found_in(content: bytes) -> bool:
    """Whether the name or the ID stands in bytes, in ASCII's relatives or UTF-16."""
    searched = content.lower()
    wide = [STEM.decode().encode(kind) for kind in ("utf-16-le", "utf-16-be")]
    number = PATIENT_ID.encode()
    return any(planted in searched for planted in (STEM, *wide, number))


def files_with_name(folder: Path) -> list[str]:
    """Files below a folder that hold the name, in what they say or in what they are called."""
    found = []
    for path in sorted(folder.rglob("*")):
        called = str(path.relative_to(folder)).encode("utf-8", "surrogateescape")
        content = path.read_bytes() if path.is_file() else b""
        content = PICTURE.sub(b"", content)
        inner = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else b""
        if found_in(called) or found_in(content) or found_in(inner):
            found.append(path.name)
    return found


def text_tags() -> list[tuple[int, str]]:
    """Tags of the dictionary that can hold text, with the kind of value."""
    return [
        (tag, vr)
        for tag, (kinds, *_) in DicomDictionary.items()
        for vr in kinds.split(" or ")[:1]
        if vr in TEXT_VRS and tag >> 16 > 0x0007 and tag not in STRUCTURAL
    ]


def element_bytes(tag: int, vr: str, value: bytes) -> bytes:
    """An element in Explicit VR Little Endian, whatever its value."""
    value += b"\0" * (len(value) % 2) if vr in {"OB", "OW", "UI", "UN"} else b" " * (len(value) % 2)
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    if vr in LONG_VRS:
        return head + struct.pack("<HL", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def an_item(content: bytes) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(content)) + content


def write_with(image: Dataset, path: Path, planted: Iterable[tuple[int, str, bytes]]) -> Path:
    """Write an image with further elements, which may be of any content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = io.BytesIO()
    image.save_as(plain, enforce_file_format=True)
    head = plain.getvalue()
    start = 132 + 12 + struct.unpack("<L", head[140:144])[0]
    elements = {int(tag): own_bytes(image, tag) for tag in image.keys()}  # noqa: SIM118
    added = {tag: element_bytes(tag, vr, value) for tag, vr, value in planted}
    every = {**elements, **added}
    preamble = f"MZ {SURNAME}".encode("latin-1").ljust(128, b"\0")
    path.write_bytes(preamble + head[128:start] + b"".join(every[tag] for tag in sorted(every)))
    return path


def own_bytes(image: Dataset, tag: int) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_data_element(buffer, image[tag], ["iso8859"])
    return buffer.getvalue()


def some_pixels(seed: int = 0) -> np.ndarray:
    y, x = np.mgrid[:64, :64]
    disc = ((x - 32) ** 2 + (y - 32) ** 2 < 24**2) * 900
    return (disc + np.random.default_rng(seed).integers(0, 90, (64, 64))).astype(np.uint16)


def in_nifti(path: Path, kind: type, *, extension: bool = True) -> Path:
    """A volume with the name in every text field, in an extension and after its voxels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.stack([some_pixels(number) for number in range(8)], axis=2).astype(np.int16)
    image = kind(voxels, np.diag([1.0, 1.0, 5.0, 1.0]))
    name = SURNAME.encode("latin-1")
    for field in ("descrip", "aux_file", "intent_name", "data_type", "db_name"):
        if field in image.header.keys():  # noqa: SIM118
            image.header.structarr[field] = name
    if extension:
        comments = [f"by {SURNAME}", f"<xml>{SURNAME}</xml>"]
        image.header.extensions.extend(
            nib.nifti1.Nifti1Extension(code, text.encode())
            for code, text in zip((6, 4), comments, strict=True)
        )
    content = image.to_bytes() + name
    if path.suffix == ".gz":
        with path.open("wb") as raw, gzip.GzipFile(f"{SURNAME}.nii", "wb", 6, raw) as packed:
            packed.write(content)
    else:
        path.write_bytes(content)
    return path


def in_png(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", SURNAME)
    texts.add_text("Comment", SURNAME, zip=True)
    texts.add_itxt("Title", SURNAME)
    picture = Image.fromarray(some_pixels().astype(np.uint8))
    picture.save(path, pnginfo=texts, exif=an_exif(), icc_profile=SURNAME.encode() * 4)
    content = path.read_bytes()
    body = SURNAME.encode()
    private = struct.pack(">L4s", len(body), b"naMe") + body
    private += struct.pack(">L", zlib.crc32(private[4:]))
    path.write_bytes(content[:33] + private + content[33:] + body)
    return path


def in_jpeg(path: Path, *, mode: str = "RGB", progressive: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(some_pixels().astype(np.uint8)).convert(mode)
    picture.save(
        path, comment=SURNAME, exif=an_exif(), icc_profile=SURNAME.encode() * 4,
        progressive=progressive,
    )  # fmt: skip
    xmp = b"http://ns.adobe.com/xap/1.0/\0" + SURNAME.encode()
    segment = b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp
    content = path.read_bytes()
    path.write_bytes(content[:2] + segment + content[2:] + SURNAME.encode())
    return path


def an_exif() -> bytes:
    exif = Image.Exif()
    exif[0x013B], exif[0x010E] = SURNAME, SURNAME  # artist, description
    return exif.tobytes()


def a_named_image(number: int = 1, **tags: object) -> Dataset:
    """An MR image of the patient."""
    return an_image(
        some_pixels(number),
        number=number,
        SpecificCharacterSet="ISO_IR 100",
        PatientName=f"{SURNAME}^Hans",
        PatientID=PATIENT_ID,
        StudyDate="20200301",
        StudyTime="101500",
        SeriesDescription=f"T1 POST GD {SURNAME} {ANSI}",
        StudyDescription=f"{ANSI}{SURNAME}\nroot: all is well",
        InstitutionName=f"{SURNAME} clinic",
        Manufacturer=f"SIEMENS {SURNAME}",
        ImageComments=SURNAME,
        **tags,
    )


def a_named_stack(folder: Path) -> Path:
    """A series of the patient that can be screened."""
    voxels = np.stack([some_pixels(number).T for number in range(8)], axis=2)
    for image in a_stack(voxels, SeriesDescription=f"T1 POST GD {SURNAME} {ANSI}"):
        image.SpecificCharacterSet = "ISO_IR 100"
        image.PatientName, image.PatientID = f"{SURNAME}^Hans", PATIENT_ID
        image.BodyPartExamined = "BRAIN"
        image.StudyDescription = f"{ANSI}{SURNAME}"
        save(image, folder / f"{SURNAME}_{image.InstanceNumber}.dcm")
    return folder
