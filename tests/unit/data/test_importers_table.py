"""Tables that come with an archive to rows."""

import pytest

from medrec.config.base import validate
from medrec.config.data import TableData
from medrec.data.build import build_references
from medrec.data.importers_table import ColumnMapping, import_table
from medrec.errors import ManifestError

HEAD = "file,who,largest,nodules,site"
MAPPING = ColumnMapping(
    path="file",
    patient="who",
    labels={"nodule": "largest>=80"},
    attributes={"site": "site", "any": "nodules>0"},
)


def archive(folder, *lines, head=HEAD, files=("a.png", "b.png", "c.png")):
    for name in files:
        (folder / name).write_bytes(b"")
    table = folder / "cases.csv"
    table.write_text("\n".join([head, *lines]) + "\n")
    return table


def read(folder, *lines, mapping=MAPPING, **options):
    return import_table(archive(folder, *lines), mapping, root=folder, **options)


def refused(folder, *lines, **options):
    with pytest.raises(ManifestError) as error:
        read(folder, *lines, **options)
    return error.value.problems


def test_a_comparison_tells_the_label_and_an_empty_cell_is_unknown(tmp_path):
    rows = read(tmp_path, "a.png,P1,80,1,N", "b.png,P2,79,1,N", "c.png,P3,,0,S")

    assert [True, False, None] == [row.labels["nodule"] for row in rows]


def test_an_attribute_by_comparison_is_yes_or_no_so_that_no_reader_takes_it_for_a_label(tmp_path):
    rows = read(tmp_path, "a.png,P1,80,1,N", "b.png,P2,79,0,", "c.png,P3,,,S")

    assert [{"site": "N", "any": "yes"}, {"any": "no"}, {"site": "S"}] == [
        dict(row.attributes) for row in rows
    ]


def test_two_names_of_one_patient_become_one(tmp_path):
    lines = ["a.png,P2,80,1,N", "b.png,P1,79,1,N", "c.png,P3,1,0,S"]

    rows = read(tmp_path, *lines, same_patient=[["P2", "P1"]])

    assert ["P1", "P1", "P3"] == [row.patient for row in rows]


def test_groups_that_share_a_name_are_one_group(tmp_path):
    lines = ["a.png,P3,80,1,N", "b.png,P2,79,1,N", "c.png,P1,1,0,S"]

    rows = read(tmp_path, *lines, same_patient=[["P3", "P2"], ["P2", "P1"]])

    assert {"P1"} == {row.patient for row in rows}


def test_a_name_of_nobody_is_refused_without_writing_it(tmp_path):
    problems = refused(tmp_path, "a.png,P1,80,1,N", same_patient=[["P1", "P77"]])

    assert 1 == len(problems)
    assert "1 of the names" in problems[0]
    assert "P77" not in problems[0]


def test_all_that_is_wrong_is_listed_at_once(tmp_path):
    problems = refused(
        tmp_path,
        "a.png,P1,80,1,N",
        "a.png,P1,80,1,N",
        "gone.png,P1,80,1,N",
        "../a.png,P1,80,1,N",
        "/etc/hosts,P1,80,1,N",
        "b.png,,80,1,N",
        "c.png,P1,big,1,N",
        ",P1,80,1,N",
        "a.png,P1",
    )

    starts = [problem.split(":")[0] for problem in problems]
    assert [
        "line 3",
        "line 4, column file",
        "line 5, column file",
        "line 6, column file",
        "line 7, column who",
        "line 8, column largest",
        "line 9, column file",
        "line 10",
    ] == starts


def test_absent_columns_are_named_with_those_that_are_there(tmp_path):
    mapping = ColumnMapping(path="path", patient="who", labels={"x": "cancer", "y": "big>=1"})

    problems = refused(tmp_path, "a.png,P1,80,1,N", mapping=mapping)

    assert ["column path", "column cancer", "column big"] == [p.split(":")[0] for p in problems]
    assert "there are file, who, largest" in problems[0]


def test_a_label_named_like_a_column_of_manifests_is_refused(tmp_path):
    mapping = ColumnMapping(path="file", patient="who", labels={"mask": "nodules"})

    assert ["label mask: means something else in a manifest; rename it"] == list(
        refused(tmp_path, "a.png,P1,80,1,N", mapping=mapping)
    )


def test_cells_may_stand_apart_by_semicolon_or_tab(tmp_path):
    for sign in ";\t":
        table = archive(
            tmp_path, sign.join(["a.png", "P1", "80", "1", "N,M"]), head=HEAD.replace(",", sign)
        )

        (row,) = import_table(table, MAPPING, root=tmp_path)

        assert "N,M" == row.attributes["site"]


def test_a_binary_file_is_no_table(tmp_path):
    (tmp_path / "cases.csv").write_bytes(bytes(range(256)) * 9)

    with pytest.raises(ManifestError, match="is not a CSV file"):
        import_table(tmp_path / "cases.csv", MAPPING, root=tmp_path)


def table_data(**changes):
    asked = {
        "kind": "table",
        "root": "archive",
        "path": "file",
        "patient": "who",
        "labels": {"nodule": "largest>=80", "other": "nodules"},
        "get_it_from": "a site",
    }
    return validate(asked | changes, TableData, where="test")


def test_a_config_names_an_archive_by_its_table(tmp_path):
    root = tmp_path / "archive"
    root.mkdir()
    archive(root, "a.png,P1,80,1,N", "b.png,P2,79,1,N")

    rows, start = build_references(table_data(), labels=["nodule"], folder=tmp_path)

    assert root == start
    assert [{"nodule": True}, {"nodule": False}] == [dict(row.labels) for row in rows]


def test_a_config_whose_archive_is_not_here_says_where_to_get_it(tmp_path):
    with pytest.raises(ManifestError, match="get it from a site"):
        build_references(table_data(), labels=["nodule"], folder=tmp_path)


def test_a_label_that_the_config_does_not_tell_is_refused(tmp_path):
    (tmp_path / "archive").mkdir()

    with pytest.raises(ManifestError, match="label cyst: data\\.labels"):
        build_references(table_data(), labels=["cyst"], folder=tmp_path)
