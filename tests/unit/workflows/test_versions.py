"""Digests and versions: what makes two runs the same, and what doesn't."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from medrec.config.base import read_config
from medrec.config.training import TrainConfig
from medrec.workflows.versions import digest_of, digest_of_fit, versions

CONFIG = Path(__file__).parents[3] / "configs" / "train" / "mri-brain-tumor-flair.yaml"


def digest(*changes):
    return digest_of_fit(read_config(CONFIG, TrainConfig, overrides=changes))


@pytest.mark.parametrize("change", ["card.summary=other words", "data.root=elsewhere"])
def test_words_and_places_do_not_make_another_fit(change):
    assert digest() == digest(change)


@pytest.mark.parametrize(
    "change", ["seed=7", "fit.epochs=3", 'data.images="*.nii"', "labels=[mass]"]
)
def test_what_shapes_the_weights_makes_another_fit(change):
    extra = ["primary_label=mass"] if change.startswith("labels") else []

    assert digest() != digest(change, *extra)


def test_the_whole_config_has_another_digest_for_other_words():
    one, other = (
        read_config(CONFIG, TrainConfig, overrides=[f"card.summary={words}"])
        for words in ("one", "other")
    )

    assert digest_of(one) != digest_of(other)


def test_an_option_that_is_not_used_changes_no_digest():
    class Earlier(BaseModel):
        seed: int = 1

    class Later(Earlier):
        rules: str | None = None

    assert digest_of(Earlier()) == digest_of(Later())
    assert digest_of(Earlier()) != digest_of(Later(rules="brain.yaml"))


def test_a_package_that_is_not_there_is_said():
    found = versions(["numpy", "no-such-package-of-ours"])

    assert "not installed" == found["no-such-package-of-ours"]
    assert found["numpy"][0].isdigit()
    assert found["python"].startswith("3.")
