"""Writers of a pack, in a module of their own: other processes import them by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from medrec.data.pack import PackFormat, PicturePack

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (1, 4, 4)
FORMAT = PackFormat({"prepare": {"size_px": 4}}, SHAPE)


def images(count: int, seed: int = 0) -> torch.Tensor:
    """Noise (count, *SHAPE) float32."""
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(seed))


def fill(pack: PicturePack, *keys: str, count: int = 3) -> None:
    """Add an entry of `count` pictures for each key, whose seed is the key."""
    with pack.writing() as writer:
        for key in keys:
            writer.add(
                key, images(count, sum(key.encode())), slices=range(count), slice_count=count + 1
            )


def add_some(folder: Path, start: int) -> None:
    """Add five keys from `start`, each under a lock of its own."""
    pack = PicturePack(folder, FORMAT)
    for number in range(start, start + 5):
        fill(pack, f"key {number}")


def add_for_ever(folder: Path, begun: Any) -> None:
    """Add keys until somebody kills this process; `begun` is set after 50."""
    with PicturePack(folder, FORMAT).writing() as writer:
        for number in range(10**9):
            key = f"key {number}"
            writer.add(key, images(3, sum(key.encode())), slices=range(3), slice_count=3)
            if number % 7 == 0:
                writer.sync()
            if number == 50:
                begun.set()
