"""Files with flipped, missing and added bytes end in a volume or in a reason, never in a crash.

Hypothesis draws the damage, so that a failure shrinks to the fewest edits that make it.
"""

from __future__ import annotations

import gzip
import resource
import signal
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
from dicom_factory import a_multi_frame, a_stack, an_image, save
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some
from imagecodecs import jpeg8_encode, ljpeg_encode
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from medrec.domain.codes import ReasonCode
from medrec.domain.ids import PatientKey
from medrec.errors import ScanError
from medrec.io.discover import FoundFile
from medrec.io.grouping import group
from medrec.io.header import read_header
from medrec.io.loading import load_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pydicom.dataset import Dataset

VOXELS = np.random.default_rng(0).integers(0, 4000, (7, 9, 5)).astype(np.uint16)
WORDS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"    ", b"nan ", b"SQ\0\0")
SECONDS = 10
MOST_KIB = 1024**2
"""What memory may grow by: 1 GiB. `ru_maxrss` is in KiB on Linux."""


@dataclass(frozen=True)
class Edit:
    """One damage: at `place` (a share of the file), `cut` bytes give way to `bytes`."""

    place: float
    cut: int
    bytes: bytes


EDITS = some.lists(
    some.builds(
        Edit,
        # Most of what a reader decides on stands at the start.
        place=some.one_of(some.floats(0, 1), some.floats(0, 0.1), some.floats(0, 0.02)),
        cut=some.sampled_from((0, 1, 1, 1, 4, 4, 8, 20, 10**9)),
        bytes=some.one_of(some.binary(max_size=4), some.sampled_from(WORDS)),
    ),
    min_size=1,
    max_size=16,
)


def whole_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """One good file of each kind, its ending and its bytes."""
    images = {"plain": a_stack(VOXELS, RescaleSlope="1", RescaleIntercept="0", WindowWidth="9")[0]}
    images["frames"] = a_multi_frame(VOXELS)
    for syntax in (DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian):
        images[syntax] = an_image(VOXELS[..., 0])
        images[syntax].file_meta.TransferSyntaxUID = syntax
    film = np.resize(VOXELS, (40, 48))
    images["jpeg"] = encapsulated(film.astype(np.uint8), JPEGBaseline8Bit, jpeg8_encode)
    images["lossless jpeg"] = encapsulated(film, JPEGLosslessSV1, ljpeg_encode)
    for syntax in (RLELossless, JPEG2000Lossless, JPEGLSLossless):
        images[syntax] = an_image(film)
        images[syntax].compress(syntax)
    for name, image in images.items():
        yield ".dcm", save(image, folder / name).read_bytes()
    for kind in (nib.Nifti1Image, nib.Nifti2Image):
        yield ".nii", kind(VOXELS, np.eye(4)).to_bytes()
    yield ".nii.gz", gzip.compress(nib.Nifti1Image(VOXELS, np.eye(4)).to_bytes())
    for name in ("film.png", "film.jpg"):
        Image.fromarray(VOXELS[..., 0].astype(np.uint8)).save(folder / name)
        yield f".{name[-3:]}", (folder / name).read_bytes()


def encapsulated(pixels: np.ndarray, syntax: str, encode: Callable[..., bytes]) -> Dataset:
    image = an_image(pixels)
    image.PixelData = encapsulate([encode(pixels)])
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    image.file_meta.TransferSyntaxUID = syntax
    return image


def damage(content: bytes, edits: list[Edit]) -> bytes:
    mutable = bytearray(content)
    for edit in edits:
        place = int(edit.place * len(mutable))
        mutable[place : place + edit.cut] = edit.bytes
    return bytes(mutable)


@contextmanager
def no_hang() -> Iterator[None]:
    """Fail, amid whatever is running, what takes over ten seconds."""

    def too_long(_signal, _frame):
        message = f"over {SECONDS} s"
        raise AssertionError(message)

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def end_of(path: Path, crashes: list[str]) -> str:
    """How a file ends on its way through header, grouping and decoding; what crashed, told."""
    try:
        header = read_header(FoundFile(path=path, source=path.name))
        index = group([header], patient_key=PatientKey)
        (case,) = index.cases
        series = [*case.series, *(one for one, _ in case.left_out)]
        volume = load_volume(series[0])
    except ScanError as error:
        crashes += [str(error)] if error.code is ReasonCode.DECODER_CRASHED else []
        return ReasonCode(error.code)
    assert np.isfinite(volume.voxels).all()
    return "read"


def assert_that_damage_ends_well(folder: Path, count: int) -> None:
    """Damage good files `count` times."""
    wholes, path_of = list(whole_files(folder)), folder.joinpath
    ends: Counter[str] = Counter()
    crashes: list[str] = []
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(which=some.integers(0, len(wholes) - 1), edits=EDITS)
    def run(which, edits):
        ending, content = wholes[which]
        path = path_of(f"damaged{ending}")
        path.write_bytes(damage(content, edits))
        with no_hang():
            ends[end_of(path, crashes)] += 1

    run()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    assert sum(ends.values()) >= count // 2  # Hypothesis leaves out what it drew before
    assert ends["read"] > count // 50
    assert ends[ReasonCode.IO] == ends[ReasonCode.TIMEOUT] == 0
    # Bad RLE data can make its decoder abort: that is why decoding has a process of its own.
    assert len(crashes) <= count // 100, crashes
    assert len(ends) > 4
    assert grown < MOST_KIB


def test_a_damaged_file_ends_in_a_volume_or_a_reason(tmp_path):
    assert_that_damage_ends_well(tmp_path, 400)


@pytest.mark.slow
def test_ten_thousand_damaged_files_end_in_a_volume_or_a_reason(tmp_path):
    assert_that_damage_ends_well(tmp_path, 10_000)
