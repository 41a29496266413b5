"""Losses that know what is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

if TYPE_CHECKING:
    from medrec.models.exclusive import Columns


def classifier_loss(
    logits: torch.Tensor,
    targets: torch.Tensor,
    *,
    weight: torch.Tensor | None = None,
    exclusive: Columns = (),
) -> torch.Tensor:
    """Mean cross-entropy over what is known; 0, without gradient, if nothing is.

    A label of its own counts once a row, by its binary cross-entropy; a group of labels that
    exclude each other counts once a row too, by that of its softmax.

    Args:
        logits: (B, K) float32; those of a group are log-odds (see medrec.models.exclusive).
        targets: (B, K) float32: 1, 0, or NaN where unknown; between them where rows are mixed.
        weight: (K,) of a positive label, a negative one weighs 1; in a group, of each class.
        exclusive: The columns of each group.
    """
    if not exclusive:
        return masked_bce(logits, targets, positive_weight=weight)
    grouped = {column for group in exclusive for column in group}
    own = [column for column in range(logits.shape[-1]) if column not in grouped]
    known = torch.isfinite(targets[:, own])
    losses = binary_cross_entropy_with_logits(
        logits[:, own],
        torch.where(known, targets[:, own], 0.0),
        pos_weight=None if weight is None else weight[own],
        reduction="none",
    )
    total, count = (losses * known).sum(), known.sum()
    for group in map(list, exclusive):
        of_rows, is_known = _softmax_losses(
            logits[:, group], targets[:, group], None if weight is None else weight[group]
        )
        total, count = total + of_rows.sum(), count + is_known.sum()
    return total / count.clamp(min=1)


def _softmax_losses(
    logits: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss (B,) of each row of a group (B, C), and which rows say anything of it (B,).

    -log p of the class that is 1. Where none is known to be, the class is one of the unknown ones:
    -log of the sum of their p (the marginal likelihood).
    """
    # Log-odds of a softmax: the log of a class's sigmoid is the log of its probability.
    log_p = logsigmoid(logits)
    known = torch.isfinite(targets)
    share = torch.where(known, targets, 0.0)
    rest = (1 - share.sum(dim=1)).clamp(min=0)
    weighted = share if weight is None else share * weight
    # A row that leaves several classes open, but not all.
    is_open = ~known.all(dim=1) & known.any(dim=1)
    possible = torch.where(is_open[:, None] & known, -torch.inf, log_p).logsumexp(dim=1)
    losses = -(weighted * log_p).sum(dim=1) - torch.where(is_open, rest * possible, 0.0)
    is_known = known.any(dim=1)
    return torch.where(is_known, losses, 0.0), is_known


def masked_bce(
    logits: torch.Tensor, targets: torch.Tensor, *, positive_weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean binary cross-entropy over the known labels; 0, without gradient, if none is known.

    Args:
        logits: (B, K) float32.
        targets: (B, K) float32: 1, 0, or NaN where unknown.
        positive_weight: (K,) weight of a positive label; a negative one weighs 1.
    """
    known = torch.isfinite(targets)
    losses = binary_cross_entropy_with_logits(
        logits, torch.where(known, targets, 0.0), pos_weight=positive_weight, reduction="none"
    )
    return (losses * known).sum() / known.sum().clamp(min=1)


def positive_weights(targets: torch.Tensor, *, cap: float, exclusive: Columns = ()) -> torch.Tensor:
    """Weigh positives (K,) so that both classes weigh alike, but never above `cap`.

    A label without a known positive or negative weighs 1. Of classes that exclude each other, each
    weighs as much as the most frequent one, but again never above `cap`; one without rows weighs 1.
    """
    positives = (targets == 1).sum(dim=0).float()
    negatives = (targets == 0).sum(dim=0).float()
    balance = torch.where(
        (positives > 0) & (negatives > 0), negatives / positives.clamp(min=1), 1.0
    )
    for group in map(list, exclusive):
        counts = positives[group]
        balance[group] = torch.where(counts > 0, counts.max() / counts.clamp(min=1), 1.0)
    return balance.clamp(max=cap)
