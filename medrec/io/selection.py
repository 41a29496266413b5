"""Choose the series of a study by rules; pure: series in, and for each what the rules say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from medrec.domain.codes import Reason, ReasonCode
from medrec.domain.series import FileStatus
from medrec.errors import RefusedScanError
from medrec.io.series_facts import SeriesFacts, facts_of

if TYPE_CHECKING:
    from medrec.domain.series import Case, Series

Action = Literal["take", "leave_out"]
Preference = Literal["first_rule", "most_slices", "thinnest", "largest_matrix"]
Condition = Callable[[SeriesFacts], bool | None]
"""Whether it holds; None where the fact is unknown."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """A fact is one of some values; those of `SeriesFacts` are in upper case."""

    fact: str
    accepted: frozenset[str]

    def __call__(self, facts: SeriesFacts) -> bool | None:
        """Whether it holds; None if unknown."""
        value = getattr(facts, self.fact)
        return None if value is None else value in self.accepted


@dataclass(frozen=True, slots=True)
class Within:
    """A number lies in a range, both ends included; None is an open end."""

    fact: str
    low: float | None
    high: float | None

    def __call__(self, facts: SeriesFacts) -> bool | None:
        """Whether it holds; None if unknown."""
        value = getattr(facts, self.fact)
        if value is None:
            return None
        is_above = self.low is None or value >= self.low
        return is_above and (self.high is None or value <= self.high)


@dataclass(frozen=True, slots=True)
class SaysContrast:
    """A contrast agent was given, or was not."""

    given: bool

    def __call__(self, facts: SeriesFacts) -> bool | None:
        """Whether it holds; None if unknown."""
        return None if facts.has_contrast is None else facts.has_contrast is self.given


@dataclass(frozen=True, slots=True)
class HasPart:
    """A fact holds one of some texts as a part, in upper case."""

    fact: str
    parts: tuple[str, ...]

    def __call__(self, facts: SeriesFacts) -> bool | None:
        """Whether it holds; None if unknown."""
        value = getattr(facts, self.fact)
        return None if value is None else any(part in value for part in self.parts)


@dataclass(frozen=True, slots=True)
class HasImageType:
    """ImageType has one of `include` (if any are named) and none of `exclude`."""

    include: frozenset[str]
    exclude: frozenset[str]

    def __call__(self, facts: SeriesFacts) -> bool | None:
        """Whether it holds; None if unknown."""
        values = set(facts.image_type)
        if not values:
            return None
        return (not self.include or bool(values & self.include)) and not values & self.exclude


@dataclass(frozen=True, slots=True)
class Described:
    """A search finds something in one of the descriptions; `search` is linear in the text."""

    search: Callable[[str], Any]

    def __call__(self, facts: SeriesFacts) -> bool | None:
        """Whether it holds; None if unknown."""
        if not facts.descriptions:
            return None
        return any(self.search(text) is not None for text in facts.descriptions)


@dataclass(frozen=True, slots=True)
class Rule:
    """What must hold of a series, and what is then done with it."""

    name: str
    action: Action
    conditions: tuple[Condition, ...]
    known_only: bool = False

    def holds(self, facts: SeriesFacts) -> bool:
        """Whether all conditions hold; an unknown fact holds in a rule that takes, by default."""
        found = [condition(facts) for condition in self.conditions]
        unknown_holds = self.action == "take" and not self.known_only
        return all(unknown_holds if one is None else one for one in found)


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules in their order; see `medrec.config.selection` for the meaning of each field."""

    rules: tuple[Rule, ...]
    default: Action
    most_series: int | None
    prefer: tuple[Preference, ...]


