"""How often a label is positive at each site, or at each value of another attribute."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from medrec.domain.reference import Reference

MOST_VALUES = 20
"""An attribute of more values is none that patients are grouped by."""
FEWEST_PATIENTS = 10
"""From fewer patients no share is judged."""
SHARES_APART = 0.2
"""Shares that differ by more make a label partly a sign of the attribute."""


@dataclass(frozen=True, slots=True)
class Share:
    """Patients of one value of an attribute: how many have a known label, how many a positive."""

    attribute: str
    value: str
    label: str
    patients: int
    positive: int


def measure_balance(
    references: Sequence[Reference], labels: Sequence[str], *, without: Collection[str] = ()
) -> tuple[Share, ...]:
    """Count patients by each value of each attribute that has 2 to 20; a positive row counts."""
    names = dict.fromkeys(name for row in references for name in row.attributes)
    return tuple(
        share
        for name in names
        if name not in without and 1 < len(_values(references, name)) <= MOST_VALUES
        for label in labels
        for share in _shares(references, name, label)
    )


def lopsided(shares: Sequence[Share]) -> list[str]:
    """What to say where a label is much more frequent at one value than at another."""
    groups: dict[tuple[str, str], list[Share]] = defaultdict(list)
    for share in shares:
        if share.patients >= FEWEST_PATIENTS:
            groups[share.attribute, share.label].append(share)
    said = []
    for (attribute, label), found in groups.items():
        found.sort(key=_fraction)
        least, most = found[0], found[-1]
        if _fraction(most) - _fraction(least) > SHARES_APART:
            said.append(
                f"{label} is positive in {_fraction(most):.0%} of the patients with "
                f"{attribute}={most.value} and in {_fraction(least):.0%} with "
                f"{attribute}={least.value}: a model may learn {attribute}; stratify splits and "
                "evaluation by it"
            )
    return said


def _values(references: Sequence[Reference], name: str) -> set[str]:
    return {value for row in references if (value := row.attributes.get(name))}


def _shares(references: Sequence[Reference], name: str, label: str) -> Iterator[Share]:
    states: dict[str, dict[str, bool]] = defaultdict(dict)
    for row in references:
        value = row.attributes.get(name)
        truths = [truth for key, truth in row.labels.items() if key == label and truth is not None]
        if value and truths:
            states[value][row.patient] = any(truths) or states[value].get(row.patient, False)
    for value, patients in sorted(states.items()):
        yield Share(name, value, label, len(patients), sum(patients.values()))


def _fraction(share: Share) -> float:
    return share.positive / share.patients
