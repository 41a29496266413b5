from __future__ import annotations

import csv

import pytest

from medrec.io.tables import write_rows


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_rows_are_written_in_the_order_of_the_columns(tmp_path):
    write_rows(tmp_path / "t.csv", ["a", "b"], [{"b": 0.25, "a": "x"}, {"a": None}])

    assert read(tmp_path / "t.csv") == [["a", "b"], ["x", "0.25"], ["", ""]]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\n"])
def test_a_text_that_a_spreadsheet_would_run_is_disarmed(tmp_path, start):
    write_rows(tmp_path / "t.csv", ["a"], [{"a": f"{start}cmd|' /C calc'!A0"}])

    assert read(tmp_path / "t.csv")[1] == [f"'{start}cmd|' /C calc'!A0"]


def test_a_carriage_return_ends_no_row(tmp_path):
    write_rows(tmp_path / "t.csv", ["a"], [{"a": "\r=1+1\rx"}])

    assert read(tmp_path / "t.csv") == [["a"], ["'\\r=1+1\\rx"]]


def test_a_negative_number_stays_a_number(tmp_path):
    write_rows(tmp_path / "t.csv", ["a"], [{"a": -1.5}])

    assert read(tmp_path / "t.csv")[1] == ["-1.5"]


def test_line_ends_and_quotes_stay_in_their_cell(tmp_path):
    write_rows(tmp_path / "t.csv", ["a", "b"], [{"a": 'x\ny, "z"', "b": 1}])

    assert read(tmp_path / "t.csv")[1] == ['x\ny, "z"', "1"]


def test_a_failed_table_leaves_the_old_one_and_no_litter(tmp_path):
    write_rows(tmp_path / "t.csv", ["a"], [{"a": 1}])

    with pytest.raises(ValueError, match="b"):
        write_rows(tmp_path / "t.csv", ["a"], [{"a": 2}, {"b": 3}])

    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    assert read(tmp_path / "t.csv") == [["a"], ["1"]]
