"""One hostile input: how to make it, and what medrec must do with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SCORED = "scored"


@dataclass(frozen=True)
class Row:
    """A row of the table, held by `number` against the documentation.

    `make` writes the input into a folder of its own. `verdicts` tells for each file of it, by name,
    `status` or `status:code`; one verdict under the name "*" is that of every file. `notes` are
    the codes that a scored case must carry. `words` is what the page says becomes of it, where that
    isn't plain from the verdicts; a row without `make` has a test of its own, named by `test`.
    """

    number: str
    what: str
    make: Callable[[Path], None] | None = None
    verdicts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    words: str = ""
    test: str = ""

    @property
    def folder(self) -> str:
        """Its place in the scanned folder."""
        return f"row{self.number}"

    def verdict(self, name: str) -> str:
        """What must become of a file."""
        return self.verdicts.get(name) or self.verdicts["*"]

    @property
    def line(self) -> str:
        """Its line in the reference page."""
        ends = dict.fromkeys(self.verdicts.values())
        said = ["; ".join(" ".join(f"`{part}`" for part in end.split(":")) for end in ends)]
        said += [f"note `{note}`" for note in self.notes]
        text = ", ".join(part for part in (*said, self.words) if part)
        return f"| {self.number} | {self.what} | {text} |"


def one(verdict: str) -> dict[str, str]:
    """The same verdict for every file."""
    return {"*": verdict}
