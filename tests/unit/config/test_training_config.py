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


def test_other_parts_may_be_mirrored():
    assert validate(a_config("BREAST", flip_left_right=0.5), TrainConfig, where="x.yaml")


def test_who_finds_no_boxes_calibrates_none():
    config = a_config("BREAST") | {"calibration": {"boxes_only": {"kind": ["whole"]}}}

    with pytest.raises(ConfigError, match=r"calibration\.boxes_only: a classifier_2d finds no"):
        validate(config, TrainConfig, where="x.yaml")
