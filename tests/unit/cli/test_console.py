from __future__ import annotations

from medrec.cli.console import show_table


def test_a_long_table_comes_in_parts_under_one_title(capsys):
    show_table("Files", ["name"], ([f"file {number}"] for number in range(1001)))

    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert (1, 3) == (lines.count("Files"), lines.count("name"))
    assert [f"file {number}" for number in range(1001)] == [
        line for line in lines if line.startswith("file")
    ]


def test_a_table_without_rows_still_names_its_columns(capsys):
    show_table("Files", ["name"], [])

    assert "name" in capsys.readouterr().out
