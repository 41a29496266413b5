"""The truth that predictions are held against, and that models learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from medrec.domain.box import Box
from medrec.domain.finding import Label

IGNORE = "ignore"
"""The attribute of a box that counts neither way, where it is 1."""
TYPE = "type"
"""The attribute of a box, and of a region, that names its class where the label is wider."""


class Split(StrEnum):
    """What a patient's scans may be used for."""

    TRAIN = "train"
    TUNE = "tune"
    CALIBRATE = "calibrate"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Reference:
    """One row of a manifest: a case, or slice number `slice` of one.

    `labels` maps to True, False or None (unknown, which is not negative). `attributes` are the
    columns that medrec has no use for itself (site, scanner, sex, age): evaluation stratifies by
    them. `path` is as written, relative to the manifest. `unit` is what gets resampled: the
    patient, or what stands for one where patients are unknown.
    """

    path: str
    patient: str = field(repr=False)
    labels: Mapping[Label, bool | None]
    case: str | None = None
    slice: int | None = None
    split: Split | None = None
    unit: str | None = field(default=None, repr=False)
    mask: str | None = None
    boxes: str | None = None
    acquired: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def resampling_unit(self) -> str:
        """`unit` where given, else the patient."""
        return self.unit or self.patient


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """A box that somebody drew: what is in it, and what else is known of it, such as its type.

    The attribute `ignore` with the value 1 marks a lesion that counts neither way: nobody has to
    find it, and a box on it is no false alarm.
    """

    box: Box
    label: Label
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """What it is called, the surest first: its type, if it has one, and its label."""
        kind = self.attributes.get(TYPE)
        return (kind, str(self.label)) if kind else (str(self.label),)

    @property
    def is_ignored(self) -> bool:
        """Whether it counts neither way."""
        return self.attributes.get(IGNORE) == "1"
