"""Archives that write outside their folder, or unpack to far more than they should."""

from __future__ import annotations

import stat
import zipfile
from typing import TYPE_CHECKING

from hostile.dicom_inputs import image, put

if TYPE_CHECKING:
    from pathlib import Path

ESCAPED = "escaped-from-medrec"
"""A name that may stand nowhere after a run."""


def slips(folder: Path) -> None:
    """Members whose names lead out of any folder that they are unpacked to."""
    names = {
        "up.zip": f"../../../../{ESCAPED}.dcm",
        "deep.zip": f"a/b/../../../{ESCAPED}.dcm",
        "absolute.zip": f"/tmp/{ESCAPED}.dcm",  # noqa: S108 (never written)
        "windows.zip": f"..\\..\\{ESCAPED}.dcm",
        "drive.zip": f"C:/{ESCAPED}.dcm",
    }
    scan = _scan(folder)
    for name, member in names.items():
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("scan.dcm", scan)
            archive.writestr(member, scan)
    _link(folder / "link.zip", scan)


def bomb(folder: Path) -> None:
    """A member of 500 MB of zeros in 0.5 MB."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        zipfile.ZipFile(folder / "scan.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("scan.dcm", "w") as member,
    ):
        for _ in range(500):
            member.write(bytes(1024**2))


def _link(path: Path, scan: bytes) -> None:
    """A symbolic link to a folder outside, and a member below it."""
    link = zipfile.ZipInfo("out")
    link.create_system = 3  # Unix: the upper half of the attributes is a file mode
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "../../..")
        archive.writestr(f"out/{ESCAPED}.dcm", scan)


def _scan(folder: Path) -> bytes:
    path = folder / "scan.dcm"
    put(image(), path)
    content = path.read_bytes()
    path.unlink()
    return content
