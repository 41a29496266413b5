"""What an importer makes of an archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medrec.domain.reference import Reference


@dataclass(frozen=True, slots=True)
class Imported:
    """Rows of a manifest, and what their owner should know of how they came to be."""

    references: tuple[Reference, ...]
    notes: tuple[str, ...] = ()
