"""Rows with a mask each to the boxes of their lesions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from medrec.data.components import boxes_in_mask
from medrec.domain.finding import Label
from medrec.domain.reference import IGNORE, LabelledBox
from medrec.errors import ManifestError, ScanError
from medrec.io.image_size import read_slice_axis
from medrec.io.loading import load_mask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medrec.data.components import Pieces
    from medrec.domain.box import Box
    from medrec.domain.reference import Reference

BoxesPer = Literal["slice", "volume"]


def boxes_of_masks(
    references: Sequence[Reference],
    *,
    root: Path,
    label: str,
    per: BoxesPer,
    least_px: int = 1,
    is_smaller_unknown: bool = False,
) -> list[tuple[str, LabelledBox]]:
    """The box of each connected piece of each mask, by the path of its image.

    Masks lie on their image's grid, which importing them has checked. A picture's boxes are flat.

    Args:
        references: Rows with a mask; several rows of one image share it.
        root: The folder that their paths start from.
        label: What the masks outline.
        per: Boxes of slices, one slice thick, or of whole volumes.
        least_px: Smaller pieces have no box. A piece of a volume is as large as its largest region
            on a slice: so a case has a box that counts where its label is positive, and only there.
        is_smaller_unknown: Smaller pieces have one that counts neither way.

    Raises:
        ManifestError: Masks that can't be read; all are listed.
    """
    masks = dict.fromkeys((row.path, row.mask) for row in references if row.mask)
    found: list[tuple[str, LabelledBox]] = []
    problems: list[str] = []
    for path, mask in masks:
        try:
            pieces = _pieces(root / path, root / mask, per)
        except (ScanError, OSError) as error:
            said = error.strerror if isinstance(error, OSError) else str(error)
            problems.append(f"{mask}: {said}")
            continue
        for box, count in pieces:
            is_small = count < least_px
            if not is_small or is_smaller_unknown:
                attributes = {IGNORE: "1"} if is_small else {}
                found.append((path, LabelledBox(box, Label(label), attributes)))
    if problems:
        raise ManifestError(str(root), problems)
    return found


def _pieces(image: Path, mask: Path, per: BoxesPer) -> list[tuple[Box, int]]:
    outlined, geometry = load_mask(mask)
    is_picture = geometry is None and outlined.shape[2] == 1
    kind: Pieces = "picture" if is_picture else per
    return boxes_in_mask(outlined, slice_axis=read_slice_axis(image), per=kind, by_slice=True)
