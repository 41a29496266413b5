"""Recipes in YAML."""

from __future__ import annotations

from pathlib import Path

import pytest

from medrec.errors import ConfigError
from medrec.lesions.build import read_recipe
from medrec.lesions.zones import ZONES

RECIPES = Path(__file__).parents[3] / "configs" / "lesions"

GOOD = """
kind: lesions
name: mine
scan: xray-chest
shapes: {round: 1}
zones: {heart: 1}
size: {low: 0.02, high: 0.1}
gain: {low: 2, high: 3}
"""


def test_a_recipe_is_what_its_file_says(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD, encoding="utf-8")

    recipe = read_recipe(path)

    assert recipe.name == "mine"
    assert recipe.shapes == (("round", 1.0),)
    assert (recipe.size.low, recipe.size.high, recipe.size.skew) == (0.02, 0.1, 1)
    assert recipe.most_strength == 0.9


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("round: 1", "square: 1", "shapes.square"),
        ("round: 1", "round: 0", "all shares are 0"),
        ("heart: 1", "", "zones"),
        ("high: 0.1", "high: 0.01", "low 0.02 is above high 0.01"),
        ("high: 0.1", "high: 0.7", "more than half"),
        ("low: 2", "low: 0", "gain.low"),
        ("scan: xray-chest", "scan: ct", "scan"),
        ("name: mine", "name: My Recipe", "name"),
        ("kind: lesions", "kind: lesions\nseed: 3", "seed: unknown key"),
    ],
)
def test_a_recipe_that_means_nothing_is_refused_with_its_key(tmp_path, old, new, problem):
    path = tmp_path / "bad.yaml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")

    with pytest.raises(ConfigError, match=problem):
        read_recipe(path)


def test_models_are_judged_by_shapes_and_strengths_that_training_does_not_draw():
    learnt = read_recipe(RECIPES / "xray-chest.yaml")
    judged = read_recipe(RECIPES / "xray-chest-evaluation.yaml")

    assert set() == {shape for shape, _ in learnt.shapes} & {shape for shape, _ in judged.shapes}
    assert judged.gain.high <= learnt.gain.low
    assert set(ZONES) == {zone for zone, _ in judged.zones}
