"""A choice with its reason, and what a person asks for beside the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Anatomy = Literal["brain", "breast", "chest", "other"]

_BRAIN = {"BRAIN", "HEAD", "SKULL"}


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of the config (plain data of YAML), and why: one sentence or more, never empty.

    Raises:
        ValueError: No reason.
    """

    value: object
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            message = f"the choice {self.value!r} gives no reason"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Asked:
    """What no fingerprint tells: the name, what is to be found, and what the scans show."""

    name: str
    labels: tuple[str, ...]
    primary: str
    modality: tuple[str, ...]
    body_part: tuple[str, ...]
    sequence: tuple[str, ...] = ()

    @property
    def anatomy(self) -> Anatomy:
        """Which rules of anatomy hold; `other` where none of them is known to."""
        parts = set(self.body_part)
        if parts and parts <= _BRAIN:
            return "brain"
        if parts == {"BREAST"} or set(self.modality) == {"MG"}:
            return "breast"
        return "chest" if parts == {"CHEST"} else "other"
