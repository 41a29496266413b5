"""What an audit makes of pictures, their patients and their splits."""

from dataclasses import replace

import numpy as np
import pytest
from factories import a_volume

from medrec.data.audit import audit_pictures, gather_pictures
from medrec.data.audit_report import Unreadable
from medrec.data.description import describe_volume
from medrec.data.splits import Place, SplitPlan
from medrec.domain.reference import Reference, Split


def a_film(seed):
    voxels = np.random.default_rng(seed).uniform(50, 200, (1, 64, 48, 1)).astype(np.float32)
    return a_volume(voxels=voxels, slice_sources=("film.png",), geometry=None)


def films(*rows):
    """Pictures of rows (seed, patient, split, label); one seed is one picture."""
    described = [
        describe_volume(a_film(seed), [Reference(f"{n}.png", patient, {"x": label}, split=split)])
        for n, (seed, patient, split, label) in enumerate(rows)
    ]
    return gather_pictures(described, lambda row: str(int(row.path[:-4]) + 1))


def audited(*rows, plan=None, **options):
    return audit_pictures(films(*rows), ["x"], plan=plan, **options)


def test_without_splits_one_picture_under_two_names_is_a_problem():
    report = audited((1, "A", None, True), (1, "B", None, True), (2, "C", None, False))

    assert ["duplicates"] == [problem.kind for problem in report.blocking]
    assert "under several patients' names, rows 1 and 2" in report.blocking[0].text


def test_the_split_column_is_respected_where_there_is_no_plan():
    within = audited((1, "A", Split.TRAIN, True), (1, "B", Split.TRAIN, True))
    across = audited((1, "A", Split.TRAIN, True), (1, "B", Split.TEST, True))

    assert () == within.blocking
    assert "in several splits or folds" in across.blocking[0].text


def test_a_patient_whose_rows_stand_in_two_splits_is_a_problem():
    rows = ((1, "A", Split.TRAIN, True), (2, "A", Split.TEST, True), (3, "B", Split.TRAIN, False))

    report = audited(*rows)

    assert ["patients"] == [problem.kind for problem in report.blocking]
    assert "1 patient has rows in several splits: rows 1, 2" in report.blocking[0].text


def test_a_plan_is_believed_before_the_column():
    rows = ((1, "A", Split.TRAIN, True), (1, "B", Split.TRAIN, True))
    plan = SplitPlan("held_out", {"A": Place(Split.TRAIN), "B": Place(Split.TEST)})

    assert ["patients", "duplicates"] == [p.kind for p in audited(*rows, plan=plan).blocking]


def test_folds_keep_identical_pictures_together_too():
    rows = ((1, "A", None, True), (1, "B", None, True))
    plan = SplitPlan("cross_fit", {"A": Place(Split.TRAIN, 0), "B": Place(Split.TRAIN, 1)})

    assert ["duplicates"] == [problem.kind for problem in audited(*rows, plan=plan).blocking]


def test_labels_that_contradict_each_other_on_one_picture_are_said():
    report = audited((1, "A", Split.TRAIN, True), (1, "A", Split.TRAIN, False))

    assert any("labels that contradict each other, rows 1 and 2" in w for w in report.warnings)


def test_the_probe_never_looks_at_the_labels_of_the_test():
    train = [(n, f"P{n}", Split.TRAIN, n % 2 == 0) for n in range(22)]
    test = [(99 + n, f"T{n}", Split.TEST, True) for n in range(5)]

    (alone,), (beside,) = (audited(*rows).probes for rows in (train, [*train, *test]))

    assert alone == beside


def test_a_fact_that_tells_the_label_perfectly_is_warned_of():
    rows = [(n, f"P{n}", None, n % 2 == 0) for n in range(40)]
    pictures = films(*rows)
    told = {"width": np.array([float(label) for *_, label in rows])}

    report = audit_pictures(replace(pictures, statistics=told), ["x"], plan=None)

    assert any("x can be told without the lesion" in text for text in report.warnings)


@pytest.fixture
def report():
    found = audited((1, "A", None, True), (1, "B", None, False))
    unreadable = tuple(Unreadable(str(n), "truncated", "ends early") for n in range(30))
    return replace(found, faults=("no good",), unreadable=unreadable, blank=2)


def test_files_that_could_not_be_read_are_named_up_to_twenty(report):
    lines = [line for line in report.lines() if line.startswith("unreadable")]

    assert "unreadable: row 0: truncated: ends early" == lines[0]
    assert "unreadable: 10 more files, all in audit.json" == lines[-1]
    assert 21 == len(lines)


def test_faults_come_before_leaks(report):
    assert ["problem: no good", "leak (duplicates)"] == [
        line.partition(": 1 picture")[0] for line in report.problem_lines()
    ]


def test_all_that_was_found_is_in_the_json(report):
    found = report.to_json()

    assert 30 == len(found["unreadable"])
    assert {"row": "7", "code": "truncated", "detail": "ends early"} == found["unreadable"][7]
    assert (["no good"], 2) == (found["faults"], found["blank_slices"])
