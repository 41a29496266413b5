"""Cells of somebody's table to a label."""

import pytest

from medrec.data.expressions import parse_expression


@pytest.mark.parametrize(
    ("text", "cell", "truth"),
    [
        ("cancer", "1", True),
        ("cancer", "No", False),
        ("cancer", "", None),
        ("cancer", "N/A", None),
        ("birads: 4,5", "4", True),
        ("birads:4,5", "2", False),
        ("birads:4,5", "unknown", None),
        ("birads:4,5/1,2", "2", False),
        ("birads:4,5/1,2", "3", None),
        ("finding:none", "none", True),
        ("size >= 80", "80", True),
        ("size>80", "80", False),
        ("size<=-2.5", "-3", True),
        ("size<1", "", None),
    ],
)
def test_an_expression_tells_a_cell(text, cell, truth):
    assert truth is parse_expression(text)(cell)


@pytest.mark.parametrize("text", ["", "  ", "size>=", ">=3", "size>=big", "size>nan", "a:", "a:,"])
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(ValueError, match="wanted"):
        parse_expression(text)


@pytest.mark.parametrize(("text", "cell"), [("cancer", "2"), ("size>1", "big"), ("size>1", "inf")])
def test_a_cell_that_says_nothing_known_is_refused(text, cell):
    with pytest.raises(ValueError, match=f"'{cell}'; wanted"):
        parse_expression(text)(cell)
