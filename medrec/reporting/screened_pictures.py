"""The pictures that screening drew of a case, for the page that holds it against truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.evaluation.result import Outcome
from medrec.reporting.evaluation_page import case_link
from medrec.reporting.pictures import shrink
from medrec.reporting.render import to_data_uri

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from medrec.domain.ids import CaseId
    from medrec.evaluation.result import CaseOutcome
    from medrec.reporting.render import Verbatim

MOST_PICTURES = 200
"""Pages hold their picture themselves: so many of them take 16 MB at most."""

_NAMES = ("boxes.png", "key.png")
_PICTURE_BYTES = 60_000
_MOST_BYTES = 4_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_WRONG = (Outcome.FALSE_NEGATIVE, Outcome.FALSE_POSITIVE)


def worth_a_picture(cases: Iterable[CaseOutcome]) -> list[CaseId]:
    """The cases to look at first, by id: wrong ones and those with a missed lesion, at most 200."""
    wrong = [
        case.prediction.case_id
        for case in cases
        if case.outcome in _WRONG or case.missed_lesions > 0
    ]
    return wrong[:MOST_PICTURES]


def screened_picture(screened: Path, case_id: str) -> Verbatim | None:
    """The key slice of a case in a screened folder, with the model's boxes where it drew some.

    Inlined, of at most 60 kB; None where there is none: a page without pictures is text.
    """
    if case_link(case_id) is None:
        return None
    for name in _NAMES:
        path = screened / "cases" / case_id / name
        try:
            if path.is_symlink() or path.stat().st_size > _MOST_BYTES:
                continue
            data = path.read_bytes()
            if data.startswith(_PNG):
                return to_data_uri(shrink(data, limit=_PICTURE_BYTES))
        except (OSError, ValueError, SyntaxError):  # not there, or no picture
            continue
    return None
