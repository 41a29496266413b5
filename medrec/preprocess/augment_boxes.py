"""Random changes of pictures that take the boxes in them along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from medrec.preprocess.places import move_boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.geometry import FloatArray
    from medrec.preprocess.augment import Augmenter
    from medrec.preprocess.augment_volumes import VolumeAugmenter

_LEAST_SHARE = 0.25
"""A box of which less is left in the picture is no object any more: its rest shows no lesion."""
_NOTHING = -1.0
_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class BoxAugmenter:
    """Change a picture at random, and its boxes with it.

    Args:
        augment: Makes the changes.
        window: The sides (H, W) of a part that is cut out at random; None keeps the whole.
        lesion_share: How often that part is cut around one of the objects, where there are some.
    """

    augment: Augmenter | VolumeAugmenter
    window: tuple[int, int] | None = None
    lesion_share: float = 0.5

    def __call__(
        self, image: torch.Tensor, objects: torch.Tensor, *, seed: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Change an image (1, H, W) and its objects (M, 5), see `medrec.data.detection`.

        Or a volume (1, D, H, W) and its objects (M, 7), whole.

        All depends on the seed alone.
        """
        changed, index_map = self.augment.with_map(image, seed=seed)
        moved = move_boxes(objects[:, :-1].double().numpy(), np.linalg.inv(index_map))
        if self.window is not None:
            rng = np.random.default_rng(seed)
            low = self._corner(changed, moved[objects[:, -1].numpy() >= 0], rng)
            changed = _cut(changed, low, self.window)
            moved = moved - np.tile(low, 2)
        return changed, _kept(objects, moved, tuple(changed.shape[1:]))

    def _corner(
        self, image: torch.Tensor, boxes: FloatArray, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """The low corner of the part that is cut out."""
        assert self.window is not None  # noqa: S101 (the caller's own branch)
        room = np.maximum(np.array(image.shape[1:]) - self.window, 0)
        place = rng.random(2)
        if len(boxes) and rng.random() < self.lesion_share:
            box = boxes[rng.integers(len(boxes))]
            middle = (box[:2] + box[2:]) / 2
            return np.asarray(np.clip(np.rint(middle - place * self.window), 0, room), np.int64)
        return np.asarray(np.floor(place * (room + 1)), dtype=np.int64)


def _cut(image: torch.Tensor, low: NDArray[np.int64], window: tuple[int, int]) -> torch.Tensor:
    part = image[:, low[0] : low[0] + window[0], low[1] : low[1] + window[1]]
    missing = (window[1] - part.shape[2], window[0] - part.shape[1])
    return torch.nn.functional.pad(part, (0, missing[0], 0, missing[1])).contiguous()


def _kept(objects: torch.Tensor, moved: FloatArray, shape: tuple[int, ...]) -> torch.Tensor:
    """The objects at their new places, cut at the picture's edges; those that left it are none."""
    if not torch.isfinite(objects).all():
        return objects
    sides = np.array([*shape, *shape], dtype=np.float64)
    cut = np.clip(moved, 0, sides)
    half = len(shape)
    left = np.prod(cut[:, half:] - cut[:, :half], axis=1)
    whole = np.maximum(np.prod(moved[:, half:] - moved[:, :half], axis=1), _TINY)
    stays = torch.from_numpy(left / whole >= _LEAST_SHARE) & (objects[:, -1] != _NOTHING)
    classes = torch.where(stays, objects[:, -1], _NOTHING)
    return torch.cat([torch.from_numpy(cut).float(), classes[:, None]], dim=1)
