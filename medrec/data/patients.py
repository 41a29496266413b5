"""Whose scan a file is, where nothing but its path says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import re2

from medrec.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


def patient_pattern(text: str) -> Callable[[str], str | None]:
    r"""Make a function that finds the patient in a path: what the pattern's one group holds.

    RE2's expressions, which can't hang: `_(\d+)_` finds 0017 in `benign/img_0017_L.png`.

    Raises:
        UsageError: No regular expression, or one without exactly one group.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Any = re2.compile(text, options)
    except re2.error as error:
        message = f"--patient {text!r} is no regular expression: {_words(error)}"
        raise UsageError(message) from error
    if compiled.groups != 1:
        message = (
            f"--patient {text!r} has {compiled.groups} groups; wanted one, as in 'img_(\\d+)_'"
        )
        raise UsageError(message)

    def find(path: str) -> str | None:
        match = compiled.search(path)
        return match.group(1) or None if match else None

    return find


def _words(error: Exception) -> str:
    detail = error.args[0] if error.args else ""
    return detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
