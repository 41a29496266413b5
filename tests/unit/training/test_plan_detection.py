"""Each rule of `medrec configure --detect`, by a fingerprint that asks for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_factory import a_fingerprint, same

from medrec.config.base import validate
from medrec.config.model import BoxesConfig, DetectorConfig, VolumeDetectorConfig
from medrec.config.training import TrainConfig
from medrec.data.box_facts import BoxFacts
from medrec.data.fingerprint import DetectorSpeeds, Fingerprint
from medrec.data.spread import Spread
from medrec.training.choice import Asked, Choice
from medrec.training.detector_sight import (
    Sight,
    choose_sight,
    choose_size,
    fewest_epochs,
    gb_a_picture,
    kind_of_detector,
    say_smallest,
    seconds_an_epoch,
    warn_unseen,
    window_of,
)
from medrec.training.plan_detection import choose_hit, choose_runs, choose_test, plan_detection
from medrec.training.plan_detector import (
    choose_anchors,
    choose_boxes,
    choose_classes,
    choose_head,
    choose_image_head,
    choose_join,
    choose_levels,
    choose_per_place,
    choose_stride,
    choose_window,
    choose_window_3d,
)
from medrec.training.plan_detector_fit import (
    choose_batch,
    choose_epochs,
    choose_optimiser,
    choose_precision,
    choose_sampler,
)
from medrec.training.plan_network import choose_backbone
from medrec.training.plan_picture import choose_flip
from medrec.workflows.commented import to_data

HAND = Asked("films", ("cancer",), "cancer", ("DX",), ("HAND",))
SPEEDS = DetectorSpeeds(30.0, 12.0, 15.0, 1.4)
FACTS = BoxFacts(
    boxes=500, learned_boxes=300, learned_patients=120, pictures=640, positive_pictures=256,
    unknown_rows=0, depth_slices=None, smallest_side=0.08, middle_side=0.15, largest_side=0.3,
    long_share=0.02, crowded_share=0.0, most_a_picture=3, classes=None, positive_patients=120,
    empty_patients=60, separated_by=None, separating_column=None,
    sides=((0.08, 0.08, 0), (0.15, 0.1, 0), (0.3, 0.3, 0)),
)  # fmt: skip


def a_print(
    *, budget: float = 60.0, native: float = 1024, kind: str = "film", **boxes
) -> Fingerprint:
    """300 patients' films of 1024 px, boxes of 80 px or more."""
    base = a_fingerprint(budget_minutes=budget)
    return replace(
        base,
        scans=replace(
            base.scans, kind=kind, columns_px=same(native), rows_px=same(native),
            slices=Spread(20, 30, 60) if kind == "volume" else same(1),
        ),
        pixels=replace(base.pixels, box_long_px=same(native), depth_share=same(0.5)),
        machine=replace(base.machine, detectors=SPEEDS, memory_gb=64),
        boxes=replace(FACTS, **boxes),
    )  # fmt: skip


def solid(**boxes) -> Fingerprint:
    """400 patients' volumes of 30 slices with solid boxes."""
    base = a_print(kind="volume", native=256, **{"depth_slices": 6.0, **boxes})
    return replace(
        base,
        truth=replace(base.truth, patients=400),
        machine=replace(base.machine, detectors=replace(SPEEDS, volumes=4.0)),
    )


SMALL_AND_SOLID = solid(smallest_side=0.045, middle_side=0.08, largest_side=0.15, deepest_share=0.1)
"""Lesions of 12 to 38 of 256 px: two cells of 4 voxels ask for volumes of 192."""


def small_memory(print_: Fingerprint, gb: float = 8.0) -> Fingerprint:
    """The same on a machine where whole volumes of 192 don't fit, and time is no matter."""
    machine = replace(print_.machine, memory_gb=gb)
    return replace(print_, machine=machine, budget_minutes=600_000)


def sight(print_: Fingerprint) -> Sight:
    return choose_sight(print_, crop="none", anatomy="other")


def a_sight(**changes) -> Sight:
    return replace(Sight(512, 8, 20.0, 60.0, 150.0), **changes)


