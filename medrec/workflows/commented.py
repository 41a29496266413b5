"""YAML with a reason above each key."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

from medrec.training.choice import Choice

_WIDTH = 96
_INDENT = "  "


def to_yaml(plan: Mapping[str, Choice], *, heading: str) -> str:
    """Write choices by dotted key as nested YAML; each reason is a comment above its key.

    Neighbours with one reason share a comment.

    >>> print(to_yaml({"fit.epochs": Choice(6, "why not")}, heading="Made."), end="")
    # Made.
    <BLANKLINE>
    fit:
      # why not
      epochs: 6
    """
    lines = [*_comment(heading, ""), ""]
    open_sections: list[str] = []
    before = ""
    for key, choice in plan.items():
        *sections, name = key.split(".")
        for depth, section in enumerate(sections):
            if open_sections[depth : depth + 1] != [section]:
                lines += ["", f"{_INDENT * depth}{section}:"] if depth == 0 else [
                    f"{_INDENT * depth}{section}:"
                ]  # fmt: skip
                open_sections, before = sections[: depth + 1], ""
        if open_sections != sections:
            open_sections, before = sections, ""
        indent = _INDENT * len(sections)
        if choice.reason != before:
            lines += _comment(choice.reason, indent)
        lines += _entry(name, choice.value, indent)
        before = choice.reason
    text = "\n".join(lines) + "\n"
    return text.replace("\n\n\n", "\n\n")


def to_data(plan: Mapping[str, Choice]) -> dict[str, Any]:
    """The same as nested data."""
    data: dict[str, Any] = {}
    for key, choice in plan.items():
        *sections, name = key.split(".")
        place = data
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = choice.value
    return data


def _comment(text: str, indent: str) -> list[str]:
    start = f"{indent}# "
    width = _WIDTH - len(indent)
    return textwrap.wrap(text, width, initial_indent=start, subsequent_indent=start)


def _entry(name: str, value: object, indent: str) -> list[str]:
    """One line of YAML, or several where one would be too long."""
    line = f"{indent}{name}: {_flow(value)}"
    if len(line) <= _WIDTH:
        return [line]
    text: str = yaml.safe_dump(
        {name: value},
        # Mappings inside stay in braces, one a line; long texts in a list get lines of their own.
        default_flow_style=None if isinstance(value, dict) else False,
        width=_WIDTH - len(indent),
        sort_keys=False,
        allow_unicode=True,
    )
    return textwrap.indent(text, indent).splitlines()


def _flow(value: object) -> str:
    text: str = yaml.safe_dump(
        value, default_flow_style=True, width=10**6, sort_keys=False, allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")
