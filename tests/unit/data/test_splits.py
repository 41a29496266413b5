"""Splits by patient."""

import hashlib
from collections import Counter
from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec.data.splits import Place, plan_splits, read_splits, write_splits
from medrec.domain.reference import Reference, Split
from medrec.errors import DataSplitError, ManifestError


def patients(count, *, tumor=True, site="", prefix="P"):
    return [
        Reference(
            path=f"{prefix}{n}.nii",
            patient=f"{prefix}{n}",
            slice=number,
            labels={"tumor": tumor and number == 1},
            attributes={"site": site},
        )
        for n in range(count)
        for number in range(2)
    ]


def counts(plan):
    return Counter(place.split for place in plan.assignment.values())


def test_the_public_archive_is_split_by_its_rule():
    sites = {"DU": 29, "FG": 9}
    rows = [row for site, n in sites.items() for row in patients(n, site=site, prefix=site)]

    expected = {}
    turn = 0
    for site, count in sorted(sites.items()):
        names = sorted(
            (f"{site}{n}" for n in range(count)),
            key=lambda name: hashlib.sha256(f"medrec-splits-1:{name}".encode()).hexdigest(),
        )
        tested = ceil(0.27 * count)
        for name in names[:tested]:
            expected[name] = Place(Split.TEST)
        for name in names[tested:]:
            expected[name] = Place(Split.TRAIN, turn % 5)
            turn += 1

    assert expected == plan_splits(rows, test_fraction=0.27, stratify_by=["site"]).assignment
    assert 11 == sum(place.split is Split.TEST for place in expected.values())


@given(st.integers(15, 120), st.integers(0, 40), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_few_patients_are_cross_fitted(positive, negative, seed):
    rows = patients(positive) + patients(negative, tumor=False, prefix="N")

    plan = plan_splits(rows, seed=seed)

    assert "cross_fit" == plan.mode
    assert counts(plan)[Split.TEST] >= max(10, 0.2 * (positive + negative))
    assert {Split.TRAIN, Split.TEST} == set(counts(plan))
    assert (0, 1, 2, 3, 4) == plan.folds
    assert {row.patient for row in rows} == set(plan.assignment)


def test_many_patients_make_four_groups():
    plan = plan_splits(patients(200) + patients(200, tumor=False, prefix="N"))

    assert "held_out" == plan.mode
    assert () == plan.folds
    assert Counter(train=240, tune=40, calibrate=40, test=80) == counts(plan)


def test_each_group_holds_both_classes_alike():
    rows = patients(300) + patients(100, tumor=False, prefix="N")

    plan = plan_splits(rows)

    tested = [name for name, place in plan.assignment.items() if place.split is Split.TEST]
    assert (60, 20) == (sum(n[0] == "P" for n in tested), sum(n[0] == "N" for n in tested))


def test_under_50_of_a_class_is_few():
    plan = plan_splits(patients(400) + patients(49, tumor=False, prefix="N"))

    assert "cross_fit" == plan.mode


def test_the_order_of_the_rows_changes_nothing():
    rows = patients(40)

    assert plan_splits(rows).assignment == plan_splits(rows[::-1]).assignment


def test_another_seed_splits_otherwise():
    rows = patients(40)

    assert plan_splits(rows, seed=1).assignment != plan_splits(rows, seed=2).assignment


def test_too_few_patients_are_refused():
    with pytest.raises(DataSplitError, match="14 patients are too few"):
        plan_splits(patients(14))


def test_fifteen_patients_are_enough():
    assert 10 == counts(plan_splits(patients(15)))[Split.TEST]


def test_a_test_group_of_the_manifest_is_kept():
    rows = [
        replace(row, split=Split.TEST if row.patient in {"P1", "P2"} else Split.TRAIN)
        for row in patients(12)
    ]

    plan = plan_splits(rows)

    assert "cross_fit" == plan.mode
    assert {"P1", "P2"} == {n for n, p in plan.assignment.items() if p.split is Split.TEST}


def test_all_four_groups_of_the_manifest_are_kept():
    rows = [replace(row, split=list(Split)[int(row.patient[1:]) % 4]) for row in patients(8)]

    plan = plan_splits(rows)

    assert "held_out" == plan.mode
    assert all(place.split is rows[2 * int(n[1:])].split for n, place in plan.assignment.items())


def test_a_patient_in_two_splits_is_refused_without_a_name():
    rows = [replace(row, split=Split.TEST if row.slice else Split.TRAIN) for row in patients(3)]

    with pytest.raises(DataSplitError, match="3 patients have rows in several splits") as refused:
        plan_splits(rows)

    assert "P1" not in str(refused.value)


def test_splits_for_some_rows_alone_are_refused():
    rows = [replace(row, split=Split.TRAIN if row.patient == "P1" else None) for row in patients(3)]

    with pytest.raises(DataSplitError, match="2 patients have no split"):
        plan_splits(rows)


@pytest.mark.parametrize("count", [30, 200])
def test_frozen_splits_are_read_back(tmp_path, count):
    rows = patients(count) + patients(count, tumor=False, prefix="N")
    plan = plan_splits(rows)

    write_splits(tmp_path / "splits.csv", plan)

    frozen = read_splits(tmp_path / "splits.csv", rows)
    assert plan.mode == frozen.mode
    assert plan.assignment == frozen.assignment


def test_a_new_patient_is_not_split_silently(tmp_path):
    write_splits(tmp_path / "splits.csv", plan_splits(patients(30)))

    with pytest.raises(ManifestError, match="2 patients of the manifest are not in it"):
        read_splits(tmp_path / "splits.csv", patients(32))


def test_all_wrong_rows_of_frozen_splits_are_listed(tmp_path):
    path = tmp_path / "splits.csv"
    path.write_text("patient,split,fold\nP0,exam,\nP1,train,x\n,train,1\nP2,test,1\nP2,test,\n")

    with pytest.raises(ManifestError) as refused:
        read_splits(path, [])

    assert (
        "line 2, column split: 'exam'; wanted train, tune, calibrate, test",
        "line 3, column fold: 'x'; wanted a number, or nothing",
        "line 4, column patient: empty, but required",
        "line 5, column fold: '1'; a patient of the test has none",
        "1 patients are named twice",
    ) == refused.value.problems