def test_large_lesions_are_seen_at_the_usual_size_by_coarse_cells():
    found = sight(a_print())

    assert (512, 8, None, "retina") == (
        found.size_px, found.stride, found.window_px, found.head
    )  # fmt: skip


def test_pictures_of_slices_are_no_films():
    assert 320 == choose_sight(a_print(), crop="none", anatomy="brain").size_px


def test_small_lesions_ask_for_larger_pictures_until_they_span_two_cells():
    found = sight(a_print(budget=1e4, smallest_side=0.02, native=2048))

    assert 1024 == found.size_px
    assert 2 <= found.cells


def test_finer_cells_see_what_no_larger_picture_could():
    found = sight(a_print(budget=1e4, smallest_side=0.025, native=512))

    assert (512, 4) == (found.size_px, found.stride)
    assert found.is_seen


def test_a_short_budget_makes_pictures_smaller_as_long_as_lesions_are_seen():
    found = sight(a_print(budget=15))

    assert found.size_px < 512
    assert found.is_seen


def test_few_pictures_need_time_for_more_epochs():
    assert (8, 20, 40) == tuple(fewest_epochs(a_print(pictures=count)) for count in (2000, 200, 20))


def test_windows_let_time_suffice_where_whole_pictures_are_too_large():
    tiny = a_print(smallest_side=0.01, middle_side=0.02, largest_side=0.03, native=2048, budget=200)

    found = sight(tiny)

    assert 256 == found.window_px
    assert found.is_seen
    assert seconds_an_epoch(tiny, found) < seconds_an_epoch(tiny, replace(found, window_px=None))


def test_what_cannot_be_seen_in_time_is_warned_of_and_the_most_is_made_of_it():
    poor = a_print(smallest_side=0.004, middle_side=0.1, largest_side=0.6, native=1024, budget=10)

    found = sight(poor)

    assert not found.is_seen
    assert "--budget-minutes" in (warn_unseen(poor, found) or "")
    assert choose_size(poor, found, anatomy="other").reason.startswith("WARNING")
    assert seconds_an_epoch(poor, found) * 8 <= 600


def test_the_smallest_box_is_told_in_cells():
    assert "40.0 px at 512 px: 5.0 cells of the finest level's 8 px" in say_smallest(
        a_print(smallest_side=40 / 512), a_sight(smallest_px=40.0)
    )


def test_small_lesions_get_centre_points_and_others_anchors():
    small = sight(a_print(budget=1e4, smallest_side=0.016, middle_side=0.02, native=512))

    assert ("centre", 4) == (choose_head(small).value, choose_stride(small).value)
    assert "retina" == choose_head(a_sight()).value


def test_slices_are_looked_at_unless_solid_boxes_of_many_patients_teach_a_3d_network():
    many = solid()

    assert "detector_3d" == kind_of_detector(many)
    assert "detector_2d" == kind_of_detector(solid(depth_slices=1.0))
    few = replace(many, truth=replace(many.truth, patients=200))
    assert "detector_2d" == kind_of_detector(few)
    rows_of_slices = replace(many, truth=replace(many.truth, granularity="slice"))
    assert "detector_2d" == kind_of_detector(rows_of_slices)


def test_levels_reach_the_backbones_last_stage_and_the_largest_lesions():
    assert 3 == choose_levels(a_sight(), is_3d=False).value
    assert 4 == choose_levels(a_sight(stride=4), is_3d=False).value
    assert 5 == choose_levels(a_sight(largest_px=600.0), is_3d=False).value
    assert 3 == choose_levels(a_sight(stride=4, largest_px=100, smallest_px=9), is_3d=True).value


def test_three_shapes_a_place_where_many_boxes_are_long():
    assert 1 == choose_per_place(a_print(), a_sight()).value
    assert 3 == choose_per_place(a_print(long_share=0.3), a_sight()).value
    assert 1 == choose_per_place(a_print(long_share=0.3), a_sight(head="centre")).value


