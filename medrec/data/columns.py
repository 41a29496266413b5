"""What the columns of somebody's table say of labels and attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medrec.data.expressions import Words, parse_expression
from medrec.data.manifest import wrong_label
from medrec.domain.finding import Label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from medrec.data.expressions import Expression
    from medrec.data.table import Row


@dataclass(frozen=True, slots=True)
class ToldByColumns:
    """Labels and attributes, each with the expression that tells it."""

    label_expressions: Mapping[str, Expression]
    attribute_expressions: Mapping[str, Expression]

    @classmethod
    def of(
        cls, labels: Mapping[str, str], attributes: Mapping[str, str], problems: list[str]
    ) -> ToldByColumns:
        """Parse the expressions, noting what is wrong with them or their names in `problems`."""
        problems += [
            f"attribute {name}: is a label already; rename it"
            for name in sorted(set(labels) & set(attributes))
        ]
        return cls(_parsed("label", labels, problems), _parsed("attribute", attributes, problems))

    def absent(self, columns: Sequence[str], *, others: Iterable[str]) -> list[str]:
        """What is wrong with the columns asked for: not there, or named twice."""
        expressions = [*self.label_expressions.values(), *self.attribute_expressions.values()]
        wanted = dict.fromkeys([*others, *(expression.column for expression in expressions)])
        there = ", ".join(columns)
        missing = [
            f"column {name}: missing; there are {there}" for name in wanted if name not in columns
        ]
        repeated = sorted({name for name in columns if columns.count(name) > 1})
        return missing + [f"column {name}: named twice" for name in repeated if name in wanted]

    def truths(self, row: Row, problems: list[str]) -> dict[Label, bool | None]:
        """What a row says of each label; cells that say nothing known are noted in `problems`."""
        return {
            Label(name): _truth(row, asked, problems)
            for name, asked in self.label_expressions.items()
        }

    def attributes(self, row: Row, problems: list[str]) -> dict[str, str]:
        """The attributes that a row has, as text."""
        told = {
            name: _attribute(row, asked, problems)
            for name, asked in self.attribute_expressions.items()
        }
        return {name: value for name, value in told.items() if value}


def _parsed(kind: str, texts: Mapping[str, str], problems: list[str]) -> dict[str, Expression]:
    found: dict[str, Expression] = {}
    for name, text in texts.items():
        if wrong := wrong_label(name):
            problems.append(f"{kind} {name}: {wrong}; rename it")
        try:
            found[name] = parse_expression(text)
        except ValueError as error:
            problems.append(f"{kind} {name}: {error}")
    return found


def _truth(row: Row, asked: Expression, problems: list[str]) -> bool | None:
    try:
        return asked(row.cells[asked.column])
    except ValueError as error:
        problems.append(f"line {row.line}, column {asked.column}: {error}")
        return None


def _attribute(row: Row, asked: Expression, problems: list[str]) -> str:
    """The cell itself, or yes and no: 1 and 0 would make a label of it in a manifest."""
    if isinstance(asked, Words):
        return row.cells[asked.column]
    return {True: "yes", False: "no", None: ""}[_truth(row, asked, problems)]
