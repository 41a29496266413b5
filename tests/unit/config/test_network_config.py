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
    ],
)
def test_what_does_not_fit_a_network_of_volumes_is_named(changes, named):
    with pytest.raises(ConfigError, match=named):
        read(**changes)
