"""DICOM files that lie, break off, explode or carry more than an image."""

from __future__ import annotations

import itertools
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from dicom_factory import ROOT, a_stack, an_image, save
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    Make = Callable[[Path], None]

_NUMBERS = itertools.count(1000)
_MIB = 1024**2


def pixels(seed: int = 0, *, rows: int = 48, columns: int = 40) -> NDArray[np.uint16]:
    """A bright disc with some noise on dark ground: enough to be judged."""
    y, x = np.mgrid[:rows, :columns]
    disc = (y - rows / 2) ** 2 + (x - columns / 2) ** 2 < (min(rows, columns) / 2.5) ** 2
    noise = np.random.default_rng(seed).integers(0, 200, (rows, columns))
    return (disc * 900 + noise).astype(np.uint16)


def image(**tags: Any) -> Dataset:
    """A sound MR image in a study of its own, with pixels of its own."""
    number = next(_NUMBERS)
    uids = {
        "StudyInstanceUID": f"{ROOT}.1.{number}",
        "SeriesInstanceUID": f"{ROOT}.2.{number}",
        "PatientID": f"PLANTED-ID-{number}",
        "PixelSpacing": ["1", "1"],
    }
    stored = tags.pop("stored", pixels(number))
    return an_image(stored, number=number, **{**uids, **tags})


def stack(count: int = 5, **tags: Any) -> list[Dataset]:
    """A sound series of slices in a study of its own."""
    number = next(_NUMBERS)
    voxels = np.stack([pixels(number * 100 + k).T for k in range(count)], axis=-1)
    slices = a_stack(voxels, **tags)
    for index, one in enumerate(slices):
        one.StudyInstanceUID = f"{ROOT}.1.{number}"
        one.SeriesInstanceUID = f"{ROOT}.2.{number}"
        one.PatientID = f"PLANTED-ID-{number}"
        one.SOPInstanceUID = f"{ROOT}.3.{number}.{index}"
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    return slices


def tagged(**tags: Any) -> Make:
    """A sound image but for some tags."""
    return lambda folder: put(image(**tags), folder / "scan.dcm")


def without(keyword: str) -> Make:
    """A sound image but for one tag that is missing."""

    def make(folder: Path) -> None:
        dataset = image()
        del dataset[keyword]
        put(dataset, folder / "scan.dcm")

    return make


def several(**tags: tuple[Any, ...]) -> Make:
    """One sound image for each value of some tags."""

    def make(folder: Path) -> None:
        for index, values in enumerate(zip(*tags.values(), strict=True)):
            changes = dict(zip(tags, values, strict=True))
            put(image(**changes), folder / f"scan{index}.dcm")

    return make


def raw(content: bytes) -> Make:
    """A file of these bytes."""
    return lambda folder: _write(folder / "scan.dcm", content)


def cut(share: float) -> Make:
    """The first part of a sound file."""

    def make(folder: Path) -> None:
        content = _bytes_of(image(), folder)
        _write(folder / "scan.dcm", content[: int(share * len(content))])

    return make


def cut_header(folder: Path) -> None:
    """A file that ends amid its header."""
    content = _bytes_of(image(), folder)
    _write(folder / "scan.dcm", content[: content.index(b"SIEMENS")])


def preamble(start: bytes) -> Make:
    """A sound file whose first 128 bytes start like a program."""

    def make(folder: Path) -> None:
        content = _bytes_of(image(), folder)
        _write(folder / "scan.dcm", start.ljust(128, b"\x90") + content[128:])

    return make


def no_preamble(folder: Path) -> None:
    """A dataset alone, without preamble, magic and file meta group."""
    content = _bytes_of(image(), folder)
    _write(folder / "scan.dcm", content[_meta_end(content) :])


def compressed_lie(syntax: str, **tags: Any) -> Make:
    """A compressed image whose header, once its pixels are written, is changed."""

    def make(folder: Path) -> None:
        dataset = image()
        dataset.compress(syntax)
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        put(dataset, folder / "scan.dcm")

    return make


