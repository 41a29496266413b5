"""FROC and average precision: by hand, and against independent implementations."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from detection_scenes import an_image, random_images
from factories import TUMOR, a_prediction, a_reference, a_region
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.metrics import roc_curve

from medrec.domain.box import Box
from medrec.domain.ids import CaseId
from medrec.domain.reference import LabelledBox
from medrec.evaluation.estimate import TOO_FEW_UNITS
from medrec.evaluation.froc import (
    RATES,
    bootstrap_images,
    froc_curve,
    froc_rounds,
    precision_rounds,
    rank,
)
from medrec.evaluation.matching import HitKind, HitRule, judge, to_events
from medrec.evaluation.paired_detection import compare_detection, pair_images

HALF = HitRule(HitKind.IOU, 0.5)
LESION, ON_IT, ELSEWHERE = (0, 0, 10, 10), (0, 0, 10, 9), (50, 50, 60, 60)


def events_of(images, rule=HALF):
    return to_events(images, [judge(image, rule) for image in images])


def froc(images, **options):
    events = events_of(images)
    return froc_rounds(events, **options)(np.ones((1, len(images))))[0]


def average_precision(images, iou=0.5):
    return precision_rounds(rank(images, iou=iou))(np.ones((1, len(images))))[0, 0]


def four_images():
    """Of three lesions, found at 4 and 2 and missed; false alarms at 3, 2.5 and, if empty, 1."""
    return [
        an_image(truth=[LESION], boxes=[ON_IT, ELSEWHERE], score=[4, 3], unit="a"),
        an_image(truth=[LESION], boxes=[ON_IT, ELSEWHERE], score=[2, 2.5], unit="b"),
        an_image(truth=[LESION], unit="c"),
        an_image(boxes=[ON_IT], score=[1], unit="d"),
    ]


def test_the_curve_steps_up_with_lesions_and_right_with_false_alarms():
    curve = froc_curve(events_of(four_images()))

    assert [np.inf, 4, 3, 2.5, 2, 1] == curve.threshold.tolist()
    assert [0, 0, 0.25, 0.5, 0.5, 0.75] == curve.rate.tolist()
    assert [0, 1 / 3, 1 / 3, 1 / 3, 2 / 3, 2 / 3] == pytest.approx(curve.sensitivity.tolist())


def test_sensitivity_is_read_at_the_rates_and_their_mean_is_the_cpm():
    *read, cpm = froc(four_images())

    # At 1/8 and 1/4 one lesion is found; at 1/2 the second box of the rate has come; then no more.
    assert [1 / 3, 1 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3] == pytest.approx(read)
    assert np.mean(read) == cpm


def test_over_empty_images_only_their_false_alarms_count():
    *read, _ = froc(four_images(), over_empty=True)

    # One empty image with one false alarm, below every lesion's score.
    assert [2 / 3] * 7 == pytest.approx(read)


def test_a_threshold_keeps_to_its_rate():
    curve = froc_curve(events_of(four_images()))

    assert (2, 3, 1) == tuple(curve.threshold_at(rate) for rate in (0.5, 0.25, 8))


def test_without_lesions_nothing_can_be_read():
    assert np.isnan(froc([an_image(boxes=[ON_IT], score=[1])])).all()


def test_without_boxes_nothing_is_found():
    assert [0.0] * 8 == froc([an_image(truth=[LESION])]).tolist()


def luna16(images, rule):
    """noduleCADEvaluationLUNA16.py's rule, written anew: lists of (truth, score), sklearn's ROC."""
    truth, score, excluded = [], [], []
    lowest = min((s for image in images for s in image.score), default=0.0)
    for image in images:
        candidates = dict(enumerate(image.score))
        on = rule.hits(image.boxes, image.truth)
        for lesion in range(len(image.truth)):
            matches = [image.score[box] for box in range(len(image.boxes)) if on[box, lesion]]
            for box in range(len(image.boxes)):
                if on[box, lesion]:
                    candidates.pop(box, None)
            truth.append(1)
            score.append(max(matches) if matches else lowest)
            excluded.append(not matches)
        for other in candidates.values():
            truth.append(0)
            score.append(other)
            excluded.append(False)
    lesions = sum(truth)
    kept = ~np.array(excluded)
    truth, score = np.array(truth)[kept], np.array(score)[kept]
    fpr, tpr, _ = roc_curve(truth, score)
    fps = fpr * (len(truth) - truth.sum()) / len(images)
    return np.interp(RATES, fps, tpr * truth.sum() / lesions)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rule", [HALF, HitRule(HitKind.CENTRE_IN_BOX)], ids=["iou", "centre"])
def test_the_froc_is_that_of_luna16(seed, rule):
    images = random_images(seed=seed)

    *read, _ = froc_rounds(events_of(images, rule))(np.ones((1, len(images))))[0]

    assert luna16(images, rule) == pytest.approx(read)


def test_boxes_of_one_score_come_at_once_as_in_luna16():
    images = [
        an_image(truth=image.truth, boxes=image.boxes, score=image.score.round(), unit=image.unit)
        for image in random_images(seed=9)
    ]

    assert luna16(images, HALF) == pytest.approx(froc(images)[:-1])


def coco_precision(images, iou):
    """pycocotools' average precision, over all sizes, 100 boxes an image."""
    truth, drawn = [], []
    for number, image in enumerate(images, start=1):
        for lesion, is_ignored in zip(image.truth, image.is_ignored.astype(int), strict=True):
            box = [*lesion[:2], *(lesion[2:] - lesion[:2])]
            truth.append({"id": len(truth) + 1, "image_id": number, "category_id": 1, "bbox": box,
                          "area": box[2] * box[3], "iscrowd": 0, "ignore": is_ignored})  # fmt: skip
        for box, score in zip(image.boxes, image.score, strict=True):
            drawn.append({"image_id": number, "category_id": 1, "score": score,
                          "bbox": [*box[:2], *(box[2:] - box[:2])]})  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"images": [{"id": n + 1} for n in range(len(images))],
                        "categories": [{"id": 1}], "annotations": truth, "info": {}}  # fmt: skip
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(drawn), "bbox")
        evaluation.params.iouThrs = np.array([iou])
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][0, :, 0, 0, -1].mean()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("iou", [0.3, 0.5, 0.75])
def test_average_precision_is_that_of_pycocotools(seed, iou):
    images = random_images(seed=seed)

    assert coco_precision(images, iou) == pytest.approx(average_precision(images, iou), abs=1e-12)


