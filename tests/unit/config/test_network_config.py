"""What a network of volumes asks of the rest of a config."""

import pytest
from training_factory import a_config

from medrec.config.base import validate
from medrec.config.model import ModelConfig
from medrec.config.training import TrainConfig
from medrec.errors import ConfigError

VOLUME = {"modality": ["MR"], "body_part": ["BRAIN"]}


def read(**changes):
    return validate(a_config("m.csv", **changes), TrainConfig, where="config")


def test_a_model_without_a_kind_is_one_of_slices_and_films():
    assert isinstance(read().model, ModelConfig)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model": {"kind": "classifier_3d"}, "scope": VOLUME}, "volume_size"),
        ({"preprocess": {"volume_size": [32, 32, 32]}}, "volume_size"),
        ({"model": {"kind": "classifier_slices"}}, "dimensionality"),
        (
            {
                "model": {"kind": "classifier_slices"},
                "scope": VOLUME,
                "calibration": {"substacks": {}},
            },
            "substacks",
        ),
        (
            {
                "model": {"kind": "classifier_3d", "architecture": "swin"},
                "preprocess": {"volume_size": [16, 32, 32]},
                "scope": VOLUME,
            },
            "multiple of 32",
        ),
        (
            {
                "model": {"kind": "classifier_3d"},
                "preprocess": {"spacing_mm": [2, 1, 1]},
                "scope": VOLUME,
            },
            "one shape",
        ),
        (
            {
                "model": {"kind": "detector_3d"},
                "preprocess": {"spacing_mm": [2, 1, 1]},
                "scope": VOLUME,
            },
            "add model.window_size",
        ),
        (
            {
                "model": {"kind": "detector_3d", "window_size": [16, 32, 32]},
                "preprocess": {"spacing_mm": [2, 1, 1], "volume_size": [32, 64, 64]},
                "scope": VOLUME,
            },
            "leave one of both out",
        ),
    ],
)
def test_what_does_not_fit_a_network_of_volumes_is_named(changes, named):
    with pytest.raises(ConfigError, match=named):
        read(**changes)
