from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from medrec.evaluation.estimate import Estimate
from medrec.reporting.render import (
    format_estimate,
    format_number,
    make_visible,
    render,
    to_data_uri,
    write_text,
)


def test_a_figure_is_printed_with_its_interval():
    assert format_estimate(Estimate(0.912, 0.87, 0.948, "DeLong")) == "0.912 [0.870, 0.948]"


def test_a_figure_without_an_interval_says_so():
    assert format_estimate(Estimate(0.5, None, None, "none")) == "0.500 (no interval)"
    assert format_estimate(None) == "not available"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.000"), (0.0004, "< 0.001"), (0.9999, "> 0.999"), (-1.5, "\N{MINUS SIGN}1.500")],
)
def test_rounding_never_makes_a_probability_certain(value, text):
    assert text == format_number(value)


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\n", "\u202e", "\u2066", "\x00", "\ufeff", "\x9b"])
def test_control_and_direction_characters_are_spelled_out(hostile):
    visible = make_visible(f"a{hostile}b")

    assert hostile not in visible
    assert visible.startswith("a\\")


def test_letters_of_other_scripts_stay():
    assert make_visible("Röntgen レントゲン أشعة") == "Röntgen レントゲン أشعة"


def test_a_very_long_text_is_cut():
    assert len(make_visible("x" * 10_000)) == 1000


def test_a_template_that_misses_a_value_is_an_error():
    with pytest.raises(UndefinedError):
        render("case.html")


def test_pictures_are_inlined_by_their_own_kind():
    assert to_data_uri(b"\x89PNG...").startswith("data:image/png;base64,")
    assert to_data_uri(b"\xff\xd8\xff").startswith("data:image/jpeg;base64,")


def test_a_page_is_written_whole_and_nothing_is_left_beside_it(tmp_path):
    write_text(tmp_path / "deep" / "a.html", "one")
    write_text(tmp_path / "deep" / "a.html", "two")

    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.html"]
    assert (tmp_path / "deep" / "a.html").read_text(encoding="utf-8") == "two"
