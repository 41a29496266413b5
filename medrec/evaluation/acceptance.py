"""All that follows for a site from the lesions that were planted into its scans."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.counting import counted
from medrec.evaluation.acceptance_lines import Line, to_lines
from medrec.evaluation.detectability import Detectability, detectability_of
from medrec.evaluation.estimate import MINIMUM_UNITS, Estimate
from medrec.evaluation.home_curves import HomeCurves, Spread
from medrec.evaluation.loss import Verdict
from medrec.evaluation.trials import ATTRIBUTES, Resampling, Share, shares_by, trials_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from medrec.evaluation.trials import Trial, TriedScan

_MANY_FLAGGED = 0.2
_ALIKE, _ALIKE_LEVELS = 0.05, 1.0
# No fact is told more finely, even where all scans at home are alike; half the grey levels are one.
_UNALIKE = 0.75
# Means that lie further apart than so many standard deviations of single films at home. Between two
# halves of chest films each spoil of benchmarks/acceptance.py that planting can't see (a display
# curve, lost detail, a cut range or field) moved a fact by 1.2 to 5.4 of them, mirroring by 0.4.


@dataclass(frozen=True)
class AcceptanceResult:
    """All figures; `docs/reference/formats.md` says what each means.

    `unalike` names the facts of `look` in which the scans differ from those at home. `mm_per_width`
    is the mean width of the chest, breast or brain where the spacing is true.
    """

    lines: tuple[Line, ...]
    sensitivity: Mapping[str, Mapping[str, Share]]
    zone_by_size: Mapping[str, Mapping[str, Share]]
    detectability: Detectability | None
    score_rise: Estimate | None
    look: Mapping[str, Spread]
    unalike: tuple[str, ...]
    scale: float | None
    scans: int
    patients: int
    lesions: int
    mm_per_width: float | None = None
    home: HomeCurves | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def is_worse(self) -> bool:
        """Whether any line is `worse`."""
        return any(line.verdict is Verdict.WORSE for line in self.lines)


def measure_acceptance(
    scans: Sequence[TriedScan],
    *,
    home: HomeCurves | None,
    resampling: Resampling,
    notes: Sequence[str] = (),
) -> AcceptanceResult:
    """Work out all figures of at least one scan with a lesion; own notes follow those given."""
    trials = trials_of(scans)
    found = detectability_of(trials, resampling)
    look = _spread(scans)
    unalike = _unalike(look, home)
    scales = [scan.scale for scan in scans if scan.scale is not None]
    scale = float(np.median(scales)) if scales else None
    widths = [scan.width_mm for scan in scans if scan.width_mm is not None]
    units = [scan.unit for _, scan in trials]
    return AcceptanceResult(
        lines=to_lines(
            scans,
            found,
            home,
            resampling,
            usual_scale=scale if home is None else home.scale,
            is_alike=not unalike,
        ),
        sensitivity=_sensitivity(trials, resampling),
        zone_by_size=_zone_by_size(trials, resampling),
        detectability=found,
        score_rise=resampling.mean([one.score_rise for one, _ in trials], units),
        look=look,
        unalike=unalike,
        scale=scale,
        scans=len(scans),
        patients=len({scan.unit for scan in scans}),
        lesions=len(trials),
        mm_per_width=float(np.mean(widths)) if widths else None,
        home=home,
        notes=(*notes, *_notes(scans, home, unalike)),
    )


def _sensitivity(trials: Sequence[Trial], resampling: Resampling) -> dict[str, dict[str, Share]]:
    """By size, strength and zone, and by what is known of the scans."""

    def by_attribute(name: str) -> dict[str, Share]:
        return shares_by(trials, lambda _, scan: scan.attributes.get(name), resampling)

    by_size = sorted(trials, key=lambda trial: trial[0].size)
    by_strength = sorted(trials, key=lambda trial: trial[0].strength)
    return {
        "size": shares_by(by_size, lambda one, _: f"{one.size:g}", resampling),
        "strength": shares_by(by_strength, lambda one, _: f"{one.strength:g}", resampling),
        "zone": shares_by(trials, lambda one, _: one.zone, resampling),
        **{name: by_attribute(name) for name in ATTRIBUTES},
    }


def _zone_by_size(trials: Sequence[Trial], resampling: Resampling) -> dict[str, dict[str, Share]]:
    zones = sorted({one.zone for one, _ in trials})
    return {
        zone: shares_by(
            [trial for trial in trials if trial[0].zone == zone],
            lambda one, _: one.group,
            resampling,
        )
        for zone in zones
    }


def _spread(scans: Sequence[TriedScan]) -> dict[str, Spread]:
    names = dict.fromkeys(name for scan in scans for name in scan.look)
    values = {name: [scan.look[name] for scan in scans if name in scan.look] for name in names}
    return {name: Spread(float(np.mean(v)), float(np.std(v))) for name, v in values.items()}


def _unalike(look: Mapping[str, Spread], home: HomeCurves | None) -> tuple[str, ...]:
    """Facts whose mean lies far from home's, for films that differ no more than they do there."""
    if home is None:
        return ()
    both = [(name, look[name], there) for name, there in home.look.items() if name in look]
    return tuple(
        name
        for name, here, there in both
        if abs(here.mean - there.mean) > _UNALIKE * max(there.deviation, _least(name))
    )


def _least(name: str) -> float:
    return _ALIKE_LEVELS if name == "grey_levels" else _ALIKE


def _notes(
    scans: Sequence[TriedScan], home: HomeCurves | None, unalike: Sequence[str]
) -> Iterator[str]:
    patients = len({scan.unit for scan in scans})
    if patients < MINIMUM_UNITS:
        yield (
            f"{counted(patients, 'patient', 'patients')}: no interval from fewer than "
            f"{MINIMUM_UNITS}, so that nothing can be said"
        )
    flagged = sum(scan.is_flagged for scan in scans)
    if flagged > _MANY_FLAGGED * len(scans):
        yield (
            f"{flagged} of {len(scans)} untouched scans are flagged: a lesion in what is flagged "
            "already is no hit, unless a box of its own lies on it"
        )
    wrong = sum(scan.scale is not None and scan.scale <= 0 for scan in scans)
    if wrong:
        yield (
            f"{counted(wrong, 'scan reaches', 'scans reach')} the network with bright and dark "
            "exchanged: what is dense in them is dark there"
        )
    if home is None:
        yield (
            "the package holds no figures of its training site, so that there is nothing to hold "
            "these against: make them by --home on scans of that site"
        )
    elif unalike:
        yield (
            f"the scans look unlike those at home ({', '.join(unalike)}): what an apparatus does "
            "to lesions before it stores them is not planted, so that no loss can be excluded"
        )
