"""The schema of rules: what is refused, and that all of it is said at once."""

from __future__ import annotations

import pytest
import yaml

from medrec.config.base import validate
from medrec.config.kinds import read_any_config
from medrec.config.screening import ScreenConfig
from medrec.config.selection import RulesConfig, resolve_rules
from medrec.errors import ConfigError


def problems_of(data):
    with pytest.raises(ConfigError) as caught:
        validate(data, RulesConfig, where="rules.yaml")
    return caught.value.problems


def a_rule(**changes):
    return {"name": "one", "action": "take", **changes}


def test_all_problems_of_a_file_are_said_with_the_rule_that_has_them():
    listed = [a_rule(sequence=["t3"]), a_rule(name="Two"), a_rule(name="three", colour="red")]

    found = problems_of({"kind": "rules", "rules": listed, "default": "keep"})

    places = [problem.split(":")[0] for problem in found]
    assert ["rules.0.sequence.0", "rules.1.name", "rules.2.colour", "default"] == places


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "a" * 201])
def test_a_pattern_that_can_not_be_searched_in_linear_time_is_refused(pattern):
    (problem,) = problems_of({"rules": [a_rule(description=pattern)]})

    assert problem.startswith("rules.0.description")


@pytest.mark.parametrize(
    "range_", [{}, {"at_least": 5, "at_most": 4}, {"at_least": float("nan")}, {"at_least": -1}]
)
def test_a_range_that_is_none_is_refused(range_):
    (problem,) = problems_of({"rules": [a_rule(echo_time_ms=range_)]})

    assert problem.startswith("rules.0.echo_time_ms")


def test_two_rules_of_one_name_are_refused():
    assert "used twice: one" in problems_of({"rules": [a_rule(), a_rule()]})[0]


def test_rules_may_be_named_as_a_file_or_written_in_place(tmp_path):
    data = {"kind": "rules", "rules": [a_rule(modality=["MR"])]}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    named, written = (
        validate({"rules": rules}, ScreenConfig, where="screen") for rules in (str(path), data)
    )

    assert read_any_config(path) == written.rules == resolve_rules(named.rules, folder=tmp_path)


def test_rules_that_are_named_and_not_there_are_said(tmp_path):
    config = ScreenConfig(rules=tmp_path / "none.yaml")

    with pytest.raises(ConfigError, match="can't be read: No such file"):
        resolve_rules(config.rules, folder=tmp_path)
