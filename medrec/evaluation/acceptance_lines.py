"""The six lines of an acceptance test, fixed in advance, and their verdicts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medrec.evaluation.detectability import USUAL, DetectedSize
from medrec.evaluation.estimate import MINIMUM_UNITS, Estimate
from medrec.evaluation.loss import Verdict, loss_between, verdict_of_change, verdict_of_loss
from medrec.evaluation.trials import GROUPS, share_found, trials_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.evaluation.detectability import Detectability
    from medrec.evaluation.home_curves import HomeCurves
    from medrec.evaluation.trials import Resampling, Share, TriedScan

SIZE_AT_50, FLAGGED, AGREEMENT = "size_at_50", "flagged_untouched", "polarity_and_scale"
_SCALE_SPAN = 2.0
# A scale within a factor of two of the usual one agrees with it.


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the figure here and at home, of how many lesions or scans, and what it says.

    `loss` is what the verdict rests on. Without a home there is neither, but that a few patients
    are `too_few` whatever stands at home.
    """

    name: str
    n: int
    here: Estimate | DetectedSize | None
    home: Estimate | DetectedSize | None = None
    verdict: Verdict | None = None
    loss: Estimate | None = None


def to_lines(
    scans: Sequence[TriedScan],
    detectability: Detectability | None,
    home: HomeCurves | None,
    resampling: Resampling,
    *,
    usual_scale: float | None,
    is_alike: bool,
) -> tuple[Line, ...]:
    """Work out the lines.

    Args:
        scans: At least one.
        detectability: The fitted curve.
        home: What they are held to.
        resampling: How intervals are made.
        usual_scale: By which scale is judged: see `agrees`.
        is_alike: Whether the scans look as at home: else no loss can be excluded, since what an
            apparatus does to a lesion before it is stored is not planted.
    """
    trials = trials_of(scans)
    found = [
        (group, share_found([one for one in trials if one[0].group == group], resampling))
        for group in GROUPS
    ]
    units = [scan.unit for scan in scans]
    flagged = resampling.share([scan.is_flagged for scan in scans], units)
    seen = [scan for scan in scans if scan.scale is not None]
    agreeing = resampling.share(
        [agrees(scan, usual_scale) for scan in seen], [scan.unit for scan in seen]
    )
    is_labelled = all(scan.is_known_clear for scan in scans)
    lines = (
        *(
            _sensitivity(f"sensitivity_{group}", share, home, is_alike=is_alike)
            for group, share in found
        ),
        _size(detectability, home, n=len(trials), is_alike=is_alike),
        _flagged(flagged, home, n=len(scans), is_labelled=is_labelled),
        _change(AGREEMENT, len(seen), agreeing, home),
    )
    if len(set(units)) >= MINIMUM_UNITS:
        return lines
    return tuple(replace(line, verdict=Verdict.TOO_FEW) for line in lines)


def agrees(scan: TriedScan, usual: float | None) -> bool:
    """Whether bright tissue arrives bright, at a scale within a factor of two of the usual one."""
    if scan.scale is None or scan.scale <= 0:
        return False
    return not usual or usual <= 0 or 1 / _SCALE_SPAN <= scan.scale / usual <= _SCALE_SPAN


def _sensitivity(
    name: str, share: Share | None, home: HomeCurves | None, *, is_alike: bool
) -> Line:
    n, here = (share.n, share.estimate) if share else (0, None)
    if home is None:
        return Line(name, n, here)
    there = home.lines.get(name)
    if here is None or there is None:
        return Line(name, n, here, there, Verdict.TOO_FEW)
    loss = loss_between(there, here)
    return Line(name, n, here, there, _careful(verdict_of_loss(loss), is_alike=is_alike), loss)


def _size(found: Detectability | None, home: HomeCurves | None, *, n: int, is_alike: bool) -> Line:
    """The loss of sensitivity at the size of which home finds half."""
    here = found.p50 if found else None
    if home is None:
        return Line(SIZE_AT_50, n, here)
    size = home.sizes_at.get(SIZE_AT_50)
    there = None if size is None else home.share_at(size, USUAL)
    if found is None or size is None or there is None:
        return Line(SIZE_AT_50, n, here, None, Verdict.TOO_FEW)
    loss = loss_between(there, found.share_at(size))
    verdict = _careful(verdict_of_loss(loss), is_alike=is_alike)
    own = home.lines.get(SIZE_AT_50) or Estimate(size, None, None, "at home")
    return Line(SIZE_AT_50, n, here, own, verdict, loss)


def _flagged(here: Estimate | None, home: HomeCurves | None, *, n: int, is_labelled: bool) -> Line:
    """Where labels say that nothing is there, a rise is a loss: of specificity."""
    there = home.lines.get(FLAGGED) if home else None
    if not is_labelled or here is None or there is None:
        return _change(FLAGGED, n, here, home)
    rise = loss_between(here, there)
    return Line(FLAGGED, n, here, there, verdict_of_loss(rise), rise)


def _change(name: str, n: int, here: Estimate | None, home: HomeCurves | None) -> Line:
    if home is None:
        return Line(name, n, here)
    there = home.lines.get(name)
    if here is None or there is None:
        return Line(name, n, here, there, Verdict.TOO_FEW)
    change = loss_between(there, here)
    return Line(name, n, here, there, verdict_of_change(change), change)


def _careful(verdict: Verdict, *, is_alike: bool) -> Verdict:
    return Verdict.TOO_FEW if verdict is Verdict.AS_AT_HOME and not is_alike else verdict
