"""What is known of a film, kept small."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from chest_factory import a_chest_film

from medrec.lesions.build import read_film_recipe
from medrec.lesions.chest import find_chest
from medrec.lesions.films import plant_film
from medrec.lesions.keeping import find_terrain, from_text, to_text
from medrec.lesions.lesion import lesion_generator
from medrec.lesions.zones import BreastZone

RECIPES = Path(__file__).parents[3] / "configs" / "lesions"


@pytest.fixture(scope="module")
def film():
    return a_chest_film(256)


def test_a_terrain_comes_back_as_it_was_but_for_a_quarter_cell_of_room(film):
    terrain = find_chest(film)

    found = from_text(to_text(terrain))

    same = [one.name for one in fields(terrain) if one.name not in ("zones", "room_px")]
    assert [getattr(terrain, name) for name in same] == [getattr(found, name) for name in same]
    assert np.array_equal(terrain.zones, found.zones)
    lost = terrain.room_px - found.room_px
    assert lost.min() >= 0
    assert lost.max() <= terrain.cell_px / 4


def test_it_is_fifty_times_smaller(film):
    terrain = find_chest(film)

    assert 50 * len(to_text(terrain)) < terrain.zones.nbytes + terrain.room_px.nbytes + 20_000


def test_lesions_are_planted_by_what_was_kept(film):
    recipe = read_film_recipe(RECIPES / "xray-chest.yaml")
    terrain = from_text(to_text(find_chest(film)))

    planted = plant_film(film, recipe, lesion_generator(1, 2), terrain=terrain, count=2)

    assert 2 == len(planted.lesions)


def test_the_recipe_says_what_is_looked_for(film):
    mammography = read_film_recipe(RECIPES / "xray-mammography.yaml")

    assert find_chest(film).names == find_terrain(film, _chest()).names
    assert tuple(BreastZone) == find_terrain(film, mammography).names


def _chest():
    return read_film_recipe(RECIPES / "xray-chest.yaml")
