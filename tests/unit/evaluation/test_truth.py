from __future__ import annotations

from dataclasses import replace

import pytest

from medrec.domain.finding import Label
from medrec.evaluation.join import join
from medrec.evaluation.truth import exam_rows, exam_truth, image_rows, stack_positions

TUMOR = Label("tumor")


@pytest.fixture
def case(predict, refer):
    """A case of slices 0 to 2 with the given slice truths; `exam` is its own row's, if any."""

    def make(slices, *, exam="none", images=3):
        rows = [refer("a.nii", truth, slice=number) for number, truth in slices.items()]
        if exam != "none":
            rows.append(refer("a.nii", exam))
        prediction = predict("a", images=[(number, 0.5) for number in range(images)])
        (joined,) = join([prediction], rows).cases
        return joined

    return make


@pytest.mark.parametrize(
    ("slices", "truth"),
    [
        ({0: False, 1: True, 2: False}, True),
        ({0: False, 1: False, 2: False}, False),
        ({0: False, 1: None, 2: False}, None),
        ({0: True, 1: None, 2: False}, True),
        # A scored slice that no row speaks of is unknown.
        ({0: False, 1: False}, None),
        # A row of a blank slice counts too.
        ({0: False, 1: False, 2: False, 9: True}, True),
        ({0: False, 1: False, 2: False, 9: None}, None),
        ({0: None}, None),
    ],
)
def test_exam_truth_from_slices_is_not_invented(case, slices, truth):
    assert exam_truth(case(slices), TUMOR) is truth


@pytest.mark.parametrize("exam", [True, False, None])
def test_an_exam_row_goes_before_its_slices(case, exam):
    assert exam_truth(case({0: True, 1: False, 2: False}, exam=exam), TUMOR) is exam


def test_rows_that_contradict_each_other_are_unknown(predict, refer):
    (joined,) = join([predict("a")], [refer("a.nii", True), refer("a.nii", False)]).cases

    assert exam_truth(joined, TUMOR) is None


def test_a_known_row_beside_an_unknown_one_is_known(predict, refer):
    (joined,) = join([predict("a")], [refer("a.nii", None), refer("a.nii", False)]).cases

    assert exam_truth(joined, TUMOR) is False


def test_derived_and_unknown_exams_are_counted(case):
    rows = exam_rows([case({0: True}), case({0: None}), case({}, exam=True)], TUMOR)

    assert (2, 1, 1) == (len(rows.samples), rows.unknown, rows.derived)


def test_unknown_slices_are_left_out_and_counted(case):
    rows = image_rows([case({0: True, 1: None, 2: False})], TUMOR)

    assert rows.samples.truth.tolist() == [True, False]
    assert rows.position.tolist() == [0.0, 1.0]
    assert rows.unknown == 1


def test_positions_are_relative_to_all_scored_slices_not_to_the_labelled_ones(case):
    rows = image_rows([case({1: True, 2: False}, images=5)], TUMOR)

    assert rows.position.tolist() == [0.25, 0.5]


def test_a_second_series_is_a_stack_of_its_own(predict):
    prediction = predict("a", images=[(2, 0.1), (5, 0.1), (6, 0.1), (0, 0.1), (1, 0.1)])

    assert stack_positions(prediction) == [0.0, 0.5, 1.0, 0.0, 1.0]


def test_a_score_among_probabilities_makes_all_of_them_scores(predict, refer):
    predictions = [predict("a", 0.9), predict("b", None)]
    joined = join(predictions, [refer("a.nii"), refer("b.nii", False)])

    rows = exam_rows(joined.cases, TUMOR)

    assert rows.samples.probability is None
    assert rows.samples.score.tolist() == pytest.approx([2.1972246, 0.25])


def test_a_score_that_is_not_finite_is_left_out_and_counted(predict, refer):
    broken = predict("a", None)
    broken = replace(broken, findings=(replace(broken.findings[0], logit=float("nan")),))
    joined = join([broken, predict("b", None)], [refer("a.nii"), refer("b.nii", False)])

    rows = exam_rows(joined.cases, TUMOR)

    assert (1, 1) == (len(rows.samples), rows.unusable)


def test_unit_goes_before_patient(predict, refer):
    row = replace(refer("a.nii"), unit="family 3")
    (joined,) = join([predict("a")], [row]).cases

    assert exam_rows([joined], TUMOR).samples.unit.tolist() == ["family 3"]
