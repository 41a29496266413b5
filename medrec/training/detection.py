"""What a detector learns by: which places are a lesion's, and the loss of all places.

Objects of a batch come as one tensor (B, M, 2D + 1) float32: the box (see
`medrec.models.detections`), then its class; a class of -1 is no object, one of -2 or less is a
lesion that counts neither way, NaN says that nobody knows what is in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from monai.apps.detection.utils.ATSS_matcher import ATSSMatcher
from monai.apps.detection.utils.hard_negative_sampler import HardNegativeSampler
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid
from torchvision.ops import sigmoid_focal_loss

from medrec.models.boxes import overlaps
from medrec.training.losses import masked_bce

if TYPE_CHECKING:
    from medrec.models.detections import DetectorOutput

Matching = Literal["atss", "centre"]
ClassLoss = Literal["focal", "hard_negative"]

_CANDIDATES = 9
_ALPHA, _GAMMA = 0.25, 2.0
_DRAWN, _POSITIVE_SHARE = 128, 0.3
_CENTRE_GAMMA, _NEAR = 2.0, 4.0
_SPREAD = 6.0
"""A lesion's heat falls to 1 % at its edge: three standard deviations a half side."""
_TINY = 1e-7


@dataclass(frozen=True, slots=True)
class DetectionLoss:
    """Class loss of all places, generalised IoU of those that are a lesion's, loss of the picture.

    Args:
        matching: `atss` (Zhang et al. 2020) for anchors on several levels; `centre` for centre
            points: one place a lesion, and heat around it (Zhou et al. 2019, eq. 1).
        class_loss: `focal`, or `hard_negative`: cross-entropy of the positives and of the
            likeliest negatives; of centre points always the heat map's own focal loss.
        box_weight: What the boxes weigh against the classes.
    """

    matching: Matching = "atss"
    class_loss: ClassLoss = "focal"
    box_weight: float = 2.0

    def __call__(
        self, output: DetectorOutput, objects: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        """The loss of a batch: finite, and with a gradient for every weight, without objects too.

        Args:
            output: Of the network, B pictures.
            objects: (B, M, 2D + 1).
            targets: (B, K) of the pictures as wholes: 1, 0 or NaN; read where there is an image
                head.
        """
        known = torch.isfinite(objects).flatten(1).all(dim=1)
        matches = [_match(self.matching, output, own) for own in _of_pictures(objects, known)]
        counts = torch.stack([one.counts for one in matches]) & known[:, None]  # (B, A)
        classes = torch.stack([one.classes for one in matches])  # (B, A), -1 for nothing
        positive = classes >= 0
        count = positive.sum().clamp(min=1)
        of_classes = self._of_classes(output, classes, matches, counts)
        wanted = torch.stack([one.boxes for one in matches])
        # Without a lesion: 0, through all weights, so that several devices stay in step.
        of_boxes = (1 - giou(output.boxes[positive], wanted[positive])).sum() / count
        total: torch.Tensor = of_classes + self.box_weight * of_boxes + 0.0 * output.boxes.sum()
        if output.image_logits is None:
            return total
        return total + masked_bce(output.image_logits, targets)

    def _of_classes(
        self,
        output: DetectorOutput,
        classes: torch.Tensor,
        matches: list[_Match],
        counts: torch.Tensor,
    ) -> torch.Tensor:
        logits = output.class_logits
        wanted = torch.zeros_like(logits)
        rows, places = (classes >= 0).nonzero(as_tuple=True)
        wanted[rows, places, classes[rows, places]] = 1.0
        count = (classes >= 0).sum().clamp(min=1)
        if self.matching == "centre":
            heat = torch.stack([one.heat for one in matches])
            return (_heat_loss(logits, wanted, heat) * counts[..., None]).sum() / count
        if self.class_loss == "focal":
            every: torch.Tensor = sigmoid_focal_loss(logits, wanted, alpha=_ALPHA, gamma=_GAMMA)
            return (every * counts[..., None]).sum() / count
        drawn = _hard(logits, classes) & counts
        losses = binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum(dim=-1)
        return (losses * drawn).sum() / drawn.sum().clamp(min=1)


@dataclass(frozen=True, eq=False)
class _Match:
    """Of one picture: the class (A,) of each place, its box (A, 2D), and the heat (A, C).

    `counts` (A,) is False where a place lies in a lesion that is ignored.
    """

    classes: torch.Tensor
    boxes: torch.Tensor
    heat: torch.Tensor
    counts: torch.Tensor


def _of_pictures(objects: torch.Tensor, known: torch.Tensor) -> list[torch.Tensor]:
    """The objects (m, 2D + 1) of each picture, ignored ones too; none where nobody knows."""
    return [
        own[own[:, -1] != -1] if is_known else own[:0]
        for own, is_known in zip(objects, known.tolist(), strict=True)
    ]


def _match(matching: Matching, output: DetectorOutput, objects: torch.Tensor) -> _Match:
    anchors, class_count = output.anchors, output.class_logits.shape[-1]
    classes = torch.full((len(anchors),), -1, dtype=torch.long, device=anchors.device)
    heat = anchors.new_zeros(len(anchors), class_count)
    counts = ~_inside(anchors, objects[objects[:, -1] < 0])
    objects = objects[objects[:, -1] >= 0]
    if len(objects) == 0:
        return _Match(classes, anchors, heat, counts)
    boxes, own = objects[:, :-1], objects[:, -1].long()
    if matching == "atss":
        owner = _atss(boxes, anchors, output.level_sizes)
    else:
        owner, heat = _centres(boxes, own, anchors, heat)
    found = owner >= 0
    classes[found] = own[owner[found]]
    return _Match(classes, boxes[owner.clamp(min=0)], heat, counts | found)


def _inside(anchors: torch.Tensor, ignored: torch.Tensor) -> torch.Tensor:
    """Places (A,) whose middle lies in one of the ignored lesions (m, 2D + 1)."""
    half, middles = anchors.shape[1] // 2, _middles(anchors)[:, None]
    low, high = ignored[None, :, :half], ignored[None, :, half:-1]
    return ((middles >= low) & (middles < high)).all(dim=-1).any(dim=1)


def _middles(boxes: torch.Tensor) -> torch.Tensor:
    """(N, D) of boxes (N, 2D)."""
    half = boxes.shape[1] // 2
    return (boxes[:, :half] + boxes[:, half:]) / 2


def _apart(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Squared distances (N, M) of the middles of boxes (N, 2D) and (M, 2D)."""
    apart = _middles(first)[:, None] - _middles(second)[None]
    return (apart**2).sum(dim=-1)


def _atss(boxes: torch.Tensor, anchors: torch.Tensor, level_sizes: tuple[int, ...]) -> torch.Tensor:
    """The object (A,) of each anchor, or -1.

    An object that got none has the one that shares most with it, or lies nearest.
    """
    matcher: Any = ATSSMatcher(num_candidates=_CANDIDATES, similarity_fn=overlaps)
    shared, owner = matcher(boxes, anchors, level_sizes, 1)
    for number in sorted(set(range(len(boxes))) - set(owner.unique().tolist())):
        own = shared[number]
        _give(owner, number, torch.where(own > 0, own, -_apart(boxes[[number]], anchors)[0]))
    wanted: torch.Tensor = owner
    return wanted


def _give(owner: torch.Tensor, number: int, likeness: torch.Tensor) -> None:
    """Give object `number` the place most like it, but never the only one of another object.

    With more objects than places, those that come last get none.
    """
    counts = torch.bincount(owner[owner >= 0], minlength=1)
    is_free = (owner < 0) | (counts[owner.clamp(min=0)] > 1)
    if is_free.any():
        owner[likeness.masked_fill(~is_free, -torch.inf).argmax()] = number


def _centres(
    boxes: torch.Tensor, classes: torch.Tensor, anchors: torch.Tensor, heat: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The object (A,) of the place nearest to each middle, and heat (A, C) that falls around it."""
    half = boxes.shape[1] // 2
    places, middles = _middles(anchors), _middles(boxes)
    sides = boxes[:, half:] - boxes[:, :half]
    apart = places[None] - middles[:, None]  # (m, A, D)
    stride = torch.stack(
        [
            line.unique().diff().amin() if line.unique().numel() > 1 else line.new_tensor(1.0)
            for line in places.T
        ]
    )
    spread = torch.maximum(sides / _SPREAD, stride / 2)
    warm = torch.exp(-((apart / spread[:, None]) ** 2).sum(dim=-1) / 2)  # (m, A)
    owner = torch.full((len(anchors),), -1, dtype=torch.long, device=anchors.device)
    for number, distance in enumerate(_apart(boxes, anchors)):
        _give(owner, number, -distance)
    for number, name in enumerate(classes.tolist()):
        heat[:, name] = torch.maximum(heat[:, name], warm[number])
    return owner, heat


def _heat_loss(logits: torch.Tensor, wanted: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """Penalty-reduced focal loss: a place near a middle is less wrong than one far from it."""
    share = logits.sigmoid()
    hit = -((1 - share) ** _CENTRE_GAMMA) * logsigmoid(logits)
    miss = -((1 - heat) ** _NEAR) * share**_CENTRE_GAMMA * logsigmoid(-logits)
    return torch.where(wanted > 0, hit, miss)


def _hard(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Places (B, A) that count: positives, and negatives drawn from the likeliest ones."""
    sampler: Any = HardNegativeSampler(_DRAWN, _POSITIVE_SHARE, min_neg=_DRAWN // 2)
    highest = logits.detach().sigmoid().amax(dim=-1).flatten()
    positive, negative = sampler(list((classes >= 0).long()), highest)
    return torch.stack(positive).bool() | torch.stack(negative).bool()


def giou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Generalised IoU (N,) of pairs of boxes (N, 2D), from -1 to 1 (Rezatofighi et al. 2019).

    MONAI's own raises at the first NaN, which the guard of training skips and counts instead.
    """
    half = first.shape[1] // 2

    def volume(low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        return (high - low).clamp(min=0).prod(dim=1)

    sizes = volume(first[:, :half], first[:, half:]) + volume(second[:, :half], second[:, half:])
    shared = volume(
        torch.maximum(first[:, :half], second[:, :half]),
        torch.minimum(first[:, half:], second[:, half:]),
    )
    around = volume(
        torch.minimum(first[:, :half], second[:, :half]),
        torch.maximum(first[:, half:], second[:, half:]),
    )
    united = sizes - shared
    found: torch.Tensor = shared / united.clamp(min=_TINY) - (around - united) / around.clamp(
        min=_TINY
    )
    return found
