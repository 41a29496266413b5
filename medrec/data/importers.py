"""Archives as they come to manifests."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from medrec.data.manifest import FIXED
from medrec.data.table import read_table
from medrec.domain.finding import Label
from medrec.domain.reference import Reference
from medrec.errors import ManifestError, ScanError
from medrec.io.loading import load_file, load_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from medrec.domain.geometry import Geometry
    from medrec.domain.volume import Volume

Cases = dict[str, dict[str, str]]

_SAME_GRID_MM = 1e-2


@dataclass(frozen=True, slots=True)
class MaskReading:
    """Which files are images and masks, and what a mask says.

    `images` is a glob below the archive. `mask` is the mask's path relative to the image's folder;
    `{stem}` in it is the image's name without its ending. `label` is what masks outline. `per` says
    what a row is: a slice, or a whole case. `smallest` is how many voxels of a slice, or of a case,
    must be outlined for it to be positive. `patient` finds the patient in an image's path; without
    it that is the name of the image's folder.
    """

    images: str
    mask: str
    label: str = "tumor"
    per: Literal["slice", "case"] = "slice"
    smallest: int = 1
    patient: Callable[[str], str | None] | None = field(default=None, repr=False)


def import_masks(root: Path, reading: MaskReading, *, cases: Path | None = None) -> list[Reference]:
    """Make rows of images that have a mask: positive where the mask is.

    The slice axis follows the contract: the header's own, else the thick axis, else the short one,
    else the last. A picture of one slice is one row without a number of a slice.

    Args:
        root: Folder of the archive; paths of the rows are relative to it.
        reading: Which files are meant, and how they are read.
        cases: CSV with a `patient` column; its other columns become attributes of the rows.

    Raises:
        ManifestError: No images, images without a mask, masks of another grid, patients that aren't
            found, a table that names one twice; all are listed.
    """
    problems: list[str] = []
    attributes = _read_cases(cases, {*FIXED, reading.label}, problems) if cases else {}
    masks = set() if "{stem}" in reading.mask else {reading.mask.rpartition("/")[2]}
    paths = sorted(path for path in root.glob(reading.images) if path.name not in masks)
    if not paths:
        problems.append(f"{reading.images}: no image matches")
    references: list[Reference] = []
    for path in paths:
        try:
            references += _rows(root, path, reading, attributes)
        except (ScanError, ValueError) as error:
            problems.append(f"{path.relative_to(root).as_posix()}: {error}")
    if problems:
        raise ManifestError(str(root), problems)
    return references


def _rows(
    root: Path, image: Path, reading: MaskReading, cases: Mapping[str, dict[str, str]]
) -> list[Reference]:
    """Rows of one image.

    Raises:
        ValueError: No patient, no mask, or one of another grid.
        ScanError: A file can't be read.
    """
    path = image.relative_to(root).as_posix()
    patient = reading.patient(path) if reading.patient else image.parent.name
    if not patient:
        message = "--patient finds no patient in it"
        raise ValueError(message)
    mask = _mask_of(image, reading.mask)
    volume, outlined = _read_both(image, mask)
    plain = Reference(
        path=path,
        patient=patient,
        labels={},
        mask=Path(os.path.relpath(mask, root)).as_posix(),
        attributes=cases.get(patient, {}),
    )
    label = Label(reading.label)
    if reading.per == "case" or volume.slice_count == 1:
        return [replace(plain, labels={label: bool(outlined.sum() >= reading.smallest)})]
    across = tuple(axis for axis in range(3) if axis != volume.slice_axis)
    counts = np.atleast_1d(outlined.sum(axis=across))
    return [
        replace(plain, slice=number, labels={label: bool(count >= reading.smallest)})
        for number, count in enumerate(counts)
    ]


def _mask_of(image: Path, pattern: str) -> Path:
    stem = image.name.removesuffix(".gz").rpartition(".")[0]
    return image.parent / pattern.replace("{stem}", stem)


def _read_both(image: Path, mask: Path) -> tuple[Volume, NDArray[np.bool_]]:
    """An image, and its mask on the same grid.

    Raises:
        ValueError: No mask, or one of another grid.
        ScanError: A file can't be read.
    """
    if not mask.is_file():
        message = f"no {mask.name} beside it"
        raise ValueError(message)
    volume = load_file(image)
    outlined, geometry = load_mask(mask)
    shape = volume.voxels.shape[1:]
    if outlined.shape != shape:
        message = f"{mask.name} is of another grid: {_say(outlined.shape)}, the image {_say(shape)}"
        raise ValueError(message)
    if not _same_grid(volume.geometry, geometry):
        message = f"{mask.name} is of another grid: the same shape, but another affine"
        raise ValueError(message)
    return volume, outlined


def _say(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _same_grid(image: Geometry | None, mask: Geometry | None) -> bool:
    if image is None or mask is None:
        return image is mask
    return np.allclose(image.affine_lps, mask.affine_lps, atol=_SAME_GRID_MM)


def _read_cases(path: Path, reserved: set[str], problems: list[str]) -> Cases:
    """Attributes by patient; columns whose names mean something else in a manifest are left out.

    Raises:
        ManifestError: No table, or one without patients.
    """
    table = read_table(path)
    if "patient" not in table.columns:
        raise ManifestError(str(path), ["column patient: missing, but required"])
    problems += [f"{path.name}, {text}" for text in table.uneven]
    lines: dict[str, int] = {}
    found: Cases = {}
    for row in table.rows:
        patient = row.cells["patient"]
        if (line := lines.setdefault(patient, row.line)) != row.line:
            problems.append(f"{path.name}, line {row.line}: the same patient as line {line}")
        found[patient] = {
            name: value for name, value in row.cells.items() if name not in reserved and value
        }
    return found