def test_average_precision_by_hand():
    images = [
        an_image(truth=[LESION], boxes=[ON_IT], score=[3]),
        an_image(truth=[LESION], boxes=[ELSEWHERE, ON_IT], score=[2, 1]),
    ]

    # Precision is 1 up to recall 1/2 (51 of 101 recalls), then 2/3.
    assert (51 + 50 * 2 / 3) / 101 == pytest.approx(average_precision(images))


def test_a_doubled_weight_is_a_doubled_image(rng):
    images = random_images(20, seed=3)
    weight = rng.integers(0, 3, (1, 20)).astype(float)
    repeated = [image for image, times in zip(images, weight[0], strict=True)
                for _ in range(int(times))]  # fmt: skip

    assert froc(repeated) == pytest.approx(froc_rounds(events_of(images))(weight)[0])
    assert average_precision(repeated) == pytest.approx(
        precision_rounds(rank(images, iou=0.5))(weight)[0, 0]
    )


def test_the_interval_holds_the_value_and_is_that_of_patients(rng):
    images = random_images(200, patients=50)
    events = events_of(images)

    cpm = bootstrap_images(froc_rounds(events), events.unit_code, count=300, rng=rng)[-1]

    assert cpm.low < cpm.value < cpm.high
    assert "patient bootstrap" in cpm.method


def test_few_patients_have_no_interval(rng):
    events = events_of(random_images(20, patients=9))

    cpm = bootstrap_images(froc_rounds(events), events.unit_code, count=100, rng=rng)[-1]

    assert (None, TOO_FEW_UNITS) == (cpm.low, cpm.note)


def test_a_model_differs_from_itself_by_nothing():
    images = random_images(60)

    difference = compare_detection(images, images, rule=HALF, rounds=100)

    assert 0.0 == difference.cpm.value == difference.average_precision.value


def test_a_better_model_on_the_same_images_is_ahead_by_a_paired_interval():
    better = random_images(200, seed=5, patients=50, skill=3.0)
    rng = np.random.default_rng(1)
    worse = [
        an_image(truth=image.truth, boxes=image.boxes, score=rng.permutation(image.score),
                 unit=image.unit)
        for image in better
    ]  # fmt: skip

    difference = compare_detection(better, worse, rule=HALF, rounds=300)

    assert difference.cpm.low > 0
    assert difference.average_precision.low > 0
    assert difference.cpm.value == pytest.approx(froc(better)[-1] - froc(worse)[-1])


def test_predictions_of_two_models_are_paired_by_image():
    truth = {("a.png", None): (LabelledBox(Box(0, 0, 10, 10), TUMOR),), ("b.png", None): ()}
    rows = [a_reference(path=name, patient=name) for name in ("a.png", "b.png", "c.png")]
    first, second = (
        [
            a_prediction(
                case_id=CaseId(f"c-{name}"),
                source=name,
                images=(),
                regions=(a_region(source=name, box_px=box, score=score),),
            )
            for name in names
        ]
        for names, box, score in (
            (("b.png", "a.png"), Box(0, 0, 10, 9), 1.0),
            (("a.png", "c.png"), Box(5, 5, 9, 9), 2.0),
        )
    )
    rows[1] = a_reference(path="b.png", patient="b.png", labels={TUMOR: False})

    (one,), (other,) = pair_images(first, second, rows, boxes=truth, label=TUMOR)

    assert one.truth.tolist() == other.truth.tolist() == [[0, 0, 10, 10]]
    assert ([1.0], [2.0]) == (one.score.tolist(), other.score.tolist())


def test_models_on_other_images_are_not_compared():
    with pytest.raises(ValueError, match="the same images"):
        compare_detection(random_images(5), random_images(5, seed=1), rule=HALF)
