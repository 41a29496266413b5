"""What a training says that it learns from."""

import pytest
from training_factory import a_config

from medrec.config.training import TrainConfig
from medrec.workflows.fitting import rows_are

VOLUMES = {"kind": "classifier_slices", "backbone": "test_efficientnet", "slices": 4}


@pytest.mark.parametrize(
    ("modality", "changes", "expected"),
    [
        (["CR", "DX"], {}, "films"),
        (["MG"], {}, "films"),
        (["US"], {}, "images"),
        (["CR", "OT"], {}, "images"),
        (["MR"], {"dimensionality": "volume"}, "slices"),
    ],
)
def test_rows_are_called_what_they_are(tmp_path, modality, changes, expected):
    scope = {"body_part": ["CHEST"], "dimensionality": "image", **changes, "modality": modality}

    assert expected == rows_are(TrainConfig(**a_config(tmp_path / "m.csv", scope=scope)))


def test_a_network_of_whole_volumes_learns_from_volumes(tmp_path):
    scope = {"modality": ["MR"], "body_part": ["BRAIN"], "dimensionality": "volume"}

    config = TrainConfig(**a_config(tmp_path / "m.csv", scope=scope, model=VOLUMES))

    assert "volumes" == rows_are(config)
