"""The one place where text becomes HTML: escaped always, hostile characters made visible."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from pathlib import Path

    from medrec.evaluation.estimate import Estimate

RESEARCH_USE = "Research use. Not a medical device."

# Characters that hide, reorder or command: C0 and C1 controls, line separators, bidirectional marks
# and overrides (Unicode UAX #9), zero-width characters, the byte order mark.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]"
)
_LONGEST_TEXT = 1000
_TINIEST = 0.0005


class Verbatim(str):
    """A text that medrec made (points of a line, an inlined picture): escaped, but never cut."""

    __slots__ = ()


def make_visible(text: str) -> str:
    r"""Spell out control and direction characters, and cut what is too long for a page.

    >>> make_visible("a\x1b[31mb" + chr(0x202E) + "c")
    'a\\x1b[31mb\\u202ec'
    """
    if len(text) > _LONGEST_TEXT:
        text = text[: _LONGEST_TEXT - 1] + "…"
    return _UNSEEN.sub(_spell, text)


def _spell(match: re.Match[str]) -> str:
    return ascii(match.group())[1:-1]


def format_number(value: float | None) -> str:
    """Three decimals; a number that only rounding would make 0 or 1 is said to be near it.

    >>> format_number(0.9996), format_number(0.83), format_number(1.0), format_number(None)
    ('> 0.999', '0.830', '1.000', 'not available')
    """
    if value is None:
        return "not available"
    if 0.0 < value < _TINIEST:
        return "< 0.001"
    if 1.0 - _TINIEST <= value < 1.0:
        return "> 0.999"
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}")


def format_estimate(estimate: Estimate | None) -> str:
    """A figure with its interval: `0.912 [0.870, 0.948]`."""
    if estimate is None:
        return "not available"
    if estimate.low is None or estimate.high is None:
        return f"{format_number(estimate.value)} (no interval)"
    low, high = format_number(estimate.low), format_number(estimate.high)
    return f"{format_number(estimate.value)} [{low}, {high}]"


def format_share(value: float) -> str:
    """A share in per cent, such as `25 %`."""
    return f"{100 * value:.0f}\N{NO-BREAK SPACE}%"


def to_data_uri(data: bytes) -> Verbatim:
    """Inline a PNG or JPEG."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return Verbatim(f"data:image/{kind};base64,{base64.b64encode(data).decode()}")


def render(template: str, **values: object) -> str:
    """Fill a template; a script of the same name is inlined and named by hash in the CSP."""
    return _environment().get_template(template).render(**values)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("medrec.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "estimate": format_estimate,
        "number": format_number,
        "share": format_share,
    }
    environment.globals |= {"research_use": RESEARCH_USE, "script": _script}
    return environment


def _finalize(value: Any) -> Any:  # noqa: ANN401 (whatever a template prints)
    return make_visible(value) if type(value) is str else value


@cache
def _script(name: str) -> tuple[Markup, str]:
    """A script of ours, and the CSP source that allows this one script and no other."""
    loader = _environment().loader
    source = loader.get_source(_environment(), name)[0] if loader else ""
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    return Markup(source), f"'sha256-{digest}'"  # noqa: S704 (a file of this package, no data)
