"""Labels told by the name of a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medrec.data.expressions import Values, parse_values
from medrec.data.manifest import wrong_label
from medrec.domain.finding import Label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class ClassLabels:
    """What each class says of each label."""

    values: Mapping[str, Values]

    @classmethod
    def of(
        cls, labels: Mapping[str, str], classes: Sequence[str]
    ) -> tuple[ClassLabels, tuple[str, ...]]:
        """Read `CLASS,CLASS` or `CLASS,CLASS/CLASS,CLASS` by label; and what is wrong with them.

        Without labels each class is one.
        """
        if not labels:
            return cls({name: Values("", frozenset({name})) for name in classes}), tuple(
                _wrong_classes(classes)
            )
        problems: list[str] = []
        values: dict[str, Values] = {}
        for name, text in labels.items():
            if wrong := wrong_label(name):
                problems.append(f"label {name}: {wrong}")
            try:
                values[name] = parse_values("class", text)
            except ValueError as error:
                problems.append(f"label {name}: {error}")
        problems += _unknown_classes(values, classes)
        return cls(values), tuple(problems)

    def truths(self, name: str) -> dict[Label, bool | None]:
        """What a class says of each label."""
        return {Label(label): _truth(value, name) for label, value in self.values.items()}


def _truth(values: Values, name: str) -> bool | None:
    """As `Values` has it, but a folder that is called `unknown` is a class, not an empty cell."""
    return name in values.positive if values.negative is None else values(name)


def _wrong_classes(classes: Sequence[str]) -> list[str]:
    hint = "name the label yourself, --label NAME=CLASS"
    problems = [
        f"class folder {name}: {wrong}: {hint}" for name in classes if (wrong := wrong_label(name))
    ]
    if len(classes) == 1:
        problems.append(
            f"there is but one class folder, {classes[0]}: wanted the folder above the classes, or "
            f"{hint}"
        )
    return problems or ([] if classes else ["no class folder holds a scan"])


def _unknown_classes(values: Mapping[str, Values], classes: Sequence[str]) -> list[str]:
    there = ", ".join(classes) or "none that holds a scan"
    return [
        f"label {label}: no class folder {name}; there are {there}"
        for label, one in values.items()
        for name in sorted(one.positive | (one.negative or frozenset()))
        if name not in classes
    ]
