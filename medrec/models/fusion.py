"""One box from several looks at a lesion: windows, mirror images, members."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import logsigmoid

from medrec.models.boxes import overlaps, suppress
from medrec.models.detections import Detections

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUREST = 16.118
"""Log-odds that no vote exceeds: of a probability of 1e-7, and of its opposite."""


def fuse(looks: Sequence[Detections], *, overlap: float, is_vote: bool) -> Detections:
    """Weighted box fusion (Solovyev et al. 2021): boxes that overlap become their weighted mean.

    The highest boxes of their label that overlap no higher one by more than `overlap` lead; every
    other box gathers around that one of its label's leaders that it overlaps most. Each corner is
    the mean of theirs, weighted by probability.

    Args:
        looks: The boxes that each look found, all in one frame.
        overlap: Intersection over union above which two boxes are of one lesion.
        is_vote: All looks saw the whole picture, so the probability is the mean over looks, 0 for
            one that found nothing there. Else (windows) it is the highest.
    """
    every = Detections.joined(list(looks))
    if len(every) == 0:
        return every
    of_look = _looks_in_order(looks)
    leaders = suppress(every.boxes, every.logits, every.labels, overlap=overlap)
    found = every.pick(leaders)
    apart = found.labels[:, None] != every.labels[None]
    shared = overlaps(found.boxes, every.boxes).masked_fill(apart, -1.0)
    shared[torch.arange(len(leaders)), leaders] = 2.0  # a leader follows itself
    cluster = shared.argmax(dim=0)
    boxes = _means(every.boxes, every.logits, cluster, len(leaders)).to(found.boxes.dtype)
    logits = found.logits
    if is_vote:
        place = cluster * len(looks) + of_look
        logits = _vote(every.logits, place, (len(leaders), len(looks))).to(logits.dtype)
    fused = Detections(boxes, logits, found.labels, found.classes)
    return fused.pick(fused.logits.argsort(descending=True, stable=True))


def _means(
    boxes: torch.Tensor, logits: torch.Tensor, cluster: torch.Tensor, count: int
) -> torch.Tensor:
    """The means (count, 2D) of the boxes (M, 2D) of each cluster, weighted by probability.

    float32 throughout (Apple's devices have nothing wider): probabilities are taken relative to
    the highest of their cluster, so that very unlikely boxes weigh against each other too.
    """
    share = logsigmoid(logits.float())
    highest = share.new_full((count,), -torch.inf).scatter_reduce(0, cluster, share, "amax")
    weight = torch.exp(share - highest[cluster])
    total = weight.new_zeros(count).index_add(0, cluster, weight)
    corners = weight.new_zeros(count, boxes.shape[1])
    corners = corners.index_add(0, cluster, boxes.float() * weight[:, None])
    return corners / total[:, None]


def _vote(logits: torch.Tensor, place: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Log-odds (N,) of the mean over L looks of each one's highest probability; `shape` is (N, L).

    `place` (M,) is the cluster and the look of each box, as one number. Summed as logarithms:
    float32 keeps what tells 0.99999 from 1.
    """
    highest = logits.new_full((shape[0] * shape[1],), -torch.inf, dtype=torch.float32)
    highest = highest.scatter_reduce(0, place, logits.float(), "amax").view(shape)
    odds = logsigmoid(highest).logsumexp(dim=1) - logsigmoid(-highest).logsumexp(dim=1)
    return odds.clamp(-_SUREST, _SUREST)


def _looks_in_order(looks: Sequence[Detections]) -> torch.Tensor:
    """Which look each box of `Detections.joined` came from."""
    logits = torch.cat([look.logits for look in looks])
    numbers = torch.cat([torch.full_like(look.labels, n) for n, look in enumerate(looks)])
    return numbers[logits.argsort(descending=True, stable=True)]
