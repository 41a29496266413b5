"""What the evaluation's pages show of boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medrec.domain.finding import Region
from medrec.domain.reference import TYPE
from medrec.evaluation.froc import RATES
from medrec.reporting.detection_charts import box_precision_chart, froc_chart
from medrec.reporting.evaluation_view import Plate, reliability_plate
from medrec.reporting.overlays import draw_image, slices_to_draw

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from medrec.domain.box import Box
    from medrec.domain.finding import Label
    from medrec.evaluation.detection_result import DetectionResult, JudgedImage
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.result import CaseOutcome
    from medrec.reporting.overlays import Backdrop, DrawnImage, PictureSource

MOST_MISSED = 200
MOST_DRAWN = 40
MOST_PICTURES = 6
"""Pages hold their pictures themselves, of 40 kB at most each."""


@dataclass(frozen=True)
class DetectionView:
    """The boxes of one label: counts, tables and charts."""

    label: str
    counts: str
    hit: str
    froc: tuple[tuple[str, Estimate | None, Estimate | None], ...]
    figures: tuple[tuple[str, Estimate], ...]
    bands: tuple[tuple[str, int, Estimate], ...]
    points: tuple[tuple[str, float, tuple[Estimate | None, ...]], ...]
    plates: tuple[Plate, ...]


@dataclass(frozen=True, slots=True)
class MissedRow:
    """A lesion that no box lies on."""

    name: str
    link: str | None
    label: str
    where: str
    size: str
    overlap: float


@dataclass(frozen=True)
class MissedCase:
    """A case with a missed lesion; `drawn` is the image with the most of them, small."""

    name: str
    link: str | None
    missed: int
    lesions: int
    false_alarms: int
    drawn: DrawnImage | None = None


@dataclass(frozen=True)
class BoxRow:
    """A lesion or a box of a case, in words; `value` is a probability, a score or an IoU."""

    what: str
    kind: str
    where: str
    value: str


@dataclass(frozen=True)
class JudgedView:
    """One image of a case: its lesions and boxes, drawn and in words.

    Of a volume whose pixels are there, `drawings` are several slices.
    """

    title: str
    drawings: tuple[DrawnImage, ...]
    rows: tuple[BoxRow, ...]


def to_detection_view(label: Label, found: DetectionResult, *, name: str) -> DetectionView:
    """Put the boxes of a label into the words and the order of the page."""
    return DetectionView(
        label=str(label),
        counts=_counts(found),
        hit=str(found.hit),
        froc=tuple(_froc_rows(found)),
        figures=tuple(_figures(found)),
        bands=tuple(
            (
                f"{band.low:.0f} px and more"
                if band.high == float("inf")
                else f"{band.low:.0f} to {band.high:.0f} px",
                band.lesions,
                band.sensitivity,
            )
            for band in found.by_size
        ),
        points=tuple(
            (
                point,
                at.threshold,
                (at.sensitivity, at.false_positives_per_image, at.false_positives_per_normal_exam),
            )
            for point, at in found.operating_points.items()
        ),
        plates=_plates(found, name),
    )


def _froc_rows(found: DetectionResult) -> Iterator[tuple[str, Estimate | None, Estimate | None]]:
    """Sensitivity at each rate, over all images and over empty ones; the mean last."""
    if found.froc is None:
        return
    empty = found.froc_empty
    of_empty = empty.sensitivity if empty else (None,) * len(RATES)
    for rate, one, other in zip(RATES, found.froc.sensitivity, of_empty, strict=True):
        yield f"{rate:g}", one, other
    yield "CPM: mean of these", found.froc.cpm, empty.cpm if empty else None


def _counts(found: DetectionResult) -> str:
    kind = "volumes" if found.is_solid else "images"
    ignored = f", {found.ignored} that count neither way" if found.ignored else ""
    return (
        f"{found.lesions:,} lesions{ignored} and {found.boxes:,} boxes on {found.images:,} {kind} "
        f"of {found.patients:,} patients; {found.empty_images:,} of the {kind} are empty."
    )


def _figures(found: DetectionResult) -> Iterable[tuple[str, Estimate]]:
    for iou, estimate in found.average_precision.items():
        yield f"Average precision at IoU {iou:g}", estimate
    at = f"lesions found at {found.at_rate:g} false positive an image"
    if (sits := found.localisation) is not None:
        named = {
            f"Median IoU, {sits.lesions} {at}": sits.iou,
            "Median distance of centres, px": sits.centre_distance_px,
            f"Median distance of centres, mm ({sits.with_mm} lesions)": sits.centre_distance_mm,
        }
        yield from ((name, one) for name, one in named.items() if one is not None)
    if (boxes := found.calibration) is not None:
        yield "Brier score of boxes", boxes.brier
        yield "Expected calibration error of boxes", boxes.ece
        yield "The same, if perfectly calibrated", boxes.ece_if_calibrated


def _plates(found: DetectionResult, name: str) -> tuple[Plate, ...]:
    plates: list[Plate] = []
    if found.curves is not None and found.froc is not None:
        curve = found.curves.froc
        plates.append(
            Plate(
                name=f"{name}_froc",
                title="FROC curve",
                caption=f"A hit: {found.hit}. Bars are 95 % intervals from resampled patients.",
                chart=froc_chart(found.curves, found.froc),
                columns=("false_positives_per_image", "sensitivity", "threshold"),
                rows=tuple(_triples(curve.rate, curve.sensitivity, curve.threshold)),
            )
        )
        curves = found.curves
        if len(curves.recall):
            plates.append(
                Plate(
                    name=f"{name}_box_precision_recall",
                    title="Precision and recall of boxes",
                    caption=f"At IoU {curves.iou:g}; a second box on a lesion is false here.",
                    chart=box_precision_chart(curves),
                    columns=("recall", "precision", "threshold"),
                    rows=tuple(_triples(curves.recall, curves.precision, curves.threshold)),
                )
            )
    if found.calibration is not None and found.calibration.reliability:
        boxes = found.calibration
        plates.append(
            reliability_plate(
                boxes.reliability,
                name=f"{name}_box_reliability",
                ece=boxes.ece,
                ece_if_calibrated=boxes.ece_if_calibrated,
            )
        )
    return tuple(plates)


def _triples(*columns: Iterable[float]) -> Iterable[tuple[float, ...]]:
    return (tuple(map(float, row)) for row in zip(*columns, strict=True))


def to_missed_rows(
    cases: Iterable[CaseOutcome], link: Mapping[str, str | None]
) -> tuple[MissedRow, ...]:
    """Every missed lesion, largest first."""
    found = [
        (
            one.truth.box.content,
            MissedRow(
                name=case.prediction.case_id,
                link=link[case.prediction.case_id],
                label=str(label),
                where=_place(one.truth.box, image.slice),
                size=" x ".join(f"{side:.0f}" for side in one.truth.box.sides) + " px",
                overlap=one.iou,
            ),
        )
        for case in cases
        for label, images in case.boxes.items()
        for image in images
        for one in image.lesions
        if one.verdict == "missed"
    ]
    return tuple(row for _, row in sorted(found, key=lambda pair: -pair[0]))


def to_missed_cases(
    cases: Iterable[CaseOutcome],
    link: Mapping[str, str | None],
    drawn: Mapping[str, DrawnImage] | None = None,
) -> tuple[MissedCase, ...]:
    """The cases with a missed lesion, most missed first; `drawn` are pictures by case."""
    found = [
        MissedCase(
            name=name,
            link=link[name],
            missed=case.missed_lesions,
            lesions=case.lesions,
            false_alarms=case.false_alarms,
            drawn=(drawn or {}).get(name),
        )
        for case in cases
        if case.missed_lesions and (name := case.prediction.case_id)
    ]
    return tuple(sorted(found, key=lambda one: -one.missed))


def to_judged_views(
    outcome: CaseOutcome, picture_of: PictureSource | None = None
) -> tuple[JudgedView, ...]:
    """The images of a case that hold a lesion or a box, those with most missed lesions first.

    The first few are drawn over their pixels, where `picture_of` has them.
    """
    found = [
        (str(label) if len(outcome.boxes) > 1 else "", image)
        for label, images in outcome.boxes.items()
        for image in images
        if image.lesions or image.boxes
    ]
    ordered = sorted(found, key=lambda pair: (-pair[1].missed, -pair[1].false_alarms))
    artist = _Artist(outcome, picture_of)
    return tuple(
        JudgedView(_title(label, image), artist.draw(image), tuple(_rows(image)))
        for label, image in ordered[:MOST_DRAWN]
    )


@dataclass
class _Artist:
    """Draws the images of one case, the first few over their pixels."""

    outcome: CaseOutcome
    picture_of: PictureSource | None
    left: int = MOST_PICTURES

    def draw(self, image: JudgedImage) -> tuple[DrawnImage, ...]:
        if image.slice is None and image.is_solid:
            numbers = slices_to_draw(image, most=self.left)
            pairs = [(number, self._picture(image, number)) for number in numbers]
            drawn = [
                draw_image(image, picture, number=number) for number, picture in pairs if picture
            ]
        else:
            drawn = [draw_image(image, self._picture(image, None))]
        return tuple(one for one in (drawn or [draw_image(image)]) if one is not None)

    def _picture(self, image: JudgedImage, number: int | None) -> Backdrop | None:
        if self.picture_of is None or self.left <= 0:
            return None
        found = self.picture_of(self.outcome, image, number)
        self.left -= found is not None
        return found


def _title(label: str, image: JudgedImage) -> str:
    where = "Boxes" if image.slice is None else f"Boxes on slice {image.slice}"
    return f"{label}: {where}" if label else where


def _rows(image: JudgedImage) -> Iterable[BoxRow]:
    words = {"missed": ("Missed", "wrong"), "found": ("Found", "clear"), "ignored": ("Ignored", "")}
    order = list(words)
    for one in sorted(image.lesions, key=lambda lesion: order.index(lesion.verdict)):
        verdict, kind = words[one.verdict]
        # Of all columns of a boxes file this one alone: others may say whose lesion it is.
        named = one.truth.attributes.get(TYPE)
        what = f"{verdict}: lesion" + (f" (type {named})" if named else "")
        yield BoxRow(what, kind, _place(one.truth.box, None), f"best IoU {one.iou:.2f}")
    said = {"hit": ("On a lesion", "clear"), "false": ("False alarm", "flag"),
            "second": ("Second box on a lesion", "")}  # fmt: skip
    for box in image.boxes:
        verdict, kind = said[box.verdict]
        region = box.region
        value = (
            f"probability {region.probability:.3f}"
            if isinstance(region, Region)
            else f"score {region.score:.2f}"
        )
        yield BoxRow(verdict, kind, _place(box.box, None), value)


def _place(box: Box, number: int | None) -> str:
    spans = (
        f"{axis} {low:.0f} to {high:.0f}"
        for axis, low, high in zip("xyz", box.low, box.high, strict=False)
    )
    return ", ".join([*([] if number is None else [f"slice {number}"]), *spans])