@dataclass(frozen=True, slots=True)
class Selected:
    """A series that is judged; `rule` is None where the default took it."""

    series: Series
    rule: str | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A series that is not judged; `rule` is None where the default left it out."""

    series: Series
    rule: str | None
    reason: str


Choice = Selected | LeftOut


def choose(series: Sequence[Series], rules: Rules) -> list[Choice]:
    """Say of each series of one study whether it is judged, in the order given."""
    first = [_apply(one, rules) for one in series]
    taken = [choice for choice in first if isinstance(choice, Selected)]
    if rules.most_series is None or len(taken) <= rules.most_series:
        return first
    order = sorted(taken, key=lambda choice: _rank(choice, rules))
    kept = {id(choice) for choice in order[: rules.most_series]}
    return [
        _surplus(choice, rules, len(taken))
        if isinstance(choice, Selected) and id(choice) not in kept
        else choice
        for choice in first
    ]


def select(case: Case, rules: Rules | None) -> Case:
    """Move the series that the rules leave out to `Case.left_out`, as `not_selected`."""
    if rules is None:
        return case
    choices = choose(case.series, rules)
    left_out = [
        (choice.series, Reason(ReasonCode.NOT_SELECTED, choice.reason))
        for choice in choices
        if isinstance(choice, LeftOut)
    ]
    return replace(
        case,
        series=tuple(choice.series for choice in choices if isinstance(choice, Selected)),
        left_out=(*case.left_out, *left_out),
    )


def only_series(cases: Iterable[Case], rules: Rules | None) -> Series:
    """The one series of a folder that counts.

    Raises:
        RefusedScanError: `not_selected`: none or several, and why.
    """
    chosen = [select(case, rules) for case in cases]
    found = [series for case in chosen for series in case.series]
    if len(found) == 1:
        return found[0]
    detail = f"the folder holds {len(found)} series, where one is wanted"
    if rules is None:
        way = ": name rules that choose one, or give each series a folder and a row of its own"
        hint = way if found else ""
    elif found:
        detail = f"the rules take {len(found)} series of the folder, where one is wanted"
        hint = ": set most_series to 1"
    else:
        left_out = [pair for case in chosen for pair in case.left_out]
        raise RefusedScanError(ReasonCode.NOT_SELECTED, describe_none(left_out))
    raise RefusedScanError(ReasonCode.NOT_SELECTED, detail + hint)


def left_out_status(case: Case) -> FileStatus:
    """How files end that were set aside: skipped, but refused if nothing else is left."""
    return FileStatus.SKIPPED if case.series else FileStatus.REFUSED


def describe_none(left_out: Sequence[tuple[Series, Reason]]) -> str:
    """Why no series of a study is left, in words."""
    counts = Counter(reason.detail for _, reason in left_out)
    reasons = "; ".join(f"{count} {detail}" for detail, count in counts.items())
    return f"no series of {len(left_out)} is eligible: {reasons}"


def _apply(series: Series, rules: Rules) -> Choice:
    facts = facts_of(series)
    for rule in rules.rules:
        if rule.holds(facts):
            if rule.action == "take":
                return Selected(series, rule.name)
            return LeftOut(series, rule.name, f"left out by the rule '{rule.name}'")
    if rules.default == "take":
        return Selected(series, None)
    return LeftOut(series, None, "left out by default, since no rule fits")


def _surplus(choice: Selected, rules: Rules, count: int) -> LeftOut:
    word = f"the rule '{choice.rule}'" if choice.rule else "default"
    kept = f"only {rules.most_series} of {count} series that fit" if rules.most_series else ""
    return LeftOut(choice.series, choice.rule, f"taken by {word}, but {kept} may be judged")


_Rank = tuple[float | str, ...]


def _rank(choice: Selected, rules: Rules) -> _Rank:
    """Lower comes first; ties end by UIDs, so that the result hangs on no file's name."""
    facts = facts_of(choice.series)
    names = [rule.name for rule in rules.rules]
    values: Mapping[Preference, float] = {
        "first_rule": names.index(choice.rule) if choice.rule else len(names),
        "most_slices": -(facts.slices or 0),
        "thinnest": float("inf") if facts.slice_distance_mm is None else facts.slice_distance_mm,
        "largest_matrix": -facts.pixels,
    }
    first = min(header.sop_uid or header.identity for header in choice.series.headers)
    ends = (choice.series.first.series_uid or "", first)
    return (*(values[word] for word in rules.prefer), *ends)
