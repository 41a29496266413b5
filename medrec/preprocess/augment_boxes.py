"""Random changes of pictures that take the boxes in them along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from medrec.preprocess.places import move_boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medrec.domain.geometry import FloatArray
    from medrec.preprocess.augment import Augmenter
    from medrec.preprocess.augment_volumes import VolumeAugmenter

_LEAST_SHARE = 0.25
"""A box of which less is left in the picture is no object any more: its rest shows no lesion."""
_NOTHING, _IGNORED = -1.0, -2
_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class BoxAugmenter:
    """Change a picture at random, and its boxes and labels with it.

    Args:
        augment: Makes the changes.
        window: The sides (D of them) of a part that is cut out at random; None keeps the whole.
        lesion_share: How often that part is cut around one of the objects, where there are some.
        label_of: The label's column of each class of objects; labels follow the part by it.
    """

    augment: Augmenter | VolumeAugmenter
    window: tuple[int, ...] | None = None
    lesion_share: float = 0.5
    label_of: tuple[int, ...] = ()

    def __call__(
        self, image: torch.Tensor, objects: torch.Tensor, targets: torch.Tensor, *, seed: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Change an image (1, H, W) or (1, D, H, W); all depends on the seed alone.

        Args:
            image: float32.
            objects: (M, 2D + 1), see `medrec.data.detection`.
            targets: (K,) of the whole image: 1, 0 or NaN.
            seed: Of the change.

        Returns:
            The image, the objects in it and its labels.
        """
        changed, index_map = self.augment.with_map(image, seed=seed)
        moved = move_boxes(objects[:, :-1].double().numpy(), np.linalg.inv(index_map))
        if self.window is None:
            kept, _ = _kept(objects, moved, tuple(changed.shape[1:]))
            return changed, kept, targets
        rng = np.random.default_rng(seed)
        low = self._corner(changed, moved[objects[:, -1].numpy() >= 0], self.window, rng)
        there = _kept(objects, moved - np.tile(low, 2), self.window)
        labels = _labels_of_part(targets, objects[:, -1], *there, label_of=self.label_of)
        return _cut(changed, low, self.window), there[0], labels

    def _corner(
        self,
        image: torch.Tensor,
        boxes: FloatArray,
        window: tuple[int, ...],
        rng: np.random.Generator,
    ) -> NDArray[np.int64]:
        """The low corner of the part that is cut out."""
        room = np.maximum(np.array(image.shape[1:]) - window, 0)
        place = rng.random(len(window))
        if len(boxes) and rng.random() < self.lesion_share:
            box = boxes[rng.integers(len(boxes))]
            middle = (box[: len(window)] + box[len(window) :]) / 2
            return np.asarray(np.clip(np.rint(middle - place * window), 0, room), np.int64)
        return np.asarray(np.floor(place * (room + 1)), dtype=np.int64)


def objects_of_part(
    objects: torch.Tensor,
    targets: torch.Tensor,
    low: Sequence[int],
    *,
    window: tuple[int, ...],
    label_of: Sequence[int],
) -> tuple[torch.Tensor, torch.Tensor]:
    """The objects (M, 2D + 1) and labels (K,) of the part of an image from its corner `low` on.

    As `BoxAugmenter` cuts parts for training; `objects` and `targets` are those of the whole.
    """
    moved = objects[:, :-1].double().numpy() - np.tile(low, 2)
    there = _kept(objects, moved, window)
    return there[0], _labels_of_part(targets, objects[:, -1], *there, label_of=label_of)


def _labels_of_part(
    targets: torch.Tensor,
    before: torch.Tensor,
    kept: torch.Tensor,
    is_seen: torch.Tensor,
    *,
    label_of: Sequence[int],
) -> torch.Tensor:
    """Labels (K,) of a part, from the classes (M,) `before` the cut and the objects `kept` by it.

    What the whole doesn't show no part shows. A part has the label of a lesion in it. It is unknown
    where a lesion is cut off so that little of it `is_seen` (M,), or is ignored, and where the
    whole has the label and no box says where.
    """
    if not torch.isfinite(before).all():
        return torch.where(targets == 0, targets, torch.nan)
    owner = torch.tensor([*label_of, -1])
    classes = torch.where(before <= _IGNORED, _IGNORED - before, before).long()
    labels = owner[classes.clamp(min=-1)]  # -1, no object, has the last one's: no label
    found = targets.clone()
    for column in range(len(targets)):
        own = labels == column
        if targets[column] == 0:
            continue
        if (own & (kept[:, -1] >= 0)).any():
            found[column] = 1.0
        elif (own & is_seen).any() or not own.any():
            found[column] = torch.nan
        else:
            found[column] = 0.0
    return found


def _cut(image: torch.Tensor, low: NDArray[np.int64], window: tuple[int, ...]) -> torch.Tensor:
    """The part (1, *window) of an image (1, ...); what lies beyond its edges is 0."""
    part = image[(slice(None), *map(slice, low.tolist(), (low + window).tolist()))]
    missing = [side - have for side, have in zip(window, part.shape[1:], strict=True)]
    padding = [number for side in reversed(missing) for number in (0, side)]
    return torch.nn.functional.pad(part, padding).contiguous()


def _kept(
    objects: torch.Tensor, moved: FloatArray, shape: tuple[int, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The objects at their new places, cut at the picture's edges; those that left it are none.

    Beside them, of which (M,) anything is left.
    """
    if not torch.isfinite(objects).all():
        return objects, torch.zeros(len(objects), dtype=torch.bool)
    sides = np.array([*shape, *shape], dtype=np.float64)
    cut = np.clip(moved, 0, sides)
    half = len(shape)
    left = np.prod(cut[:, half:] - cut[:, :half], axis=1)
    whole = np.maximum(np.prod(moved[:, half:] - moved[:, :half], axis=1), _TINY)
    stays = torch.from_numpy(left / whole >= _LEAST_SHARE) & (objects[:, -1] != _NOTHING)
    classes = torch.where(stays, objects[:, -1], _NOTHING)
    kept = torch.cat([torch.from_numpy(cut).float(), classes[:, None]], dim=1)
    return kept, torch.from_numpy(left > 0)
