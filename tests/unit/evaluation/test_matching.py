"""Which box is on which lesion, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from detection_scenes import an_image

from medrec.evaluation.matching import HitKind, HitRule, judge, match_greedily, to_events

HALF = HitRule(HitKind.IOU, 0.5)
CENTRE = HitRule(HitKind.CENTRE_IN_BOX)
LESION = (0, 0, 10, 10)
ON_IT, ALSO_ON_IT, HALF_OFF, ELSEWHERE = (
    (0, 0, 10, 9),
    (0, 0, 9, 10),
    (5, 0, 15, 10),
    (50, 50, 60, 60),
)


def test_the_best_box_on_a_lesion_hits_it_and_the_second_counts_neither_way():
    image = an_image(truth=[LESION], boxes=[ALSO_ON_IT, ON_IT, ELSEWHERE], score=[1, 2, 3])

    hits = judge(image, HALF)

    assert [1] == hits.best.tolist()
    assert [False, True, False] == hits.is_best.tolist()
    assert [False, False, True] == hits.is_false.tolist()


def test_an_overlap_just_below_the_rule_is_no_hit():
    image = an_image(truth=[LESION], boxes=[HALF_OFF], score=[1])  # 50 of 150 square pixels

    assert [-1] == judge(image, HALF).best.tolist()
    assert [0] == judge(image, HitRule(HitKind.IOU, 1 / 3)).best.tolist()


def test_a_small_box_hits_by_its_centre_where_its_overlap_is_low():
    image = an_image(truth=[(0, 0, 4, 4)], boxes=[(0, 0, 7.9, 7.9), (0, 0, 8, 8)], score=[1, 2])

    assert [0] == judge(image, CENTRE).best.tolist()  # the other's centre lies on the open edge
    assert [-1] == judge(image, HALF).best.tolist()


def test_a_box_on_an_ignored_lesion_is_no_false_alarm_and_no_hit():
    image = an_image(truth=[LESION], boxes=[ON_IT, ELSEWHERE], score=[2, 1], ignored=[0])

    hits = judge(image, HALF)

    assert [-1] == hits.best.tolist()
    assert [False, False] == hits.is_best.tolist()
    assert [False, True] == hits.is_false.tolist()


def test_an_image_with_only_ignored_lesions_is_not_empty():
    assert not an_image(truth=[LESION], ignored=[0]).is_empty
    assert an_image(boxes=[ON_IT], score=[1]).is_empty


def test_for_average_precision_a_second_box_on_a_lesion_is_false():
    image = an_image(truth=[LESION], boxes=[ALSO_ON_IT, ON_IT], score=[1, 2])

    matched = match_greedily(image, iou=0.5)

    assert [False, True] == matched.is_true.tolist()
    assert [True, True] == matched.counts.tolist()


def test_for_average_precision_a_box_takes_the_free_lesion_that_it_overlaps_most():
    lesions = [(0, 0, 10, 10), (2, 0, 12, 10)]
    image = an_image(truth=lesions, boxes=[(2, 0, 12, 10), (1, 0, 11, 10)], score=[2, 1])

    assert [True, True] == match_greedily(image, iou=0.5).is_true.tolist()


def test_for_average_precision_a_box_on_an_ignored_lesion_does_not_count():
    image = an_image(truth=[LESION], boxes=[ON_IT, ELSEWHERE], score=[2, 1], ignored=[0])

    assert [False, True] == match_greedily(image, iou=0.5).counts.tolist()


def test_solid_boxes_are_matched_by_volume():
    image = an_image(truth=[(0, 0, 0, 4, 4, 4)], boxes=[(0, 0, 3, 4, 4, 7)], score=[1])  # 16 of 112

    assert [0] == judge(image, HitRule(HitKind.IOU, 0.1)).best.tolist()
    assert [-1] == judge(image, HitRule(HitKind.IOU, 0.2)).best.tolist()


def test_a_missed_lesion_has_no_score():
    images = [
        an_image(truth=[LESION, ELSEWHERE], boxes=[ON_IT], score=[2]),
        an_image(boxes=[ON_IT], score=[1]),
    ]

    events = to_events(images, [judge(image, HALF) for image in images])

    assert [2, -np.inf] == events.found_score.tolist()
    assert ([1], [1]) == (events.false_score.tolist(), events.false_image.tolist())
    assert [False, True] == events.is_empty.tolist()


@pytest.mark.parametrize(
    ("kind", "value"),
    [(HitKind.IOU, None), (HitKind.IOU, 0.0), (HitKind.IOU, 1.5), (HitKind.CENTRE_IN_BOX, 0.5)],
)
def test_a_rule_that_means_nothing_is_refused(kind, value):
    with pytest.raises(ValueError, match="the rule"):
        HitRule(kind, value)
