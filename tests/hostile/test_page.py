"""The reference page says of each hostile input what the tests demand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile.table import TABLE, render

from medrec.domain.codes import NoteCode, ReasonCode
from medrec.domain.series import FileStatus

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "hostile-inputs.md"


def test_the_page_holds_the_table_of_the_tests():
    assert render() in PAGE.read_text(encoding="utf-8"), (
        "write the table anew: PYTHONPATH=tests python -m hostile.table"
    )


def test_every_number_stands_once():
    numbers = [row.number for row in TABLE]

    assert len(numbers) == len(set(numbers))
    missing = {str(number) for number in range(1, 53)} - set(numbers)
    assert {"50"} == missing, "what a listener on the network must survive is no file"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.number)
def test_a_row_demands_what_there_is(row):
    for verdict in row.verdicts.values():
        status, _, code = verdict.partition(":")
        assert status in set(FileStatus)
        assert code in {"", *ReasonCode}
    assert set(row.notes) <= set(NoteCode)
    assert row.verdicts or row.words


@pytest.mark.parametrize("row", [r for r in TABLE if not r.make], ids=lambda row: row.number)
def test_a_row_that_makes_no_file_names_its_test(row):
    assert (ROOT / "tests" / "hostile" / f"{row.test}.py").is_file()