def test_anchors_are_told_for_the_boxes_of_those_who_train_and_fitted_by_training():
    levels = {
        "levels": choose_levels(a_sight(), is_3d=False),
        "per_place": choose_per_place(a_print(), a_sight()),
    }

    choice = choose_anchors(a_print(native=512), a_sight(), levels, crop="none")

    assert choice.value is None
    assert "300 boxes" in choice.reason
    assert "41 x 41; 51 x 77; 154 x 154 px (height x width)" in choice.reason


def test_a_window_is_written_with_what_neighbours_share():
    assert {"window_px"} == set(choose_window(a_sight()))
    chosen = choose_window(a_sight(size_px=1024, window_px=256, largest_px=60.0))
    assert (256, 0.5, 0.5) == tuple(one.value for one in chosen.values())


def test_windows_in_volumes_are_twice_the_largest_lesion_where_whole_ones_are_too_large():
    print_ = small_memory(SMALL_AND_SOLID)
    found = sight(print_)

    assert (192, 64) == (found.size_px, found.window_px)
    assert 2 * 0.15 * 192 <= found.window_px
    chosen = choose_window_3d(print_, found)
    assert {"window_size": [64, 64, 64], "window_overlap": 0.5, "lesion_share": 0.5} == {
        key: one.value for key, one in chosen.items()
    }
    reason = chosen["window_size"].reason
    assert all(
        word in reason for word in ("spans 9 voxels", "29 in the plane", "10 in depth", "GB")
    )


def test_volumes_that_fit_are_seen_whole():
    print_ = small_memory(SMALL_AND_SOLID, gb=256)
    found = sight(print_)

    assert (192, None) == (found.size_px, found.window_px)
    assert {"window_size": None} == {
        key: one.value for key, one in choose_window_3d(print_, found).items()
    }


def test_a_window_is_as_deep_as_a_flat_volume_and_cheaper_than_the_whole():
    print_ = small_memory(SMALL_AND_SOLID)
    flat = replace(print_, pixels=replace(print_.pixels, depth_share=same(0.25)))
    found = replace(sight(print_), window_px=64)

    assert (48, 64, 64) == window_of(flat, found)
    whole = replace(found, window_px=None)
    assert gb_a_picture(flat, found) < gb_a_picture(flat, whole) / 8
    assert seconds_an_epoch(flat, found) < seconds_an_epoch(flat, whole)


def test_voxels_that_differ_in_size_are_made_alike_where_windows_are_learned():
    print_ = small_memory(SMALL_AND_SOLID)
    real = {"plane_mm": Spread(0.5, 0.75, 1.0), "thickness_mm": Spread(1, 2, 3)}
    real["body_mm"] = Spread(170, 192, 210)  # 256 px of 0.75 mm
    varied = replace(print_, pixels=replace(print_.pixels, **real))
    asked = replace(HAND, modality=("MR",), body_part=("BRAIN",))

    def preprocess(found: Fingerprint) -> dict[str, Choice]:
        words = {"manifest": "m.csv", "splits_file": "s.csv", "has_weights": True}
        plan = plan_detection(found, asked, **words)
        assert validate(to_data(plan), TrainConfig, where="plan")
        return {key: one for key, one in plan.items() if key.startswith("preprocess.")}

    chosen = preprocess(varied)
    assert [1.0, 1.0, 1.0] == chosen["preprocess.spacing_mm"].value
    assert "preprocess.volume_size" not in chosen
    assert "0.75 (0.5 to 1) mm in the plane" in chosen["preprocess.spacing_mm"].reason
    assert "preprocess.spacing_mm" not in preprocess(print_)  # nobody knows it
    nominal = {"plane_mm": same(1), "thickness_mm": same(1), "body_mm": same(256)}
    placeholder = replace(print_, pixels=replace(print_.pixels, **nominal))
    assert "preprocess.volume_size" in preprocess(placeholder)
    roomy = replace(varied, machine=replace(varied.machine, memory_gb=256))
    assert "preprocess.volume_size" in preprocess(roomy)  # whole: each fills the box


