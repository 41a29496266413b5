"""Several networks that answer as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from medrec.models.exclusive import Columns, scale_to_one
from medrec.models.outputs import ClassifierOutput

if TYPE_CHECKING:
    from collections.abc import Iterable

FEWEST_MEMBERS = 2


class Ensemble(nn.Module):
    """Answer with the mean logit of the members, which take what each of them takes.

    Logits are averaged, not probabilities: one calibrator, fitted on the mean logit, then turns it
    into a probability, as for a single network. The probabilities of classes that exclude each
    other are then scaled to sum to 1 (see medrec.models.exclusive).

    Raises:
        ValueError: Fewer than two members.
    """

    def __init__(self, members: Iterable[nn.Module], *, exclusive: Columns = ()) -> None:
        super().__init__()
        self._exclusive = exclusive
        self.members = nn.ModuleList(members)
        if len(self.members) < FEWEST_MEMBERS:
            message = f"an ensemble has {FEWEST_MEMBERS} members or more, not {len(self.members)}"
            raise ValueError(message)

    def forward(self, *inputs: torch.Tensor) -> ClassifierOutput:
        """Judge what each member judges; `logits` (B, K) is the mean of theirs."""
        logits = [cast("ClassifierOutput", member(*inputs)).logits for member in self.members]
        mean = torch.stack(logits).mean(dim=0)
        return ClassifierOutput(logits=scale_to_one(mean, self._exclusive))


def members_of(network: nn.Module) -> tuple[nn.Module, ...]:
    """The members of an ensemble, or the one network alone."""
    return tuple(network.members) if isinstance(network, Ensemble) else (network,)
