"""Recipes in YAML."""

from __future__ import annotations

from pathlib import Path

import pytest

from medrec.errors import ConfigError
from medrec.lesions.build import read_film_recipe, read_recipe
from medrec.lesions.zones import ZONES

RECIPES = Path(__file__).parents[3] / "configs" / "lesions"

GOOD = """
kind: lesions
name: mine
chest_film:
  shapes: {round: 1}
  zones: {heart: 1}
  size: {low: 0.02, high: 0.1}
  gain: {low: 2, high: 3}
"""

BRAIN = """
kind: lesions
name: mine
brain_mri:
  patterns: {ring: 1}
  size: {low: 0.1, high: 0.2}
  strength: {low: 0.3, high: 0.5}
  oedema: {low: 0.1, high: 0.5}
  oedema_strength: {low: 0.3, high: 0.5}
  necrosis: {low: 0.3, high: 0.6}
"""


def written(folder, text):
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_is_what_its_file_says(tmp_path):
    recipe = read_film_recipe(written(tmp_path, GOOD))

    assert recipe.name == "mine"
    assert recipe.shapes == (("round", 1.0),)
    assert (recipe.size.low, recipe.size.high, recipe.size.skew) == (0.02, 0.1, 1)
    assert recipe.most_strength == 0.9


def test_a_recipe_for_brains_is_none_for_films(tmp_path):
    path = written(tmp_path, BRAIN)

    assert read_recipe(path).patterns == (("ring", 1.0),)
    with pytest.raises(ConfigError, match="wanted a recipe for films"):
        read_film_recipe(path)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("round: 1", "square: 1", "shapes.square"),
        ("round: 1", "round: 0", "all shares are 0"),
        ("heart: 1", "", "zones"),
        ("high: 0.1", "high: 0.01", "low 0.02 is above high 0.01"),
        ("high: 0.1", "high: 0.7", "is above 0.5"),
        ("low: 2", "low: 0", "gain.low"),
        ("name: mine", "name: My Recipe", "name"),
        ("kind: lesions", "kind: lesions\nseed: 3", "seed: unknown key"),
        ("chest_film:", "mammogram:", "mammogram.zones.heart"),
        ("chest_film:", "ct:", "ct: unknown key"),
    ],
)
def test_a_recipe_that_means_nothing_is_refused_with_its_key(tmp_path, old, new, problem):
    with pytest.raises(ConfigError, match=problem):
        read_recipe(written(tmp_path, GOOD.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("high: 0.6", "high: 0.95", "leaves no rim"),
        ("high: 0.2", "high: 0.7", "is above 0.6"),
        ("ring: 1", "ring: 0", "all shares are 0"),
    ],
)
def test_a_recipe_of_tumors_that_means_nothing_is_refused(tmp_path, old, new, problem):
    with pytest.raises(ConfigError, match=problem):
        read_recipe(written(tmp_path, BRAIN.replace(old, new)))


@pytest.mark.parametrize(
    "text", [GOOD + BRAIN.partition("mine\n")[2], GOOD.partition("chest_film")[0]]
)
def test_a_recipe_is_for_one_kind_of_scan(tmp_path, text):
    with pytest.raises(ConfigError, match="one of chest_film, mammogram and brain_mri"):
        read_recipe(written(tmp_path, text))


def test_models_are_judged_by_shapes_and_strengths_that_training_does_not_draw():
    learnt = read_film_recipe(RECIPES / "xray-chest.yaml")
    judged = read_film_recipe(RECIPES / "xray-chest-evaluation.yaml")

    assert set() == {shape for shape, _ in learnt.shapes} & {shape for shape, _ in judged.shapes}
    assert judged.gain.high <= learnt.gain.low
    assert set(ZONES) == {zone for zone, _ in judged.zones}
