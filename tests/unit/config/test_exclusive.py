"""Groups of labels that exclude each other."""

from __future__ import annotations

import pytest
from package_factory import a_manifest
from pydantic import ValidationError
from training_factory import a_config

from medrec.config.base import validate
from medrec.config.training import TrainConfig
from medrec.errors import ConfigError
from medrec.workflows.versions import digest_of_fit

LABELS = {"labels": ["a", "b", "c"], "primary_label": "a"}


def problems(tmp_path, **changes):
    config = a_config(tmp_path / "m.csv", **{**LABELS, **changes})
    with pytest.raises(ConfigError) as raised:
        validate(config, TrainConfig, where="c.yaml")
    return str(raised.value)


def test_a_group_names_labels_each_once(tmp_path):
    message = problems(tmp_path, exclusive=[["a", "b"], ["b", "x"]])

    assert "exclusive names x, none of the labels" in message
    assert "exclusive names b more than once" in message


def test_a_group_of_one_is_none(tmp_path):
    assert "exclusive.0" in problems(tmp_path, exclusive=[["a"]])


def test_stand_in_exams_are_not_cut_for_exclusive_classes(tmp_path):
    message = problems(tmp_path, exclusive=[["a", "b"]], calibration={"substacks": {}})

    assert "calibration.substacks" in message


def test_a_package_holds_its_groups_to_the_same_rule():
    with pytest.raises(ValidationError, match="none of the labels"):
        a_manifest(exclusive=[["tumor", "edema"]])


def test_a_config_without_groups_and_ensemble_keeps_its_digest(tmp_path):
    plain = validate(a_config(tmp_path / "m.csv"), TrainConfig, where="c")
    named = validate(
        a_config(tmp_path / "m.csv", exclusive=None, ensemble=None), TrainConfig, where="c"
    )

    assert "exclusive" not in plain.model_dump(exclude_none=True)
    assert digest_of_fit(plain) == digest_of_fit(named)
