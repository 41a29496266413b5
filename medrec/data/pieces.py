"""Volumes that differ in shape, kept where items have one: each is a run of pieces."""

from __future__ import annotations

from math import ceil, prod
from typing import TYPE_CHECKING

import torch

from medrec.errors import ScanError
from medrec.io.loading import read_grid
from medrec.preprocess.volumes import VolumePreprocessor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VOXELS = 1 << 16
"""Of a piece: the last one of a volume is filled up with 0, at most 128 KB."""
SHAPE = (1, VOXELS)


def are_pieces(prepare: object) -> bool:
    """Whether what prepares volumes gives each a shape of its own."""
    return isinstance(prepare, VolumePreprocessor) and prepare.spacing_mm is not None


def to_pieces(voxels: torch.Tensor) -> torch.Tensor:
    """A volume (1, D, H, W) as pieces (N, 1, VOXELS), in the order of its voxels."""
    line = voxels.flatten()
    rest = -len(line) % VOXELS
    return torch.nn.functional.pad(line, (0, rest)).reshape(-1, *SHAPE)


def from_pieces(pieces: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """The volume (1, D, H, W) of a shape (D, H, W), from its pieces (N, 1, VOXELS)."""
    return pieces.flatten()[: prod(shape)].reshape(1, *shape)


def count_pieces(path: Path, *, stored: int, spacing_mm: Sequence[float]) -> int:
    """Pieces that a file may give, by its header: uncropped, at a spacing in mm.

    `stored` counts the voxels of a file whose header doesn't say how large they are, such as a
    folder of slices: they are taken to stay as many.
    """
    try:
        grid = None if path.is_dir() else read_grid(path)
    except ScanError:
        return 0  # it will be refused when it is prepared
    voxels = float(stored)
    shape, geometry = grid or ((0, 0, 0), None)
    if geometry is not None:
        voxels = prod(shape) * prod(geometry.spacing_mm) / prod(spacing_mm)
    return ceil(voxels / VOXELS)
