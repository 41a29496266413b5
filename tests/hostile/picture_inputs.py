"""PNG and JPEG files that explode, move, break off, or come in another colour space."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from hostile.dicom_inputs import pixels
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[[Path], None]

_PNG = b"\x89PNG\r\n\x1a\n"


def picture(seed: int, mode: str = "L") -> Image.Image:
    """A sound picture."""
    return Image.fromarray((pixels(seed) // 5).astype(np.uint8)).convert(mode)


def saved(seed: int, mode: str, name: str, **options: Any) -> Make:
    """A sound picture of a mode."""

    def make(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        picture(seed, mode).save(folder / name, **options)

    return make


def odd_modes(folder: Path) -> None:
    """Every way of storing a picture that a reader may meet."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    saved(581, "RGB", "colour.png")(folder)
    saved(582, "RGBA", "transparent.png")(folder)
    saved(583, "LA", "grey_transparent.png")(folder)
    saved(584, "P", "palette.png")(folder)
    saved(585, "CMYK", "cmyk.jpg")(folder)
    saved(586, "RGB", "progressive.jpg", progressive=True)(folder)
    saved(587, "L", "turned.jpg", exif=exif)(folder)
    Image.fromarray(pixels(588) * 40).save(folder / "sixteen.png")
    (folder / "interlaced.png").write_bytes(_interlaced(588))


def moving(folder: Path) -> None:
    """A PNG of two frames."""
    folder.mkdir(parents=True, exist_ok=True)
    picture(573).save(folder / "scan.png", save_all=True, append_images=[picture(574)])


def cut(folder: Path) -> None:
    """Pictures that end early."""
    for name in ("scan.png", "scan.jpg"):
        saved(575, "L", name)(folder)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])


def huge(folder: Path) -> None:
    """A PNG whose header claims 60,000 by 60,000 pixels, and a JPEG that claims 65,500."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scan.png").write_bytes(png(60_000, 60_000, zlib.compress(bytes(1000))))
    saved(576, "L", "scan.jpg")(folder)
    content = (folder / "scan.jpg").read_bytes()
    at = content.index(b"\xff\xc0") + 5
    size = struct.pack(">2H", 65_500, 65_500)
    (folder / "scan.jpg").write_bytes(content[:at] + size + content[at + 4 :])


def text_bomb(folder: Path) -> None:
    """A PNG with a packed comment that inflates to 100 MB."""
    folder.mkdir(parents=True, exist_ok=True)
    comment = _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100 * 1024**2), 1))
    rows = b"".join(b"\0" + bytes(range(40)) for _ in range(48))
    (folder / "scan.png").write_bytes(png(40, 48, zlib.compress(rows), comment))


def no_picture(folder: Path) -> None:
    """Text under the names of pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("scan.png", "scan.jpg", "scan.jpeg"):
        (folder / name).write_bytes(b"not a picture\n" * 20)


def png(columns: int, rows: int, data: bytes, *more: bytes) -> bytes:
    """A grey PNG of 8 bits, whatever its data."""
    header = _chunk(b"IHDR", struct.pack(">2L5B", columns, rows, 8, 0, 0, 0, 0))
    return _PNG + header + b"".join(more) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _interlaced(seed: int) -> bytes:
    """A grey PNG in the seven passes of Adam7 (PNG 8.2)."""
    grey = np.asarray(picture(seed))
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2))
    lines = [
        b"\0" + line.tobytes()
        for row, column, down, right in (*passes, (1, 0, 2, 1))
        for line in grey[row::down, column::right]
    ]
    size = struct.pack(">2L5B", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 1)
    data = zlib.compress(b"".join(lines))
    return _PNG + _chunk(b"IHDR", size) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">L", zlib.crc32(kind + data))
    return struct.pack(">L", len(data)) + kind + data + check