def stream_lie(folder: Path) -> None:
    """A JPEG 2000 stream that claims 60,000 by 60,000 pixels under a header of 48 by 40."""
    dataset = image()
    dataset.compress(JPEG2000Lossless)
    start = dataset.PixelData.index(b"\xff\x4f\xff\x51") + 8
    size = struct.pack(">2L", 60_000, 60_000)
    dataset.PixelData = dataset.PixelData[:start] + size + dataset.PixelData[start + 8 :]
    dataset["PixelData"].is_undefined_length = True
    put(dataset, folder / "scan.dcm")


def rle_bomb(folder: Path) -> None:
    """2 MiB of RLE under a header of 3.2 GB: each pair of bytes stands for 128."""
    dataset = image(Rows=40_000, Columns=40_000)
    _encapsulate(dataset, _rle(b"\x81\x00" * _MIB), RLELossless)
    put(dataset, folder / "scan.dcm")


def deflate_bomb(folder: Path) -> None:
    """A dataset of 1.5 MB that inflates to 1.5 GB of zeros."""
    dataset = image()
    del dataset.PixelData
    plain = _bytes_of(dataset, folder)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    deflated = _bytes_of(dataset, folder)
    pixel_element = struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OW", 0, 1500 * _MIB)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    first = packer.compress(plain[_meta_end(plain) :] + pixel_element)
    first += packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush a block stands for itself: one block, repeated, is a valid stream.
    block = packer.compress(bytes(15 * _MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    head = deflated[: _meta_end(deflated)]
    _write(folder / "scan.dcm", head + first + 100 * block + packer.flush())


def nested(folder: Path) -> None:
    """20,000 sequences, one inside the other."""
    content = _bytes_of(image(), folder)
    opening = struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    opening += struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    at = content.index(struct.pack("<HH2s", 0x0010, 0x0010, b"PN"))
    closing = struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    _write(folder / "scan.dcm", content[:at] + 20_000 * opening + 20_000 * closing + content[at:])


def bad_uids(folder: Path) -> None:
    """UIDs that are paths: what names a file by its UID writes where they say."""
    values = ("../../../escaped", "/etc/cron.d/escaped", "1.2.3/../../escaped", "1.2\x00.3")
    for index, value in enumerate(values):
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            put(image(**{keyword: value}), folder / f"{keyword}{index}.dcm")


def no_picture(folder: Path) -> None:
    """Objects of a study that show no patient."""
    classes = {
        "SR": "1.2.840.10008.5.1.4.1.1.88.11",
        "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
        "KO": "1.2.840.10008.5.1.4.1.1.88.59",
    }
    for modality, sop_class in classes.items():
        dataset = image(Modality=modality, SOPClassUID=sop_class)
        for keyword in ("PixelData", "Rows", "Columns"):
            del dataset[keyword]
        put(dataset, folder / f"{modality}.dcm")


def garbage_jpeg(folder: Path) -> None:
    """A JPEG stream that starts rightly and goes on with rubbish."""
    dataset = image(stored=(pixels(3) // 8).astype(np.uint8))
    rubbish = np.random.default_rng(0).integers(0, 255, 4000).astype(np.uint8).tobytes()
    _encapsulate(dataset, b"\xff\xd8\xff\xe0\x00\x10JFIF\0" + rubbish, JPEGBaseline8Bit)
    put(dataset, folder / "scan.dcm")


def wrong_label(folder: Path) -> None:
    """Explicit elements under a transfer syntax that says implicit."""
    content = _bytes_of(image(), folder)
    old = struct.pack("<H", 20) + b"1.2.840.10008.1.2.1\0"
    new = struct.pack("<H", 20) + ImplicitVRLittleEndian.encode().ljust(20, b"\0")
    assert content.count(old) == 1
    _write(folder / "scan.dcm", content.replace(old, new))


def unknown_syntax(folder: Path) -> None:
    """A vendor's own transfer syntax."""
    dataset = image()
    _encapsulate(dataset, bytes(400), "1.2.826.0.1.3680043.8.498.99.1")
    put(dataset, folder / "scan.dcm")


def broken_series(change: Callable[[list[Dataset]], list[Dataset]], **tags: Any) -> Make:
    """A series after `change` has been at its slices."""

    def make(folder: Path) -> None:
        for index, dataset in enumerate(change(stack(**tags))):
            put(dataset, folder / f"IM{index:02}.dcm")

    return make


def twice_in_place(slices: list[Dataset]) -> list[Dataset]:
    """A second image at the place of the third."""
    twin = stack(1)[0]
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "PatientID", "ImagePositionPatient"):
        setattr(twin, keyword, getattr(slices[2], keyword))
    return [*slices, twin]


def two_echoes(folder: Path) -> None:
    """Two echoes of each place in one series: two volumes."""
    early, late = stack(3, EchoTime="15"), stack(3, EchoTime="90")
    for one, other in zip(early, late, strict=True):
        other.StudyInstanceUID, other.PatientID = one.StudyInstanceUID, one.PatientID
        other.SeriesInstanceUID = one.SeriesInstanceUID
    for index, dataset in enumerate([*early, *late]):
        put(dataset, folder / f"IM{index:02}.dcm")


def with_localizer(folder: Path) -> None:
    """A localizer beside a series, in one study."""
    slices = stack(3)
    scout = image(
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        StudyInstanceUID=slices[0].StudyInstanceUID,
        PatientID=slices[0].PatientID,
    )
    put(scout, folder / "scout.dcm")
    for index, dataset in enumerate(slices):
        put(dataset, folder / f"IM{index:02}.dcm")


def polarity_twins(folder: Path) -> None:
    """One picture stored dark to bright and bright to dark."""
    stored = pixels(77)
    put(image(stored=stored, BitsStored=12), folder / "mono2.dcm")
    inverse = image(stored=4095 - stored, BitsStored=12, PhotometricInterpretation="MONOCHROME1")
    put(inverse, folder / "mono1.dcm")


def same_twice(folder: Path) -> None:
    """One image, copied."""
    dataset = image()
    for name in ("a.dcm", "b.dcm"):
        put(dataset, folder / name)


def same_uid(folder: Path) -> None:
    """Two different images that carry one SOPInstanceUID."""
    dataset = image()
    put(dataset, folder / "a.dcm")
    dataset.PixelData = pixels(5).tobytes()
    put(dataset, folder / "b.dcm")


def one_study_two_patients(**tags: tuple[str, str]) -> Make:
    """Two images of one StudyInstanceUID that name different patients."""

    def make(folder: Path) -> None:
        study = image().StudyInstanceUID
        for index, values in enumerate(zip(*tags.values(), strict=True)):
            changes = dict(zip(tags, values, strict=True))
            put(image(StudyInstanceUID=study, **changes), folder / f"scan{index}.dcm")

    return make


def put(dataset: Dataset, path: Path) -> None:
    """Save an image that may break rules of DICOM's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    if dataset.file_meta.TransferSyntaxUID.is_private:
        dataset.save_as(path, implicit_vr=False, little_endian=True)
    else:
        save(dataset, path)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _bytes_of(dataset: Dataset, folder: Path) -> bytes:
    path = folder / "scan.dcm"
    put(dataset, path)
    return path.read_bytes()


def _meta_end(content: bytes) -> int:
    """Where the file meta group ends."""
    return 144 + int(struct.unpack("<L", content[140:144])[0])


def _rle(segment: bytes) -> bytes:
    """Two segments of one RLE frame: high bytes and low bytes."""
    return struct.pack("<16L", 2, 64, 64 + len(segment), *[0] * 13) + segment + segment


def _encapsulate(dataset: Dataset, stream: bytes, syntax: str) -> None:
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].is_undefined_length = True
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = syntax
