"""NIfTI files whose header, frame or voxels can't be what they say."""

from __future__ import annotations

import gzip
import struct
import zlib
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    Make = Callable[[Path], None]

_MIB = 1024**2
DIM, DATATYPE, PIXDIM, VOX_OFFSET, SLOPE = 40, 70, 76, 108, 112
QFORM_CODE, SFORM_CODE, QUATERN, SROW = 252, 254, 256, 280
"""Where a NIfTI-1 header holds its fields (nifti1.h)."""


def voxels(seed: int, shape: tuple[int, ...] = (24, 20, 6)) -> NDArray[np.int16]:
    """A bright ball with noise on dark ground."""
    axes = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape[:3]), indexing="ij")
    ball = sum(axis**2 for axis in axes) < 0.6
    noise = np.random.default_rng(seed).integers(0, 200, shape[:3])
    return (ball * 900 + noise).astype(np.int16)


def whole(seed: int, values: NDArray[np.generic] | None = None) -> bytes:
    """A sound file as bytes."""
    stored = voxels(seed) if values is None else values
    return nib.Nifti1Image(stored, np.diag([1.0, 1.0, 5.0, 1.0])).to_bytes()


def changed(seed: int, *fields: tuple[int, ArrayLike, DTypeLike]) -> Make:
    """A sound file but for some fields of its header."""

    def make(folder: Path) -> None:
        write(folder / "scan.nii", patch(whole(seed), *fields))

    return make


def patch(content: bytes, *fields: tuple[int, ArrayLike, DTypeLike]) -> bytes:
    """Put numbers at places of a header."""
    mutable = bytearray(content)
    for offset, value, dtype in fields:
        new = np.array(value, dtype=dtype).tobytes()
        mutable[offset : offset + len(new)] = new
    return bytes(mutable)


def of_values(change: Callable[[NDArray[np.float32]], NDArray[np.generic]], seed: int) -> Make:
    """A file of changed voxels."""

    def make(folder: Path) -> None:
        write(folder / "scan.nii.gz", whole(seed, change(voxels(seed).astype(np.float32))))

    return make


def with_values(*values: float) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Put values into the first voxels."""

    def change(stored: NDArray[np.float32]) -> NDArray[np.float32]:
        stored.ravel()[: len(values)] = values
        return stored

    return change


def fake(folder: Path) -> None:
    """Text under the names of NIfTI files, packed and not."""
    write(folder / "scan.nii", b"not a scan\n" * 100)
    write(folder / "scan.nii.gz", b"not a scan\n" * 100)
    (folder / "text.nii.gz").write_bytes(gzip.compress(b"not a scan\n" * 100))


def cut(folder: Path) -> None:
    """Files that end amid their voxels, packed and not."""
    content = whole(391)
    write(folder / "scan.nii", content[: len(content) // 2])
    packed = gzip.compress(content)
    write(folder / "scan.nii.gz", packed[: len(packed) // 2], packed=True)


def bomb_behind(folder: Path) -> None:
    """Packed zeros, 300 MB in 300 kB, behind a sound volume."""
    write(folder / "scan.nii.gz", _packed(whole(351), _many_zeros(300)), packed=True)


def bomb_extension(folder: Path) -> None:
    """Packed zeros, 300 MB in 300 kB, as an extension of the header."""
    header = patch(whole(352), (VOX_OFFSET, 299 * _MIB, "<f4"))[:348]
    extension = b"\1\0\0\0" + struct.pack("<2i", 298 * _MIB, 4)
    write(folder / "scan.nii.gz", _packed(header + extension, _many_zeros(300)), packed=True)


def far_too_small(folder: Path) -> None:
    """2 GB of voxels promised by a packed file of a few hundred bytes."""
    content = patch(whole(353)[:352], (DIM, [3, 1000, 1000, 500], "<i2"))
    write(folder / "scan.nii.gz", content + bytes(1000))


def colour(folder: Path) -> None:
    """Voxels of three bytes, red, green and blue."""
    rgb = np.zeros((8, 8, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    rgb["R"] = np.arange(256).reshape(8, 8, 4)
    write(folder / "scan.nii", nib.Nifti1Image(rgb, np.eye(4)).to_bytes())


def big_endian(folder: Path) -> None:
    """A sound file in the other byte order."""
    header = nib.Nifti1Header(endianness=">")
    stored = voxels(381).astype(">i2")
    image = nib.Nifti1Image(stored, np.diag([1.0, 1.0, 5.0, 1.0]), header)
    write(folder / "scan.nii", image.to_bytes())


def bad_offsets(folder: Path) -> None:
    """Voxels that start inside the header, or nowhere."""
    for index, offset in enumerate((0.0, 8.0, -352.0, np.nan, np.inf)):
        content = patch(whole(393 + index), (VOX_OFFSET, offset, "<f4"))
        write(folder / f"scan{index}.nii", content)
        write(folder / f"packed{index}.nii.gz", content)


def no_slopes(folder: Path) -> None:
    """Slopes that mean no scaling."""
    for index, slope in enumerate((0.0, np.nan)):
        write(folder / f"scan{index}.nii", patch(whole(403 + index), (SLOPE, slope, "<f4")))


def several_volumes(folder: Path) -> None:
    """Two volumes in one file."""
    stored = np.stack([voxels(405), voxels(406)], axis=-1)
    write(folder / "scan.nii.gz", nib.Nifti1Image(stored, np.eye(4)).to_bytes())


def two_frames(folder: Path) -> None:
    """A sform and a qform that lay the first axis to opposite sides."""
    image = nib.Nifti1Image(voxels(382), None)
    image.set_sform(np.diag([1.0, 1.0, 5.0, 1.0]), code=1)
    image.set_qform(np.diag([-1.0, 1.0, 5.0, 1.0]), code=1)
    write(folder / "scan.nii", image.to_bytes())


def write(path: Path, content: bytes, *, packed: bool = False) -> None:
    """Write a file, gzipped where its name says so and it isn't yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz" and not packed and content.startswith(b"\x5c\x01"):
        content = gzip.compress(content)
    path.write_bytes(content)


def _packed(content: bytes, deflated: bytes) -> bytes:
    """A gzip file of some content and a deflated rest, without ever holding the rest inflated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    first = packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + first + deflated


def _many_zeros(mebibytes: int) -> bytes:
    """Deflated zeros; after a full flush one block, repeated, is a valid stream."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(_MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return mebibytes * block
