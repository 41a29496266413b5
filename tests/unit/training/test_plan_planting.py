"""Where `medrec configure` asks for planted lesions, and where not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_factory import a_fingerprint

from medrec.config.planting import shipped_recipes
from medrec.config.training import TrainConfig
from medrec.training.choice import Asked
from medrec.training.plan import plan_training
from medrec.training.plan_planting import choose_planting
from medrec.workflows.commented import to_data, to_yaml

CHEST = Asked("x", ("nodule",), "nodule", ("CR", "DX"), ("CHEST",))
BREAST = Asked("x", ("cancer",), "cancer", ("MG",), ("BREAST",))


def a_print(label="nodule", *, positives=20, **scans):
    base = a_fingerprint()
    counts = replace(base.truth.labels["cancer"], positive_patients=positives)
    truth = replace(base.truth, labels={label: counts}, mode="cross_fit")
    return replace(base, truth=truth, scans=replace(base.scans, **scans))


@pytest.mark.parametrize(
    ("asked", "expected"), [(CHEST, "xray-chest"), (BREAST, "xray-mammography")]
)
def test_few_positive_patients_and_a_recipe_ask_for_planted_lesions(asked, expected):
    chosen = choose_planting(a_print(asked.primary), asked)

    assert expected == chosen["plant.recipe"].value
    assert expected in shipped_recipes()
    assert chosen["plant.recipe"].reason.startswith(f"20 patients have {asked.primary}, fewer than")


@pytest.mark.parametrize(
    ("asked", "changes", "reason"),
    [
        (CHEST, {"positives": 50}, "50 patients have nodule: enough real ones"),
        (CHEST, {"kind": "volume"}, "no recipe"),
        (replace(CHEST, body_part=("HAND",)), {}, "no recipe"),
        (replace(CHEST, modality=("MR",)), {}, "no recipe"),
        (replace(CHEST, labels=("effusion",), primary="effusion"), {}, "doesn't say that it is"),
    ],
)
def test_elsewhere_none_are_planted_and_the_reason_says_why(asked, changes, reason):
    chosen = choose_planting(a_print(asked.primary, **changes), asked)

    assert ["plant"] == list(chosen)
    assert chosen["plant"].value is None
    assert reason in chosen["plant"].reason


def test_boxes_of_several_types_leave_open_which_one_is_planted():
    types = {"solid": "nodule", "ground_glass": "nodule"}

    assert choose_planting(a_print(), CHEST, classes=types)["plant"].value is None
    assert "plant.recipe" in choose_planting(a_print(), CHEST, classes={"nodule": "nodule"})


def test_classes_that_exclude_each_other_are_left_alone():
    print_ = a_print()
    print_ = replace(print_, truth=replace(print_.truth, exclusive=("nodule", "none")))

    assert choose_planting(print_, CHEST)["plant"].value is None


@pytest.mark.parametrize("positives", [20, 80])
def test_the_plan_is_a_valid_config_with_the_reason_above_the_block(positives):
    plan = plan_training(
        a_print(positives=positives), CHEST, manifest="m.csv", splits_file="s.csv", has_weights=True
    )

    config, text = TrainConfig(**to_data(plan)), to_yaml(plan, heading="x")

    assert (positives < 50) == (config.plant is not None)
    where = text.index("\nplant:")
    assert f"{positives} patients have nodule" in text[where - 200 : where + 400]
