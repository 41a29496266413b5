"""One detector for pictures and volumes: a pyramid, anchors, and two heads.

RetinaNet (Lin et al. 2017) where all levels of the pyramid are read; a detector of centre points
(Zhou et al. 2019) where only the finest one is: then the class head is the heat map and the box
head gives offset and size. What they learn by differs: see `medrec.training.detection`.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any

import torch
from monai.apps.detection.networks.retinanet_network import (
    RetinaNetClassificationHead,
    RetinaNetRegressionHead,
)
from torch import nn

from medrec.models.anchors import AnchorGrid
from medrec.models.boxes import label_logits
from medrec.models.detections import DetectorOutput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.models.anchors import Sides
    from medrec.models.pyramids import Pyramid

_LARGEST = log(1000 / 16)
"""A side is never decoded to more than this many times that of its anchor, as in torchvision."""
_LAST_LAYER_STD = 0.01
_BELOW = -20.0


class Detector(nn.Module):
    """Find boxes in pictures (B, 1, H, W) or volumes (B, 1, D, H, W).

    Args:
        pyramid: Makes the features.
        anchors: For each level that is read, the sides of its anchors.
        label_of: The label's column of each class of box.
        label_count: Labels K.
        image_dropout: Judge the whole picture too, by the coarsest features, after a dropout of
            this share; None doesn't.
        reads_finest: Read the finest level alone, for centre points.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        *,
        anchors: Sequence[Sequence[Sides]],
        label_of: Sequence[int],
        label_count: int,
        image_dropout: float | None = None,
        reads_finest: bool = False,
    ) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.label_of = tuple(label_of)
        self.reads_finest = reads_finest
        self._label_count = label_count
        if reads_finest:
            pyramid.keep_finest()
        strides = pyramid.strides[:1] if reads_finest else pyramid.strides
        self._grid = AnchorGrid(tuple(tuple(own) for own in anchors), strides)
        facts = {"num_anchors": self._grid.per_place, "spatial_dims": pyramid.dims}
        self.classes: Any = RetinaNetClassificationHead(
            pyramid.channels, num_classes=len(self.label_of), **facts
        )
        self.places: Any = RetinaNetRegressionHead(pyramid.channels, **facts)
        for head in (self.classes, self.places):
            _in_place(head.conv)
        self.image_head: nn.Module | None = None
        if image_dropout is not None:
            last = nn.Linear(pyramid.deepest, label_count)
            nn.init.trunc_normal_(last.weight, std=_LAST_LAYER_STD)
            nn.init.zeros_(last.bias)
            self.image_head = nn.Sequential(nn.Dropout(image_dropout), last)
        if pyramid.dims == 2:  # noqa: PLR2004 (channels_last is of pictures alone)
            self.to(memory_format=torch.channels_last)

    @property
    def backbone(self) -> nn.Module:
        """What has first weights: it may learn later, or slower, than the rest."""
        encoder: Any = self.pyramid.encoder
        backbone: nn.Module = getattr(encoder, "backbone", encoder)
        return backbone

    def forward(self, images: torch.Tensor) -> DetectorOutput:
        """Judge images float32 in [0, 1], of any sides."""
        levels, deepest = self.pyramid(images)
        levels = levels[:1] if self.reads_finest else levels
        # MONAI's heads are called by their parts: as a whole they raise at the first NaN, which
        # the guard of training skips and counts instead.
        class_logits = _flat(
            [self.classes.cls_logits(self.classes.conv(level)) for level in levels],
            len(self.label_of),
        )
        deltas = _flat(
            [self.places.bbox_reg(self.places.conv(level)) for level in levels],
            2 * self.pyramid.dims,
        )
        anchors = self._grid([level.shape[2:] for level in levels], device=images.device)
        highest = label_logits(class_logits, self.label_of, self._label_count).amax(dim=1)
        image_logits = self._judge(deepest)
        # The whole is never less likely than its likeliest place.
        both = highest if image_logits is None else torch.logaddexp(highest, image_logits)
        return DetectorOutput(
            logits=both,
            class_logits=class_logits,
            boxes=decode(anchors, deltas),
            anchors=anchors,
            level_sizes=tuple(self._grid.per_place * level[0, 0].numel() for level in levels),
            image_logits=image_logits,
        )

    def _judge(self, features: torch.Tensor) -> torch.Tensor | None:
        if self.image_head is None:
            return None
        pooled = features.flatten(2).mean(dim=2)
        logits: torch.Tensor = self.image_head(pooled)
        return logits.float().clamp(min=_BELOW)


def decode(anchors: torch.Tensor, deltas: torch.Tensor) -> torch.Tensor:
    """Boxes (B, A, 2D) from anchors (A, 2D) and deltas (B, A, 2D).

    The first D deltas move the middle, in sides of the anchor; the others are logarithms of sides.
    """
    half = anchors.shape[1] // 2
    sides = anchors[:, half:] - anchors[:, :half]
    middles = (anchors[:, :half] + anchors[:, half:]) / 2 + deltas[..., :half] * sides
    grown = sides * deltas[..., half:].clamp(-_LARGEST, _LARGEST).exp()
    return torch.cat([middles - grown / 2, middles + grown / 2], dim=-1)


def _in_place(layers: nn.Sequential) -> None:
    """Let rectifiers overwrite what nobody reads again, which saves a pass over memory each."""
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            layer.inplace = True


def _flat(levels: list[torch.Tensor], numbers: int) -> torch.Tensor:
    """(B, A, numbers) float32 of maps (B, anchors * numbers, ...): level, place, anchor."""
    rows = [one.movedim(1, -1).reshape(len(one), -1, numbers) for one in levels]
    return torch.cat(rows, dim=1).float()
