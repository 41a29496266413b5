"""Images with a mask each to rows of a manifest."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from medrec.data.attributes_of_patients import read_attributes
from medrec.data.globbing import glob_below
from medrec.data.manifest import FIXED, wrong_label
from medrec.data.mask_truth import MaskRule
from medrec.data.scans import wrong_name
from medrec.domain.finding import Label
from medrec.domain.reference import Reference
from medrec.errors import ManifestError, ScanError
from medrec.io.discover import is_regular_file, to_source
from medrec.io.loading import load_file, load_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from medrec.domain.geometry import Geometry
    from medrec.domain.volume import Volume

_SAME_GRID_MM = 1e-2
_SLICES = MaskRule()


def import_masks(
    root: Path,
    *,
    images: str,
    mask: str,
    rule: MaskRule = _SLICES,
    cases: Path | None = None,
    patient: Callable[[str], str] | None = None,
) -> list[Reference]:
    """Make rows of images that have a mask, one a slice or one a case.

    The slice axis of a volume follows the contract: the header's own, else the thick axis, else the
    short one, else the last. A picture is one row without a slice.

    Args:
        root: Folder of the archive; paths of the rows are relative to it.
        images: Glob below `root`, such as `*/flair.nii.gz`; masks that it finds too are left out.
        mask: Path of the mask, relative to the image's folder; `{stem}` in it stands for the
            image's name without its extension.
        rule: What the masks outline, and what counts.
        cases: CSV with a `patient` column; its other columns become attributes of the rows.
        patient: Tells the patient from an image's path; None takes the name of its folder.

    Raises:
        ManifestError: No images, images without a mask, masks of another grid, pictures whose
            patient nobody tells; all are listed.
    """
    # Absolute, since another process decodes, which may have been started from another folder.
    top = Path(os.path.normpath(root.absolute()))
    problems = _wrong_options(images, rule)
    pairs = [] if problems else _pairs(top, images, mask)
    if not pairs and not problems:
        problems.append(f"{images}: no image matches")
    reserved = {*FIXED, rule.label}
    attributes = read_attributes(cases, reserved=reserved, problems=problems) if cases else {}
    reader = _Reader(top, rule, patient or (lambda path: PurePosixPath(path).parent.name))
    references: list[Reference] = []
    for image, outline in pairs:
        try:
            references += reader.read(image, outline)
        except (ScanError, ValueError, OSError) as error:
            problems.append(f"{to_source(image.relative_to(top))}: {_said_by(error)}")
    if patient is None:
        problems += _unclear_folders(top, [image for image, _ in pairs])
    if problems:
        raise ManifestError(str(root), problems)
    return [replace(row, attributes=attributes.get(row.patient, {})) for row in references]


def _unclear_folders(root: Path, images: Sequence[Path]) -> list[str]:
    """Why the names of the images' folders can't tell patients, if they can't."""
    folders = sorted({image.parent for image in images})
    way_out = "tell patients by a pattern of the path"
    if folders == [root] or (len(folders) == 1 and len(images) > 1):
        return [
            f"all images lie in one folder, and its name can't be the patient of each: {way_out}"
        ]
    first: dict[str, Path] = {}
    return [
        f"{to_source(folder.relative_to(root))}: is called as "
        f"{to_source(first[folder.name].relative_to(root))}, and folders are taken for patients: "
        f"{way_out}"
        for folder in folders
        if first.setdefault(folder.name, folder) != folder
    ]


def _wrong_options(images: str, rule: MaskRule) -> list[str]:
    pure = PurePosixPath(images)
    leads_out = not pure.parts or pure.is_absolute() or ".." in pure.parts
    problems = [f"{images!r}: wanted a glob below the folder, such as */image.nii.gz"]
    wrong = wrong_label(rule.label)
    return (problems if leads_out else []) + ([f"label {rule.label}: {wrong}"] if wrong else [])


def _pairs(root: Path, images: str, mask: str) -> list[tuple[Path, Path]]:
    """Each image and where its mask must be; a file that is the mask of another is no image."""
    found = [path for path in glob_below(root, images) if path.name != mask]
    outlines = {path: _mask_of(path, mask) for path in found}
    masks = {outline for path, outline in outlines.items() if outline != path}
    return [(path, outline) for path, outline in outlines.items() if path not in masks]


def _mask_of(image: Path, mask: str) -> Path:
    stem = image.name.removesuffix(".gz")
    name = mask.replace("{stem}", stem.rpartition(".")[0] or stem)
    return Path(os.path.normpath(image.parent / name))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Read images with their masks."""

    root: Path
    rule: MaskRule
    patient: Callable[[str], str]

    def read(self, image: Path, mask: Path) -> list[Reference]:
        """Rows of one image.

        Raises:
            ValueError: No mask, one of another grid, a name that no manifest can hold, no patient.
            ScanError: A file can't be read.
            OSError: The mask can't be looked at.
        """
        self._check(image, mask)
        volume = load_file(image)
        outlined, geometry = load_mask(mask)
        _check_grid(volume, outlined, geometry)
        path = image.relative_to(self.root).as_posix()
        row = Reference(
            path=path,
            patient=self.patient(path),
            labels={},
            mask=mask.relative_to(self.root).as_posix(),
        )
        label = Label(self.rule.label)
        slices = self.rule.truths(outlined, slice_axis=volume.slice_axis)
        if self.rule.per == "case" or volume.geometry is None:
            return [replace(row, labels={label: self.rule.of_case(slices)})]
        return [
            replace(row, slice=number, labels={label: truth}) for number, truth in enumerate(slices)
        ]

    def _check(self, image: Path, mask: Path) -> None:
        below = image.relative_to(self.root)
        if wrong := wrong_name(os.fsencode(below), to_source(below)):
            raise ValueError(wrong)
        if not mask.is_relative_to(self.root):
            message = "its mask would lie outside the archive's folder"
            raise ValueError(message)
        if not mask.exists():
            message = f"no mask: {to_source(mask.relative_to(self.root))} is not there"
            raise ValueError(message)
        if not is_regular_file(mask):
            message = (
                f"its mask {mask.name} is a link, or no regular file: put the file itself here"
            )
            raise ValueError(message)


def _check_grid(volume: Volume, outlined: NDArray[np.bool_], geometry: Geometry | None) -> None:
    image, mask = volume.voxels.shape[1:], outlined.shape
    if image != mask:
        message = f"its mask has another size: {_size(mask)}, the image {_size(image)}"
        raise ValueError(message)
    if not _same_grid(volume.geometry, geometry):
        message = f"its mask has the same size, {_size(mask)}, but lies elsewhere: another affine"
        raise ValueError(message)


def _size(shape: tuple[int, ...]) -> str:
    """The size of a grid (columns first, as stored), without the one slice of a picture."""
    sides = shape[:2] if shape[2:] == (1,) else shape
    return " x ".join(str(side) for side in sides)


def _same_grid(image: Geometry | None, mask: Geometry | None) -> bool:
    if image is None or mask is None:
        return image is mask
    return np.allclose(image.affine_lps, mask.affine_lps, atol=_SAME_GRID_MM)


def _said_by(error: Exception) -> str:
    """The message of an OSError holds the path."""
    return (error.strerror or "can't be read") if isinstance(error, OSError) else str(error)
