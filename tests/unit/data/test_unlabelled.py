"""Who may teach without labels."""

import pytest

from medrec.data.splits import Place, read_places
from medrec.data.unlabelled import choose_unlabelled, list_volumes
from medrec.domain.reference import Reference, Split
from medrec.errors import DataSplitError, ManifestError

PLACES = {"a": Place(Split.TRAIN), "b": Place(Split.TEST), "c": Place(Split.TUNE)}


def rows(names, **facts):
    return [Reference(path=f"{n}.png", patient=n, labels={"tumor": True}, **facts) for n in names]


def names(found):
    return [row.patient for row in found]


def test_only_patients_of_train_are_kept_and_nothing_of_their_labels():
    found = choose_unlabelled(rows("abc", attributes={"cancer": "1"}), PLACES, patients="train")

    assert ["a"] == names(found)
    assert ({}, {}) == (found[0].labels, found[0].attributes)


def test_patients_whom_the_splits_do_not_name_are_kept_where_that_is_asked():
    assert ["a", "d"] == names(
        choose_unlabelled(rows("abcd"), PLACES, patients="train_and_unplaced")
    )


def test_patients_whom_the_splits_do_not_name_are_refused_elsewhere():
    with pytest.raises(DataSplitError, match="1 of 4 patients have no split"):
        choose_unlabelled(rows("abcd"), PLACES, patients="train")


@pytest.mark.parametrize("patients", ["train", "train_and_unplaced"])
def test_names_of_another_kind_let_nobody_in(patients):
    with pytest.raises(DataSplitError, match="nobody knows who is held out"):
        choose_unlabelled(rows(["p-a", "p-b"]), PLACES, patients=patients)


def test_the_rows_own_split_counts_where_no_file_is_named():
    mixed = [*rows("a", split=Split.TRAIN), *rows("b", split=Split.TEST)]

    assert ["a"] == names(choose_unlabelled(mixed, None, patients="train"))


def test_everybody_is_kept_where_that_is_asked():
    assert ["a", "b"] == names(choose_unlabelled(rows("ab"), None, patients="all"))


def test_no_patient_of_train_is_refused():
    with pytest.raises(DataSplitError, match="nobody is left"):
        choose_unlabelled(rows("b"), PLACES, patients="train")


def test_volumes_are_listed_without_their_masks(tmp_path):
    for name in ("p1/flair.nii.gz", "p1/mask.nii.gz", "p2/flair.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    found = list_volumes(tmp_path, "*/*.nii.gz", mask="mask.nii.gz")

    assert [("p1/flair.nii.gz", "p1"), ("p2/flair.nii.gz", "p2")] == [
        (row.path, row.patient) for row in found
    ]


def test_places_are_read_whoever_is_at_hand_and_wrong_rows_are_listed(tmp_path):
    path = tmp_path / "splits.csv"
    path.write_text("patient,split,fold\na,train,\n", encoding="utf-8")
    assert {"a": Place(Split.TRAIN)} == read_places(path)

    path.write_text("patient,split,fold\na,train,\na,nowhere,\n", encoding="utf-8")
    with pytest.raises(ManifestError, match=r"line 3, column split(.|\n)*named twice"):
        read_places(path)
