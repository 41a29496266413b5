"""Several networks that ship and screen as one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from medrec.config.base import Schema

Members = Annotated[int, Field(ge=2, le=32)]


class SeedsEnsemble(Schema):
    """Networks that learn from the same patients, each with a seed of its own.

    Where patients are few, each fold is judged by as many networks as ship, so that calibrators
    rest on the same kind of mean: `members` times the fits.
    """

    kind: Literal["seeds"]
    members: Members


class FoldsEnsemble(Schema):
    """Networks that each leave out one fold of the patients.

    Many patients: those of `train` and `tune` are cut into folds; a network learns from the others
    and its best epoch is chosen on its fold; calibrators rest on the mean logit of the `calibrate`
    patients. Few patients: the networks of the cross-fitting ship, in place of one that is fitted
    again on all; calibrators then rest on logits of single networks (see the model card).
    """

    kind: Literal["folds"]
    folds: Members | None = None
    """None: as many as `splits.folds`. With few patients, only that number will do."""


EnsembleConfig = Annotated[SeedsEnsemble | FoldsEnsemble, Field(discriminator="kind")]
