"""Splits by patient."""

import hashlib
from collections import Counter
from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec.data.splits import Place, deal_folds, plan_splits, read_splits, write_splits
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
@settings(max_examples=25)
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


def given_splits(rows, split_of):
    """The rows with the split that a patient's number is given."""
    return [replace(row, split=split_of(int(row.patient.lstrip("NP")))) for row in rows]


def test_a_test_group_of_the_manifest_is_kept():
    rows = given_splits(patients(20), lambda n: Split.TEST if n < 10 else Split.TRAIN)

    plan = plan_splits(rows)

    assert "cross_fit" == plan.mode
    assert {f"P{n}" for n in range(10)} == {
        n for n, p in plan.assignment.items() if p.split is Split.TEST
    }


def test_all_four_groups_of_the_manifest_are_kept():
    everyone = patients(120) + patients(100, tumor=False, prefix="N")
    rows = given_splits(everyone, lambda n: list(Split)[n % 4])
    given = {row.patient: row.split for row in rows}

    plan = plan_splits(rows)

    assert "held_out" == plan.mode
    assert given == {name: place.split for name, place in plan.assignment.items()}


def test_of_few_patients_only_the_test_group_of_the_manifest_is_kept():
    rows = given_splits(patients(60), lambda n: list(Split)[n % 4])

    plan = plan_splits(rows)

    assert "cross_fit" == plan.mode
    assert (0, 1, 2, 3, 4) == plan.folds
    assert {row.patient for row in rows if row.split is Split.TEST} == {
        n for n, p in plan.assignment.items() if p.split is Split.TEST
    }


@pytest.mark.parametrize("tested", [0, 9])
def test_a_manifest_that_tests_fewer_than_ten_is_refused(tested):
    rows = given_splits(patients(30), lambda n: Split.TEST if n < tested else Split.TRAIN)

    with pytest.raises(DataSplitError, match=f"{tested} patients have the split test, where 10"):
        plan_splits(rows)


def test_a_manifest_whose_rest_fills_no_folds_is_refused():
    rows = given_splits(patients(14), lambda n: Split.TEST if n < 10 else Split.TRAIN)

    with pytest.raises(DataSplitError, match="4 patients beside the test can't fill 5 folds"):
        plan_splits(rows)


def test_a_patient_in_two_splits_is_refused_without_a_name():
    rows = [replace(row, split=Split.TEST if row.slice else Split.TRAIN) for row in patients(3)]

    with pytest.raises(DataSplitError, match="3 patients have rows in several splits") as refused:
        plan_splits(rows)

    assert "P1" not in str(refused.value)


def test_splits_for_some_rows_alone_are_refused():
    rows = [replace(row, split=Split.TRAIN if row.patient == "P1" else None) for row in patients(3)]

    with pytest.raises(DataSplitError, match="2 patients have rows without a split"):
        plan_splits(rows)


def test_a_patient_of_whom_only_some_rows_have_a_split_is_refused():
    rows = [replace(row, split=None if row.slice else Split.TRAIN) for row in patients(3)]

    with pytest.raises(DataSplitError, match="3 patients have rows without a split"):
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


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("P0,train,0\nP1,train,1\n", "no patient of the manifest has the split test"),
        (
            "P0,train,0\nP1,train,1\nP2,train,\nP3,test,\n",
            "1 patient has neither a fold nor the split test: give folds",
        ),
        (
            "P0,train,0\nP1,tune,1\nP2,train,1\nP3,test,\n",
            "1 patient is to tune or calibrate: with folds all others train",
        ),
        (
            "P0,train,0\nP1,train,0\nP3,test,\n",
            "fewer than two folds hold patients: cross-fitting needs two or more",
        ),
        (
            "P0,train,\nP1,tune,\nP3,test,\n",
            "no patient of the manifest has the split calibrate",
        ),
    ],
)
def test_frozen_splits_that_would_end_a_run_late_are_refused(tmp_path, body, problem):
    path = tmp_path / "splits.csv"
    path.write_text("patient,split,fold\n" + body)
    named = {line.split(",")[0] for line in body.splitlines()}
    rows = [row for row in patients(4) if row.patient in named]

    with pytest.raises(ManifestError) as refused:
        read_splits(path, rows)

    assert (problem,) == refused.value.problems


def test_the_digest_of_a_plan_is_of_who_belongs_where():
    plan = plan_splits(patients(40))
    reordered = replace(plan, assignment=dict(reversed(plan.assignment.items())))

    assert plan.digest == reordered.digest
    assert plan.digest.startswith("sha256:")
    assert plan.digest != plan_splits(patients(40), seed=2).digest


def test_all_wrong_rows_of_frozen_splits_are_listed(tmp_path):
    path = tmp_path / "splits.csv"
    path.write_text("patient,split,fold\nP0,exam,y\nP1,train,x\n,train,1\nP2,test,1\nP2,test,\n")

    with pytest.raises(ManifestError) as refused:
        read_splits(path, [])

    assert (
        "line 2, column split: 'exam'; wanted train, tune, calibrate, test",
        "line 2, column fold: 'y'; wanted a number, or nothing",
        "line 3, column fold: 'x'; wanted a number, or nothing",
        "line 4, column patient: empty, but required",
        "line 5, column fold: '1'; a patient of the test has none",
        "1 patient is named twice",
    ) == refused.value.problems


def test_folds_are_dealt_in_each_stratum_alike():
    rows = patients(12, tumor=True, prefix="T") + patients(6, tumor=False, prefix="N")

    fold_of = deal_folds(rows, folds=3, seed=7)

    dealt = Counter((name[0], fold) for name, fold in fold_of.items())
    assert {("T", n): 4 for n in range(3)} | {("N", n): 2 for n in range(3)} == dealt
    assert fold_of == deal_folds(rows[::-1], folds=3, seed=7)


def test_fewer_patients_than_folds_are_refused():
    with pytest.raises(DataSplitError, match="2 patients can't fill 3 folds"):
        deal_folds(patients(2), folds=3)
