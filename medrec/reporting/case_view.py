"""All that a case page shows, apart from how it looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from medrec.domain.finding import CasePrediction
from medrec.reporting.model_facts import ModelFacts


@dataclass(frozen=True, slots=True)
class Letters:
    """Where the edges of a picture point to in the patient: R, L, A, P, H (head) or F (feet)."""

    left: str
    right: str
    top: str
    bottom: str


@dataclass(frozen=True, slots=True)
class Place:
    """What the key slice is, and how its `rows` and `columns` as stored were turned to be shown.

    `image` is its number among the prediction's images, None where slices weren't judged. The rest
    is `medrec.reporting.orientation.Turn`.
    """

    image: int | None
    rows: int
    columns: int
    transpose: bool = False
    flip_columns: bool = False
    flip_rows: bool = False
    aspect: float = 1.0


@dataclass(frozen=True, slots=True)
class Strip:
    """Slices (0-based) through region number `number`, from 1, as PNG; `what` names the region."""

    number: int
    what: str
    slices: tuple[int, ...]
    picture: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CasePictures:
    """The key slice as PNG bytes, plain and with where the model looked; 0-based `slice`.

    `boxes` is the slice with the regions that reach the operating point. `window` says in words how
    grey values were chosen. `place` is None in reports of older medrecs.
    `strips` show the slices through each region.
    """

    slice: int
    key: bytes = field(repr=False)
    heatmap: bytes | None = field(default=None, repr=False)
    boxes: bytes | None = field(default=None, repr=False)
    window: str = ""
    letters: Letters | None = None
    place: Place | None = None
    strips: tuple[Strip, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case with its model; `facts` are about the images (matrix, spacing, sequence).

    No fact may identify a patient.
    """

    prediction: CasePrediction
    model: ModelFacts
    pictures: CasePictures | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


def hide_paths(prediction: CasePrediction) -> CasePrediction:
    """Name the case by its id where its files' paths stood: paths are the user's own.

    Of several series each keeps a name of its own, with its number behind the id.
    """
    here = prediction.case_id
    numbered = {one.source: f"{here}/{n}" for n, one in enumerate(prediction.judged_series, 1)}

    def named(series: str | None) -> str | None:
        return None if series is None else numbered.get(series, here)

    return replace(
        prediction,
        source=here,
        images=tuple(replace(image, source=here) for image in prediction.images),
        regions=tuple(
            replace(region, source=here, series=named(region.series))
            for region in prediction.regions
        ),
        series=named(prediction.series),
        judged_series=tuple(
            replace(one, source=numbered[one.source]) for one in prediction.judged_series
        ),
    )
