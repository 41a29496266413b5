"""What a training config refuses as a whole."""

import pytest

from medrec.config.base import validate
from medrec.config.training import TrainConfig
from medrec.errors import ConfigError


def a_config(body_part, **augment):
    return {
        "name": "a-model",
        "labels": ["tumor"],
        "primary_label": "tumor",
        "data": {"kind": "manifest", "manifest": "manifest.csv"},
        "scope": {"modality": ["DX"], "body_part": [body_part]},
        "augment": augment,
        "card": {
            "summary": "-", "intended_use": "-", "limits": [], "training_data": "-", "license": "-",
        },
    }  # fmt: skip


@pytest.mark.parametrize("part", ["CHEST", "chest", "THORAX"])
def test_chest_films_are_not_mirrored(part):
    with pytest.raises(ConfigError, match=r"augment\.flip_left_right must be 0"):
        validate(a_config(part), TrainConfig, where="x.yaml")

    assert validate(a_config(part, flip_left_right=0), TrainConfig, where="x.yaml")


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ({"mirror_average": True}, r"model\.mirror_average must be false"),
        ({"kind": "detector_2d", "boxes": {"mirror": True}}, r"model\.boxes\.mirror must be false"),
    ],
)
def test_chest_films_are_not_looked_at_in_a_mirror(model, wanted):
    asked = {**a_config("CHEST", flip_left_right=0), "model": model}
    with pytest.raises(ConfigError, match=wanted):
        validate(asked, TrainConfig, where="x.yaml")

    asked["scope"]["body_part"] = ["BREAST"]
    assert validate(asked, TrainConfig, where="x.yaml")


@pytest.mark.parametrize(("value", "is_refused"), [(0.5, True), (None, False)])
def test_a_rule_that_means_nothing_is_refused_before_anything_is_trained(value, is_refused):
    hit = {"rule": "centre_in_box", "value": value}
    asked = {**a_config("BREAST"), "calibration": {"hit": hit}}
    if is_refused:
        with pytest.raises(ConfigError, match="centre_in_box has no value"):
            validate(asked, TrainConfig, where="x.yaml")
    else:
        assert validate(asked, TrainConfig, where="x.yaml")


def test_other_parts_may_be_mirrored():
    assert validate(a_config("BREAST", flip_left_right=0.5), TrainConfig, where="x.yaml")


def test_who_finds_no_boxes_calibrates_none():
    config = a_config("BREAST") | {"calibration": {"boxes_only": {"kind": ["whole"]}}}

    with pytest.raises(ConfigError, match=r"calibration\.boxes_only: a classifier_2d finds no"):
        validate(config, TrainConfig, where="x.yaml")


@pytest.mark.parametrize(
    ("calibration", "changes", "said"),
    [
        ({"exams_only": {"role": ["real"]}}, {}, r"calibration\.exams_only: a classifier_2d finds"),
        (
            {"prevalence": {"value": 0.2}, "substacks": {}},
            {},
            r"calibration\.prevalence: runs of slices",
        ),
        (
            {"prevalence": {"value": 0.2}},
            {"labels": ["a", "b"], "primary_label": "a", "exclusive": [["a", "b"]]},
            r"calibration\.prevalence: labels that exclude",
        ),
        ({"prevalence": {"value": 1.0}}, {}, r"calibration\.prevalence\.value"),
    ],
)
def test_weights_and_rows_that_calibration_has_no_use_for_are_named(calibration, changes, said):
    config = a_config("BREAST") | changes | {"calibration": calibration}

    with pytest.raises(ConfigError, match=said):
        validate(config, TrainConfig, where="test")
