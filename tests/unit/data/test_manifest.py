"""Manifests."""

import subprocess
import sys

import pytest

from medrec.data.manifest import read_manifest, spell_out, write_manifest
from medrec.domain.reference import Reference, Split
from medrec.errors import ManifestError


def write(folder, text):
    path = folder / "manifest.csv"
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(path, **options):
    with pytest.raises(ManifestError) as refused:
        read_manifest(path, **options)
    return refused.value.problems


def test_every_column_finds_its_place(tmp_path):
    path = write(
        tmp_path,
        "path,patient,case,slice,split,unit,mask,boxes,acquired,tumor,cyst,site\n"
        "a/b.nii,P1,C1,3,tune,U1,m.nii,b.csv,2020-01-02,1,,North\n",
    )

    expected = Reference(
        path="a/b.nii",
        patient="P1",
        labels={"tumor": True, "cyst": None},
        case="C1",
        slice=3,
        split=Split.TUNE,
        unit="U1",
        mask="m.nii",
        boxes="b.csv",
        acquired="2020-01-02",
        attributes={"site": "North"},
    )

    assert [expected] == read_manifest(path, labels=["tumor", "cyst"])


def test_labels_are_the_columns_of_ones_and_zeros(tmp_path):
    path = write(tmp_path, "path,patient,tumor,empty,age\na,P,1,,4\nb,P,0,,\nc,P,,,5\n")

    rows = read_manifest(path)

    assert [{"tumor": True}, {"tumor": False}, {"tumor": None}] == [row.labels for row in rows]
    assert [{"age": "4"}, {}, {"age": "5"}] == [row.attributes for row in rows]


def test_all_wrong_cells_are_listed_at_once(tmp_path):
    path = write(
        tmp_path,
        "path,patient,slice,split,tumor\n"
        "a,P,-1,train,1\n"
        ",P,0,exam,yes\n"
        "c,,0,train,0\n"
        "d,Q,1,train,0\n"
        "d,Q,1,train,0\n",
    )

    assert (
        "line 2, column slice: '-1'; wanted the number of a slice, 0 or more",
        "line 3, column path: empty, but required",
        "line 3, column tumor: 'yes'; wanted 1, 0, or nothing where it is unknown",
        "line 3, column split: 'exam'; wanted train, tune, calibrate, test, or nothing",
        "line 4, column patient: empty, but required",
        "line 6: the same path and slice as line 5",
    ) == problems_of(path, labels=["tumor"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("path,tumor\na,1\n", "column patient: missing"),
        ("path,patient,patient\na,P,P\n", "column patient: named twice"),
        ("path,patient,\na,P,\n", "without a name"),
        ("path,patient\na,P,surplus\n", "3 cells, but the first line names 2"),
        ("path,patient\n", "no rows"),
        ("", "column path: missing"),
    ],
)
def test_a_file_that_is_no_manifest_says_why(tmp_path, text, problem):
    assert problem in "\n".join(problems_of(write(tmp_path, text)))


def test_a_row_of_another_length_hides_no_other_fault(tmp_path):
    path = write(tmp_path, "path,patient,tumor\na,P\n,,yes\n")

    assert (
        "line 3, column path: empty, but required",
        "line 3, column patient: empty, but required",
        "line 3, column tumor: 'yes'; wanted 1, 0, or nothing where it is unknown",
        "line 2: 2 cells, but the first line names 3 columns",
    ) == problems_of(path, labels=["tumor"])


def test_a_label_that_is_no_column_is_named(tmp_path):
    assert ("column cyst: missing, but a label",) == problems_of(
        write(tmp_path, "path,patient\na,P\n"), labels=["cyst"]
    )


def test_parquet_is_refused_in_words(tmp_path):
    assert "not supported yet" in problems_of(tmp_path / "m.parquet")[0]


def test_a_missing_file_is_refused(tmp_path):
    assert "can't be read" in problems_of(tmp_path / "m.csv")[0]


def test_a_file_of_another_encoding_is_refused(tmp_path):
    (tmp_path / "m.csv").write_bytes(b"path,patient\n\xff\xfe,P\n")

    assert "UTF-8" in problems_of(tmp_path / "m.csv")[0]


def test_what_is_written_is_read_back(tmp_path):
    rows = [
        Reference(path="=a", patient="P,1", labels={"tumor": True}, slice=0, boxes="b.csv"),
        Reference(path="b", patient="Ä", labels={"tumor": None}, attributes={"note": "-x\ny"}),
        Reference(path="c", patient="Q", labels={"tumor": False}, split=Split.TEST, unit="U"),
    ]

    write_manifest(tmp_path / "m.csv", rows)

    assert rows == read_manifest(tmp_path / "m.csv", labels=["tumor"])


@pytest.mark.parametrize(
    "module",
    [
        "medrec.data.manifest",
        "medrec.data.splits",
        "medrec.data.importers",
        "medrec.models.pooling",
    ],
)
def test_tables_and_pooling_need_no_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode


def test_attributes_of_ones_and_zeros_are_spelled_out_and_others_stay():
    rows = [
        Reference("x.png", "P", labels={}, attributes={"sex": sex, "age": age})
        for sex, age in (("1", "40"), ("0", "1"))
    ]

    assert [{"sex": "yes", "age": "40"}, {"sex": "no", "age": "1"}] == [
        row.attributes for row in spell_out(rows)
    ]
