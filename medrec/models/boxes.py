"""Which of a detector's boxes count: scores, overlap, and one box for one lesion.

The one implementation that validation, calibration and screening share; boxes as in
`medrec.models.detections`, in two or three dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import softplus
from torchvision.ops import batched_nms

from medrec.models.detections import Detections

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from medrec.models.detections import DetectorOutput

_FLAT = 4
"""Numbers of a box in two dimensions."""
_BLOCK = 1024
_SHARE_KEPT = 4
"""So many times the boxes that are wanted are looked at first, and as many times more if few."""
_TINY = 1e-7


@dataclass(frozen=True, slots=True)
class BoxRules:
    """What is kept of a picture's boxes; fields as in `medrec.config.model.BoxesConfig`."""

    lowest_logit: float = -4.6
    candidates: int = 1000
    overlap: float = 0.5
    most: int = 50


def either(logits: torch.Tensor) -> torch.Tensor:
    """The log-odds (...) that one or more of the independent classes (..., C) is there.

    >>> round(float(either(torch.tensor([0.0, 0.0]))), 4)  # log-odds of 3/4
    1.0986
    """
    if logits.shape[-1] == 1:
        return logits[..., 0]
    # float32, whatever the network computes in; Apple's devices have nothing wider.
    none = softplus(logits.float()).sum(dim=-1)  # -log of the chance that none is
    odds: torch.Tensor = none + torch.log(-torch.expm1(-none) + _TINY**4)
    return odds.to(logits.dtype)


def label_logits(class_logits: torch.Tensor, label_of: Sequence[int], count: int) -> torch.Tensor:
    """Log-odds (..., K) of labels from those (..., C) of their classes: any class of a label."""
    columns = [[c for c, label in enumerate(label_of) if label == k] for k in range(count)]
    return torch.stack([either(class_logits[..., own]) for own in columns], dim=-1)


def overlaps(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Intersection over union (N, M) of boxes (N, 2D) and (M, 2D)."""
    half = first.shape[1] // 2
    low = torch.maximum(first[:, None, :half], second[None, :, :half])
    high = torch.minimum(first[:, None, half:], second[None, :, half:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    sizes = [(boxes[:, half:] - boxes[:, :half]).prod(dim=-1) for boxes in (first, second)]
    return shared / (sizes[0][:, None] + sizes[1][None] - shared).clamp(min=_TINY)


def suppress(
    boxes: torch.Tensor,
    logits: torch.Tensor,
    groups: torch.Tensor,
    *,
    overlap: float,
    most: int | None = None,
) -> torch.Tensor:
    """Rows (R,) of boxes (M, 2D) that no higher kept box of their group overlaps more, by score.

    torchvision's in two dimensions. In three, the same greedy rule without a step a box: within a
    block of boxes, each round decides by the boxes kept in the round before, and the answer stands
    when a round changes nothing (Zheng et al. 2022, Cluster-NMS, proves that it is the greedy one).
    With `most`, at least so many of the highest rows, where there are so many: what is kept never
    depends on lower boxes, so these need not be held against each other.
    """
    order = logits.argsort(descending=True, stable=True)
    if boxes.shape[1] == _FLAT:
        return _suppress_flat(boxes.float()[order], logits.float()[order], groups[order],
                              overlap=overlap, most=most, order=order)  # fmt: skip
    found: list[torch.Tensor] = []
    for block in torch.split(order, _BLOCK):
        if most is not None and sum(map(len, found)) >= most:
            break
        if found:
            block = block[~_hit(torch.cat(found), block, boxes, groups, overlap).any(dim=0)]  # noqa: PLW2901 (less of it)
        hit = _hit(block, block, boxes, groups, overlap).triu(diagonal=1).float()
        keep = torch.ones(len(block), device=boxes.device)
        while not torch.equal(keep, newer := (keep @ hit == 0).float()):
            keep = newer
        found.append(block[keep.bool()])
    return torch.cat(found) if found else order


def _suppress_flat(
    boxes: torch.Tensor,
    logits: torch.Tensor,
    groups: torch.Tensor,
    *,
    overlap: float,
    most: int | None,
    order: torch.Tensor,
) -> torch.Tensor:
    """Of boxes (M, 4) by falling score, the kept ones as rows of `order`."""
    size = len(boxes) if most is None else _SHARE_KEPT * most
    while True:
        kept = batched_nms(boxes[:size], logits[:size], groups[:size], overlap)
        if most is None or len(kept) >= most or size >= len(boxes):
            rows: torch.Tensor = order[kept]
            return rows
        size *= _SHARE_KEPT


def _hit(
    first: torch.Tensor,
    second: torch.Tensor,
    boxes: torch.Tensor,
    groups: torch.Tensor,
    overlap: float,
) -> torch.Tensor:
    same = groups[first][:, None] == groups[second][None]
    return (overlaps(boxes[first], boxes[second]) > overlap) & same


def choose(
    output: DetectorOutput,
    label_of: Sequence[int],
    rules: BoxRules,
    shape: Sequence[int],
    *,
    where: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> list[Detections]:
    """Choose the boxes of each picture of a batch; `shape` is that of a picture (D sides).

    Boxes are cut at the picture's edges. One lesion gives one box, whatever its class. Of each
    label the likeliest box is kept, however unlikely, and however many others there are: it says
    how likely the picture is. `where` says which boxes (M, 2D) count at all, all if left out.
    """
    return [
        _choose(class_logits, boxes, label_of, rules, shape, where)
        for class_logits, boxes in zip(output.class_logits, output.boxes, strict=True)
    ]


def _choose(
    class_logits: torch.Tensor,
    boxes: torch.Tensor,
    label_of: Sequence[int],
    rules: BoxRules,
    shape: Sequence[int],
    where: Callable[[torch.Tensor], torch.Tensor] | None,
) -> Detections:
    cut = clip(boxes, shape)
    half = cut.shape[1] // 2
    is_there = ((cut[:, half:] - cut[:, :half]) > _TINY).all(dim=1)
    if where is not None:
        is_there &= where(cut)
    scores = label_logits(class_logits, label_of, max(label_of) + 1)  # (A, K)
    scores = scores.masked_fill(~is_there[:, None], -torch.inf)
    is_kept = (scores > rules.lowest_logit) | (scores == scores.amax(dim=0, keepdim=True))
    places, labels = (is_kept & is_there[:, None]).nonzero(as_tuple=True)
    owner = torch.tensor(label_of, device=labels.device)
    own = class_logits[places].masked_fill(owner[None] != labels[:, None], -torch.inf)
    found = Detections(cut[places], scores[places, labels], labels, own.argmax(dim=1))
    found = Detections.joined([found]).highest(rules.candidates)
    rows = suppress(found.boxes, found.logits, found.labels, overlap=rules.overlap, most=rules.most)
    kept = torch.zeros(len(found), dtype=torch.bool, device=rows.device)
    kept[rows] = True
    for label in set(found.labels.tolist()):  # a label's likeliest has nothing above it
        kept[(found.labels == label).nonzero()[0]] = True
    return found.pick(kept).highest(rules.most)


def clip(boxes: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Cut boxes (M, 2D) at the edges of a picture of `shape` (D sides)."""
    sides = boxes.new_tensor([*shape, *shape])
    return torch.minimum(boxes.clamp(min=0), sides)
