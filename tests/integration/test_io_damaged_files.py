"""Files with flipped, missing and added bytes end in a volume or in a reason, never in a crash."""

from __future__ import annotations

import gzip
import random
from collections import Counter

import nibabel as nib
import numpy as np
import pytest
from dicom_factory import a_multi_frame, a_stack, an_image, save
from PIL import Image
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from medrec.domain.codes import ReasonCode
from medrec.errors import ScanError
from medrec.io.loading import load_file

VOXELS = np.random.default_rng(0).integers(0, 4000, (7, 9, 5)).astype(np.uint16)
WORDS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"    ", b"nan ")


def whole_files(folder):
    """One good file of each kind, as bytes."""
    images = {"plain": a_stack(VOXELS, RescaleSlope="1", RescaleIntercept="0", WindowWidth="9")[0]}
    images["frames"] = a_multi_frame(VOXELS)
    images["deflated"] = an_image(VOXELS[..., 0])
    images["deflated"].file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    for syntax in (RLELossless, JPEG2000Lossless, JPEGLSLossless):
        images[syntax] = an_image(np.resize(VOXELS, (40, 48)))
        images[syntax].compress(syntax)
    for name, image in images.items():
        yield save(image, folder / name).read_bytes()
    for kind in (nib.Nifti1Image, nib.Nifti2Image):
        yield kind(VOXELS, np.eye(4)).to_bytes()
    yield gzip.compress(nib.Nifti1Image(VOXELS, np.eye(4)).to_bytes())
    for name in ("film.png", "film.jpg"):
        Image.fromarray(VOXELS[..., 0].astype(np.uint8)).save(folder / name)
        yield (folder / name).read_bytes()


def damage(content, rng):
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        place = rng.randrange(max(1, min(len(content), rng.choice([600, 2000, 10**6]))))
        match rng.randrange(5):
            case 0 | 1:
                content[place : place + 1] = bytes([rng.randrange(256)])
            case 2:
                content[place : place + 4] = rng.choice(WORDS)
            case 3:
                del content[place : place + rng.randrange(1, 20)]
            case _:
                del content[place:]
    return bytes(content)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_ends_in_a_volume_or_a_reason(tmp_path, seed):
    rng = random.Random(seed)  # noqa: S311
    files = list(whole_files(tmp_path))
    ends = Counter()

    for number in range(300):
        path = tmp_path / f"{number}{rng.choice(['.dcm', '.nii', '.nii.gz', '.png'])}"
        path.write_bytes(damage(rng.choice(files), rng))
        try:
            volume = load_file(path)
            ends["read"] += np.isfinite(volume.voxels).all()
        except ScanError as error:
            ends[ReasonCode(error.code)] += 1

    assert sum(ends.values()) == 300
    assert ends["read"] > 10
    assert ends[ReasonCode.IO] == 0
    assert len(ends) > 4
