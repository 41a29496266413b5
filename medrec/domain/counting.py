"""Numbers of things in words."""

from __future__ import annotations


def counted(number: int, one: str, many: str) -> str:
    """A number and what there are so many of, with the verb where there is one.

    >>> counted(1, "patient has", "patients have"), counted(0, "film", "films")
    ('1 patient has', '0 films')
    """
    return f"{number} {one if number == 1 else many}"
