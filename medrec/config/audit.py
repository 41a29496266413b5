"""What a person may overrule of the audit that each training runs first."""

from __future__ import annotations

from typing import Literal

from medrec.config.base import Schema


class AuditConfig(Schema):
    """Patients or pictures on both sides of a split stop a training, unless they are named here.

    What was overruled stands in the model card.
    """

    allow: list[Literal["duplicates", "near_duplicates", "patients"]] = []
    """Kinds of problems that don't stop this training."""
    without: list[str] = []
    """Attributes that the probe leaves out since they were made from the labels themselves."""
