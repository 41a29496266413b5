"""Truth of classes that exclude each other."""

from __future__ import annotations

import pytest

from medrec.data.exclusive import settle_exclusive
from medrec.domain.reference import Reference
from medrec.errors import ManifestError

GROUP = (("a", "b", "c"),)


def row(number, **labels):
    return Reference(path=f"s{number}.png", patient="P", labels=labels)


def settled(**labels):
    (found,) = settle_exclusive([row(0, **labels)], GROUP, where="m.csv")
    return found.labels


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": True, "b": None, "c": None}, {"a": True, "b": False, "c": False}),
        ({"a": False, "b": None, "c": False}, {"a": False, "b": True, "c": False}),
        ({"a": False, "b": None, "c": None}, {"a": False, "b": None, "c": None}),
        ({"a": None, "b": None, "c": None}, {"a": None, "b": None, "c": None}),
        ({"a": True, "b": False, "c": False, "x": None}, {"a": 1, "b": 0, "c": 0, "x": None}),
    ],
)
def test_what_follows_from_what_is_known_is_filled_in(given, expected):
    assert expected == settled(**given)


def test_every_contradiction_is_listed():
    rows = [
        row(1, a=True, b=True, c=None),
        row(2, a=True, b=False, c=False),
        row(3, a=False, b=False, c=False),
    ]

    with pytest.raises(ManifestError) as raised:
        settle_exclusive(rows, GROUP, where="m.csv")

    message = str(raised.value)
    assert "s1.png: a and b are 1" in message
    assert "s3.png: a, b, c are all 0" in message
    assert "s2.png" not in message