def test_windows_leave_room_for_lesions_of_large_bodies_where_voxels_are_alike():
    print_ = small_memory(replace(SMALL_AND_SOLID, boxes=replace(FACTS, depth_slices=6.0,
        smallest_side=0.045, middle_side=0.08, largest_side=0.15)))  # fmt: skip
    real = {"plane_mm": Spread(0.5, 0.75, 1.0), "thickness_mm": same(2)}
    real["body_mm"] = Spread(100, 192, 300)
    varied = replace(print_, pixels=replace(print_.pixels, **real))

    assert (64, 96) == (sight(print_).window_px, sight(varied).window_px)


def test_slices_are_joined_where_the_truth_is_solid():
    whole = a_print(kind="volume", depth_slices=5.0)
    assert choose_join(whole).value
    assert not choose_join(a_print(kind="volume", depth_slices=1.0)).value
    assert not choose_join(a_print()).value


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"separated_by": "the column site"}, "the column site"),
        ({"empty_patients": 3}, "10 of each"),
        ({"positive_patients": 3}, "10 of each"),
    ],
)
def test_no_image_head_where_it_would_learn_the_archive_or_one_kind(facts, said):
    choice = choose_image_head(a_print(**facts))

    assert choice.value is False
    assert said in choice.reason


def test_an_image_head_where_both_kinds_come_from_the_same_archives():
    assert choose_image_head(a_print()).value is True


def test_figures_are_told_within_archives_that_differ_in_what_they_hold():
    mixed = a_print(separated_by="the column site", separating_column="site")

    assert {} == choose_test(a_print())
    assert "site" == choose_test(mixed)["within"].value


def test_boxes_that_overlap_in_truth_are_not_suppressed():
    brain = replace(HAND, body_part=("BRAIN",), modality=("MR",))
    small = a_sight(stride=4, head="centre")
    assert 0.3 == choose_boxes(a_print(), HAND, small)["overlap"].value
    assert 0.5 == choose_boxes(a_print(crowded_share=0.1), HAND, small)["overlap"].value
    assert 0.2 == choose_boxes(solid(), brain, a_sight())["overlap"].value
    assert 80 == choose_boxes(a_print(most_a_picture=80), HAND, small)["most"].value
    mirrors = [choose_boxes(a_print(), one, small)["mirror"].value for one in (HAND, brain)]
    assert [False, True] == mirrors


def test_a_box_beside_a_likelier_one_stays_where_it_may_hit_by_overlap_alone():
    found = choose_boxes(a_print(), HAND, a_sight())

    assert (0.5, 0.5) == (found["overlap"].value, found["fusion_overlap"].value)


def test_types_become_classes():
    assert choose_classes(a_print()).value is None
    types = {"cyst": "cancer", "mass": "cancer"}
    assert types == choose_classes(a_print(classes=types)).value


@pytest.mark.parametrize(
    ("print_", "seen", "wanted"),
    [
        (a_print(kind="volume"), a_sight(), {"rule": "iou", "value": 0.5}),
        (a_print(), a_sight(stride=4, head="centre"), {"rule": "centre_in_box"}),
        (a_print(kind="volume"), a_sight(head="centre"), {"rule": "iou", "value": 0.5}),
        (solid(), a_sight(), {"rule": "iou", "value": 0.1}),
    ],
)
def test_a_hit_is_an_overlap_or_on_films_a_centre_in_a_small_box(print_, seen, wanted):
    assert wanted == choose_hit(print_, seen).value


def test_runs_of_slices_stand_in_for_exams_where_rows_name_slices():
    def all_positive(granularity: str) -> Fingerprint:
        base = a_print(kind="volume")
        labels = {"cancer": replace(base.truth.labels["cancer"], negative_patients=0)}
        return replace(base, truth=replace(base.truth, labels=labels, granularity=granularity))

    assert choose_runs(all_positive("slice"), primary="cancer").value
    whole = choose_runs(all_positive("scan"), primary="cancer")
    assert whole.value is None
    assert "scores and no probabilities" in whole.reason
    assert choose_runs(a_print(kind="volume"), primary="cancer").value is None


