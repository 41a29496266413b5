"""The pictures that screening drew of a case, for the page that holds it against truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from medrec.errors import InputError
from medrec.evaluation.result import Outcome
from medrec.evaluation.stacks import Stacks
from medrec.reporting.case_report import read_case_view
from medrec.reporting.evaluation_page import case_link
from medrec.reporting.orientation import Turn
from medrec.reporting.overlays import Backdrop
from medrec.reporting.pictures import shrink
from medrec.reporting.render import to_data_uri

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from medrec.domain.ids import CaseId
    from medrec.evaluation.detection_result import JudgedImage
    from medrec.evaluation.result import CaseOutcome
    from medrec.reporting.case_view import CasePictures
    from medrec.reporting.render import Verbatim

MOST_PICTURES = 200
"""Pages hold their picture themselves: so many of them take 16 MB at most."""

_NAMES = ("boxes.png", "key.png")
_PICTURE_BYTES = 60_000
_MOST_BYTES = 4_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_WRONG = (Outcome.FALSE_NEGATIVE, Outcome.FALSE_POSITIVE)


def worth_a_picture(cases: Iterable[CaseOutcome]) -> list[CaseId]:
    """The cases to look at first, by id, at most 200.

    Wrong ones and those with a missed lesion, and then those that have a lesion or a box at all.
    """
    wrong, others = [], []
    for case in cases:
        if case.outcome in _WRONG or case.missed_lesions > 0:
            wrong.append(case.prediction.case_id)
        elif any(one.lesions or one.boxes for images in case.boxes.values() for one in images):
            others.append(case.prediction.case_id)
    return [*wrong, *others][:MOST_PICTURES]


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


@dataclass(frozen=True)
class ScreenedPictures:
    """The key slices that a screened folder holds, for verdicts to be drawn over."""

    folder: Path
    _last: dict[CaseId, CasePictures | None] = field(default_factory=dict)

    def __call__(
        self, outcome: CaseOutcome, image: JudgedImage, number: int | None
    ) -> Backdrop | None:
        """The key slice, if it is that of the image; None for other slices and older reports."""
        pictures = self._pictures(outcome.prediction.case_id)
        if pictures is None or not _is_of(pictures, outcome, image, number):
            return None
        try:
            with Image.open(BytesIO(pictures.key)) as opened:
                width, height = map(float, opened.size)
            data = shrink(pictures.key, limit=_PICTURE_BYTES)
        except (OSError, ValueError, SyntaxError):  # no picture
            return None
        at = pictures.place
        assert at is not None  # noqa: S101 (else it is of no image)
        turn = Turn(at.transpose, at.flip_columns, at.flip_rows, at.aspect, pictures.letters)
        return Backdrop(data, width, height, at.rows, at.columns, turn)

    def _pictures(self, case_id: CaseId) -> CasePictures | None:
        if case_id not in self._last:
            self._last.clear()
            self._last[case_id] = self._read(case_id)
        return self._last[case_id]

    def _read(self, case_id: CaseId) -> CasePictures | None:
        if case_link(case_id) is None:
            return None
        folder = self.folder / "cases" / case_id
        try:
            for name in ("report.json", "key.png"):
                path = folder / name
                if path.is_symlink() or path.stat().st_size > _MOST_BYTES:
                    return None
            return read_case_view(folder).pictures
        except (OSError, InputError):
            return None


def _is_of(
    pictures: CasePictures, outcome: CaseOutcome, image: JudgedImage, number: int | None
) -> bool:
    """Whether the key slice is the image's own, or slice `number` of a volume."""
    place, images = pictures.place, outcome.prediction.images
    if place is None or min(place.rows, place.columns, place.aspect) <= 0:
        return False
    if number is not None:
        return pictures.slice == number and Stacks(outcome.prediction).count == 1
    if place.image is None or not 0 <= place.image < len(images):
        return not images and image.slice in (None, pictures.slice)
    own = images[place.image]
    return image.source == own.source and image.slice in (None, own.slice)
