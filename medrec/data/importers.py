"""Archives as they come to manifests."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from medrec.data.manifest import FIXED
from medrec.domain.finding import Label
from medrec.domain.reference import Reference
from medrec.errors import ManifestError, ScanError
from medrec.io.loading import load_file, load_mask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medrec.domain.geometry import Geometry

Cases = dict[str, dict[str, str]]

_SAME_GRID_MM = 1e-2


def import_masks(
    root: Path, *, images: str, mask: str, label: str = "tumor", cases: Path | None = None
) -> list[Reference]:
    """Make one row a slice of volumes that have a mask: positive where the mask is.

    The patient is the name of the image's folder. The slice axis follows the contract: the header's
    own, else the thick axis, else the short one, else the last.

    Args:
        root: Folder of the archive; paths of the rows are relative to it.
        images: Glob below `root`, such as `*/flair.nii.gz`.
        mask: Path of the mask, relative to the image's folder.
        label: What the masks outline.
        cases: CSV with a `patient` column; its other columns become attributes of the rows.

    Raises:
        ManifestError: No images, images without a mask, masks of another grid; all are listed.
    """
    attributes = _read_cases(cases, reserved={*FIXED, label}) if cases else {}
    paths = sorted(path for path in root.glob(images) if path.name != mask)
    problems = [] if paths else [f"{images}: no image matches"]
    references: list[Reference] = []
    for path in paths:
        try:
            references += _slices(root, path, path.parent / mask, label, attributes)
        except (ScanError, ValueError) as error:
            problems.append(f"{path.relative_to(root).as_posix()}: {error}")
    if problems:
        raise ManifestError(str(root), problems)
    return references


def _slices(
    root: Path, image: Path, mask: Path, label: str, cases: Mapping[str, dict[str, str]]
) -> list[Reference]:
    """Rows of one volume.

    Raises:
        ValueError: No mask, or one of another grid.
        ScanError: A file can't be read.
    """
    if not mask.is_file():
        message = f"no {mask.name} beside it"
        raise ValueError(message)
    volume = load_file(image)
    outlined, geometry = load_mask(mask)
    if outlined.shape != volume.voxels.shape[1:] or not _same_grid(volume.geometry, geometry):
        message = f"the grid of {mask.name} is another: shape {outlined.shape}, or its affine"
        raise ValueError(message)
    across = tuple(axis for axis in range(3) if axis != volume.slice_axis)
    patient = image.parent.name
    return [
        Reference(
            path=image.relative_to(root).as_posix(),
            patient=patient,
            slice=number,
            labels={Label(label): bool(positive)},
            mask=mask.relative_to(root).as_posix(),
            attributes=cases.get(patient, {}),
        )
        for number, positive in enumerate(np.atleast_1d(outlined.any(axis=across)))
    ]


def _same_grid(image: Geometry | None, mask: Geometry | None) -> bool:
    if image is None or mask is None:
        return image is mask
    return np.allclose(image.affine_lps, mask.affine_lps, atol=_SAME_GRID_MM)


def _read_cases(path: Path, *, reserved: set[str]) -> Cases:
    """Attributes by patient; columns whose names mean something else in a manifest are left out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(str(path), [f"can't be read as CSV: {error}"]) from error
    if rows and "patient" not in rows[0]:
        raise ManifestError(str(path), ["column patient: missing, but required"])
    return {
        row["patient"]: {
            name: value for name, value in row.items() if name not in reserved and value
        }
        for row in rows
    }
