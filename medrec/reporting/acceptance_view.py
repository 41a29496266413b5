"""An acceptance test in the words and numbers that page and terminal show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medrec.evaluation.detectability import DetectedSize
from medrec.evaluation.loss import Verdict
from medrec.reporting.acceptance_charts import curve_chart
from medrec.reporting.render import format_estimate, format_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.evaluation.acceptance import AcceptanceResult
    from medrec.evaluation.acceptance_lines import Line
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.trials import Share
    from medrec.reporting.acceptance_pictures import MissedLesion
    from medrec.reporting.figures import Chart
    from medrec.reporting.overlays import DrawnImage

_TITLES = {
    "sensitivity_small": "sensitivity, small lesions",
    "sensitivity_medium": "sensitivity, medium lesions",
    "sensitivity_large": "sensitivity, large lesions",
    "size_at_50": "size of which half is found",
    "flagged_untouched": "untouched scans that are flagged",
    "polarity_and_scale": "scans whose polarity and scale arrive as they should",
}
VERDICTS = {
    Verdict.AS_AT_HOME: ("as at home", "clear", "a loss above 0.10 is excluded"),
    Verdict.WORSE: ("worse", "flag", "no loss is excluded"),
    Verdict.DIFFERS: ("differs", "defer", "no change is excluded; labels would say for the worse"),
    Verdict.TOO_FEW: ("too few", "defer", "neither can be said"),
}
_DIMENSIONS = {
    "size": "size",
    "strength": "strength",
    "zone": "zone",
    "view": "view",
    "scanner": "scanner",
    "site": "site",
}
FACTS = {
    "level": "grey level of loose tissue between black and white",
    "detail": "fine detail (log2, in steps from loose to dense tissue)",
    "sharpness": "width over the film's own blur (log2)",
    "clipped": "share of pixels at an end of the range",
    "grey_levels": "grey levels that occur (log2)",
    "share": "share of the scan where lesions may lie",
    "below": "share of the film's height below where lesions may lie",
}
_SHADES = 5


@dataclass(frozen=True, slots=True)
class LineView:
    """One line of the page."""

    title: str
    here: str
    home: str
    loss: str
    n: int
    verdict: str
    kind: str


@dataclass(frozen=True, slots=True)
class ShareRow:
    """A share of a part of the sample."""

    dimension: str
    value: str
    n: int
    here: str
    home: str


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A cell of the map of zones; `kind` colours it."""

    text: str
    n: int
    kind: str


@dataclass(frozen=True, slots=True)
class MissedView:
    """A picture and its caption."""

    drawn: DrawnImage
    caption: str


@dataclass(frozen=True)
class AcceptancePage:
    """All that the template fills in."""

    lines: tuple[LineView, ...]
    has_home: bool
    counts: str
    charts: tuple[tuple[str, Chart], ...]
    sizes: tuple[tuple[str, str], ...]
    heat: tuple[tuple[str, tuple[HeatCell | None, ...]], ...]
    groups: tuple[str, ...]
    shares: tuple[ShareRow, ...]
    look: tuple[tuple[str, str, str, bool], ...]
    missed: tuple[MissedView, ...]
    rise: str
    notes: tuple[str, ...]


def line_title(name: str) -> str:
    """What a line is called."""
    return _TITLES.get(name, name)


def figure_words(figure: Estimate | DetectedSize | None) -> str:
    """A figure with its interval.

    >>> figure_words(DetectedSize(0.05, 0.04, None))
    '0.050 [0.040, not reached]'
    """
    if figure is None:
        return "not available"
    if not isinstance(figure, DetectedSize):
        return format_estimate(figure)
    if figure.value is None:
        return "not reached"
    if figure.low is None and figure.high is None:
        return f"{format_number(figure.value)} (no interval)"
    low, high = (
        "not reached" if end is None else format_number(end) for end in (figure.low, figure.high)
    )
    return f"{format_number(figure.value)} [{low}, {high}]"


def to_page(
    result: AcceptanceResult, missed: Sequence[MissedLesion], groups: Sequence[str]
) -> AcceptancePage:
    """Everything in the order of the page."""
    found = result.detectability
    strengths = sorted({point.strength for point in found.points}) if found else []
    return AcceptancePage(
        lines=tuple(map(_line, result.lines)),
        has_home=result.home is not None,
        counts=(
            f"{result.lesions} lesions, one at a time, in {result.scans} scans of "
            f"{result.patients} patients."
        ),
        charts=tuple((f"{one:g}", curve_chart(result, one)) for one in strengths),
        sizes=_sizes(result),
        heat=tuple(
            (zone, tuple(_heat(shares.get(group)) for group in groups))
            for zone, shares in result.zone_by_size.items()
        ),
        groups=tuple(groups),
        shares=tuple(_share_rows(result)),
        look=tuple(_look(result)),
        missed=tuple(MissedView(one.drawn, _caption(one)) for one in missed),
        rise=figure_words(result.score_rise),
        notes=result.notes,
    )


def _line(line: Line) -> LineView:
    word, kind, _ = VERDICTS[line.verdict] if line.verdict else ("", "", "")
    return LineView(
        title=line_title(line.name),
        here=figure_words(line.here),
        home=figure_words(line.home),
        loss=figure_words(line.loss) if line.loss else "",
        n=line.n,
        verdict=word,
        kind=kind,
    )


def _sizes(result: AcceptanceResult) -> tuple[tuple[str, str], ...]:
    found = result.detectability
    if found is None:
        return ()
    rows = []
    for share, size in (("50 %", found.p50), ("90 %", found.p90)):
        words = figure_words(size)
        if size.value is not None and result.mm_per_width is not None:
            words += f", {size.value * result.mm_per_width:.1f} mm"
        rows.append((share, words))
    return tuple(rows)


def _heat(share: Share | None) -> HeatCell | None:
    if share is None:
        return None
    value = share.estimate.value
    away = abs(value - 0.5) * 2
    shade = round(away * _SHADES)
    return HeatCell(
        f"{value:.2f}",
        share.n,
        f"{'right' if value >= 0.5 else 'astray'} shade{shade}",  # noqa: PLR2004
    )


def _share_rows(result: AcceptanceResult) -> list[ShareRow]:
    home: Mapping[str, Mapping[str, Estimate]] = result.home.sensitivity if result.home else {}
    return [
        ShareRow(
            title,
            value,
            share.n,
            format_estimate(share.estimate),
            format_estimate(home.get(name, {}).get(value)),
        )
        for name, title in _DIMENSIONS.items()
        for value, share in result.sensitivity.get(name, {}).items()
    ]


def _look(result: AcceptanceResult) -> list[tuple[str, str, str, bool]]:
    home = result.home.look if result.home else {}

    def words(name: str, of: Mapping[str, object]) -> str:
        fact = of.get(name)
        return "not available" if fact is None else f"{fact.mean:.3g} ± {fact.deviation:.2g}"  # type: ignore[attr-defined]

    return [
        (FACTS.get(name, name), words(name, result.look), words(name, home), name in result.unalike)
        for name in result.look
    ]


def _caption(one: MissedLesion) -> str:
    lesion = one.lesion
    mm = f", {lesion.diameter_mm:.0f} mm" if lesion.diameter_mm is not None else ""
    return (
        f"{lesion.zone}: {100 * lesion.size:.1f} % of the width{mm}, strength {lesion.strength:g}, "
        f"contrast to noise {lesion.contrast_to_noise:.1f}"
    )
