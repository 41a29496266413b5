"""Logits of classes that exclude each other: log-odds of a softmax, so that they say all of it.

A group's raw scores z are known but for a constant, and none of them means anything alone. The
log-odds of class k against the rest, z_k - log sum of exp(z_j) over the others, do: their sigmoid
is the softmax probability of k. All of medrec sees these, as the logits of any other labels.

Where logits of classes are combined (slices to an exam, members to an ensemble), each class's logit
is combined for itself, and then the probabilities are scaled to sum to 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import log_expit, logsumexp
from torch.nn.functional import logsigmoid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import nn

    from medrec.models.outputs import ClassifierOutput

Columns = tuple[tuple[int, ...], ...]
"""The columns of each group among the logits."""


def make_exclusive(network: nn.Module, groups: Columns) -> None:
    """Make a network answer with log-odds for the columns of the groups, whoever calls it."""
    if groups:
        network.register_forward_hook(_ToLogOdds(groups))


@dataclass(frozen=True, slots=True)
class _ToLogOdds:
    groups: Columns

    def __call__(
        self, _: nn.Module, __: object, output: ClassifierOutput
    ) -> ClassifierOutput | None:
        return replace(output, logits=log_odds(output.logits, self.groups))


def log_odds(scores: torch.Tensor, groups: Columns) -> torch.Tensor:
    """Turn the raw scores (..., K) of each group into log-odds; other columns stay."""
    result = scores.clone()
    for group in groups:
        columns = list(group)
        own = scores[..., columns]
        # (..., C, C): for each class its group without itself.
        apart = torch.eye(len(columns), dtype=torch.bool, device=scores.device)
        others = own[..., None, :].masked_fill(apart, -torch.inf).logsumexp(dim=-1)
        result[..., columns] = own - others
    return result


def scale_to_one(logits: torch.Tensor, groups: Columns) -> torch.Tensor:
    """Scale the probabilities of each group's combined logits (..., K) to sum to 1."""
    scores = logits.clone()
    for columns in map(list, groups):
        scores[..., columns] = logsigmoid(logits[..., columns])
    return log_odds(scores, groups)


def scale_to_one_array(
    logits: NDArray[np.float64], groups: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """`scale_to_one` for arrays (..., K).

    >>> scale_to_one_array(np.array([0.0, 0.0, 0.0, 7.0]), [(0, 1, 2)]).round(3)
    array([-0.693, -0.693, -0.693,  7.   ])
    """
    result = np.array(logits, dtype=np.float64)
    for group in groups:
        columns = list(group)
        own = log_expit(result[..., columns])
        others = np.where(np.eye(len(columns), dtype=bool), -np.inf, own[..., None, :])
        result[..., columns] = own - logsumexp(others, axis=-1)
    return result
