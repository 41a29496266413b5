"""Rules from their config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import re2

from medrec.io.selection import (
    Described,
    HasImageType,
    HasPart,
    OneOf,
    Rule,
    Rules,
    SaysContrast,
    Within,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from medrec.config.selection import RuleConfig, RulesConfig
    from medrec.io.selection import Condition

_ONE_OF = ("modality", "body_part", "sequence", "orientation", "laterality", "view_position")
_AS_WRITTEN = {"sequence", "orientation"}
_TIMES = ("repetition_time_ms", "echo_time_ms", "inversion_time_ms")


def build_rules(config: RulesConfig | None) -> Rules | None:
    """Make rules that can be applied; None where there are none."""
    if config is None:
        return None
    return Rules(
        rules=tuple(_rule(rule) for rule in config.rules),
        default=config.default,
        most_series=config.most_series,
        prefer=tuple(config.prefer),
    )


def _rule(config: RuleConfig) -> Rule:
    return Rule(config.name, config.action, tuple(_conditions(config)), config.known_only)


def _conditions(config: RuleConfig) -> Iterator[Condition]:
    for fact in _ONE_OF:
        if accepted := getattr(config, fact):
            yield OneOf(fact, frozenset(accepted) if fact in _AS_WRITTEN else _upper(accepted))
    for fact in (*_TIMES, "slices"):
        if found := getattr(config, fact):
            yield Within(fact, found.at_least, found.at_most)
    yield from _other_conditions(config)


def _other_conditions(config: RuleConfig) -> Iterator[Condition]:
    if config.contrast:
        yield SaysContrast(config.contrast == "given")
    if config.manufacturer:
        yield HasPart("manufacturer", tuple(_upper(config.manufacturer)))
    if config.image_type:
        yield HasImageType(_upper(config.image_type.include), _upper(config.image_type.exclude))
    if config.description:
        yield Described(_search(config.description))


def _upper(values: Iterable[str]) -> frozenset[str]:
    return frozenset(value.strip().upper() for value in values)


def _search(pattern: str) -> Callable[[str], Any]:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    search: Callable[[str], Any] = re2.compile(pattern, options).search
    return search
