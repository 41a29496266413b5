from __future__ import annotations

import numpy as np

from medrec.evaluation.joining import box_around, join_slices
from medrec.evaluation.overlap import ious


def test_boxes_of_neighbouring_slices_are_one_lesion():
    boxes = np.array([[10.0, 10, 20, 20], [11.0, 10, 21, 20], [60.0, 60, 70, 70]])
    lesions = join_slices(
        boxes, np.array([3, 4, 4]), np.array([0.0, 2.0, 1.0]), np.zeros(3, dtype=np.int64)
    )
    assert [[1, 0], [2]] == [own.tolist() for own in lesions]


def test_a_lesion_may_be_missed_in_one_slice_and_not_in_two():
    boxes, none = np.tile([10.0, 10, 20, 20], (3, 1)), np.zeros(3, dtype=np.int64)
    lesions = join_slices(boxes, np.array([1, 3, 6]), np.array([2.0, 1.0, 0.0]), none)
    assert [[0, 1], [2]] == [own.tolist() for own in lesions]


def test_boxes_of_slices_far_apart_are_never_held_against_each_other(monkeypatch):
    pairs = []

    def counting(first, second):
        pairs.append(len(first) * len(second))
        return ious(first, second)

    monkeypatch.setattr("medrec.evaluation.joining.ious", counting)
    count, each = 200, 10
    slices = np.repeat(np.arange(count), each)
    low = np.tile(np.arange(each) * 20.0, count)[:, None].repeat(2, axis=1)
    found = join_slices(
        np.concatenate([low, low + 10], axis=1),
        slices,
        np.linspace(2, 1, len(slices)),
        np.zeros(len(slices), dtype=np.int64),
    )
    assert [count] * each == [len(rows) for rows in found]
    assert sum(pairs) < 2 * count * each**2 + 1


def test_no_boxes_are_no_lesions():
    assert [] == join_slices(
        np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64)
    )


def test_the_box_of_a_lesion_holds_its_slices_but_not_the_doubtful_ones():
    boxes = np.array([[10.0, 10, 20, 20], [8.0, 10, 20, 22], [0.0, 0, 90, 90]])
    box, span = box_around(boxes, np.array([4, 5, 6]), np.array([3.0, 2.0, -4.0]))
    assert [8, 10, 20, 22] == box.tolist()
    assert (4, 6) == span
