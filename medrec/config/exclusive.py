"""Labels that exclude each other."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    from collections.abc import Sequence

Groups = Annotated[list[Annotated[list[str], Field(min_length=2)]], Field(min_length=1)]
"""Groups of labels, of which every image has exactly one: each group gets a softmax."""


def check_groups(labels: Sequence[str], groups: Sequence[Sequence[str]] | None) -> None:
    """Refuse groups that can't be.

    Raises:
        ValueError: A name that is no label, or that stands in a group twice or in two groups.
    """
    names = [name for group in groups or () for name in group]
    strange = [name for name in dict.fromkeys(names) if name not in labels]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    problems = []
    if strange:
        problems.append(f"exclusive names {', '.join(strange)}, none of the labels {list(labels)}")
    if repeated:
        problems.append(f"exclusive names {', '.join(repeated)} more than once")
    if problems:
        raise ValueError("; ".join(problems))


def columns_of(
    labels: Sequence[str], groups: Sequence[Sequence[str]] | None
) -> tuple[tuple[int, ...], ...]:
    """The columns of each group among the labels.

    >>> columns_of(["mass", "benign", "cancer"], [["benign", "cancer"]])
    ((1, 2),)
    """
    return tuple(tuple(labels.index(name) for name in group) for group in groups or ())