def test_empty_pictures_are_drawn_less_where_they_are_nearly_all():
    assert "uniform" == choose_sampler(a_print()).value
    assert "class_balanced" == choose_sampler(a_print(positive_pictures=60)).value
    all_positive = choose_sampler(a_print(positive_pictures=640))
    assert "uniform" == all_positive.value
    assert "nothing teaches" in all_positive.reason


def test_batches_shrink_for_few_pictures_and_little_memory():
    assert 16 == choose_batch(a_print(), a_sight()).value
    assert 4 == choose_batch(a_print(pictures=50), a_sight()).value
    small = a_print()
    small = replace(small, machine=replace(small.machine, memory_gb=7))
    assert 4 == choose_batch(small, a_sight()).value
    assert 4 == choose_batch(solid(), a_sight(size_px=96)).value


def test_epochs_are_enough_or_what_the_budget_holds():
    assert 38 == choose_epochs(a_print(budget=1e4), a_sight(), from_scratch=False).value
    assert 80 == choose_epochs(a_print(budget=1e4), a_sight(), from_scratch=True).value
    assert 9 == choose_epochs(a_print(budget=30), a_sight(), from_scratch=False).value
    assert 1 == choose_epochs(a_print(budget=0.1), a_sight(), from_scratch=False).value


def test_the_rate_follows_the_batch():
    def rate(batch: int, *, from_scratch: bool = False) -> object:
        return choose_optimiser(a_print(), batch=batch, epochs=9, from_scratch=from_scratch)[
            "learning_rate"
        ].value

    assert (5e-4, 2.5e-4, 1e-3) == (rate(16), rate(4), rate(16, from_scratch=True))


def test_bf16_is_taken_where_it_was_measured_to_be_faster():
    assert "bf16" == choose_precision(a_print()).value
    slow = a_print()
    machine = replace(slow.machine, detectors=replace(SPEEDS, half_gain=0.9))
    assert "32" == choose_precision(replace(slow, machine=machine)).value
    gpu = replace(machine, device="cuda:0", has_bf16=True)
    assert "bf16" == choose_precision(replace(slow, machine=gpu)).value


@pytest.mark.parametrize(
    ("print_", "kind"),
    [
        (a_print(), DetectorConfig),
        (a_print(kind="volume", native=256, depth_slices=1.0), DetectorConfig),
        (a_print(budget=200, smallest_side=0.01, middle_side=0.02, largest_side=0.03, native=2048),
         DetectorConfig),
        (solid(), VolumeDetectorConfig),
        (SMALL_AND_SOLID, VolumeDetectorConfig),
    ],
)  # fmt: skip
def test_every_plan_is_a_config_that_names_all_keys_of_its_detector(print_, kind):
    asked = replace(HAND, modality=("MR",), body_part=("BRAIN",))

    plan = plan_detection(print_, asked, manifest="m.csv", splits_file="s.csv", has_weights=True)
    config = validate(to_data(plan), TrainConfig, where="plan")

    assert isinstance(config.model, kind)
    named = {key.split(".")[1] for key in plan if key.startswith("model.")}
    left_out = set() if config.model.window else {"window_overlap", "lesion_share"}
    assert set(kind.model_fields) - named <= left_out
    boxes = {key.split(".")[2] for key in plan if key.startswith("model.boxes.")}
    assert set(BoxesConfig.model_fields) == boxes


def test_the_same_fingerprint_gives_the_same_plan():
    plans = [
        plan_detection(a_print(), HAND, manifest="m.csv", splits_file="s.csv", has_weights=True)
        for _ in range(2)
    ]

    assert plans[0] == plans[1]


def test_lesions_are_never_hidden_and_chests_never_mirrored():
    chest = replace(HAND, body_part=("CHEST",))

    plan = plan_detection(a_print(), chest, manifest="m.csv", splits_file="s.csv", has_weights=True)

    assert 0.0 == plan["augment.dropout"].value
    assert 0.0 == plan["augment.flip_left_right"].value == choose_flip("chest").value
    assert plan["model.boxes.mirror"].value is False
    assert choose_backbone().value == plan["model.backbone"].value
