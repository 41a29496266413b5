"""The grid that is dealt to scans."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chest_factory import a_chest_film

from medrec.errors import PlantingError
from medrec.lesions.build import read_film_recipe, read_recipe
from medrec.lesions.chest import find_chest
from medrec.lesions.grid import Cell, Grid, deal, grid_of, plant_cell, tumor_of
from medrec.lesions.lesion import lesion_generator
from medrec.lesions.looks import look_of_film
from medrec.lesions.zones import NO_ZONE

CONFIGS = Path(__file__).parents[3] / "configs" / "lesions"


@pytest.fixture(scope="module")
def recipe():
    return read_film_recipe(CONFIGS / "xray-chest-evaluation.yaml")


@pytest.fixture(scope="module")
def chest():
    film = a_chest_film(256)
    return film, find_chest(film)


def test_a_grid_spans_the_recipe_in_equal_ratios(recipe):
    grid = grid_of(recipe)

    assert (0.03, 0.2) == (grid.sizes[0], grid.sizes[-1])
    assert np.ptp(np.diff(np.log(grid.sizes))) < 0.01
    assert {"upper", "middle", "lower", "hilum", "heart", "diaphragm"} == set(grid.zones)


def test_a_third_of_the_sizes_each_is_small_medium_and_large(recipe):
    grid = grid_of(recipe)

    groups = [grid.group_of(size) for size in grid.sizes]

    assert ["small"] * 2 + ["medium"] * 2 + ["large"] * 2 == groups


def test_every_size_and_every_pair_of_strength_and_zone_is_dealt_as_often():
    grid = Grid((0.1, 0.2, 0.3), (1.0, 2.0), ("upper", "lower"))

    cells = [cell for scan in range(6) for cell in deal(grid, scan=scan, count=4, seed=5)]

    assert {8} == set(Counter(cell.size for cell in cells).values())
    assert {6} == set(Counter((cell.strength, cell.zone) for cell in cells).values())


def test_a_scan_is_dealt_the_same_whatever_scans_there_are_besides():
    grid = Grid((0.1, 0.2, 0.3), (1.0, 2.0), ("upper", "lower"))

    assert [*deal(grid, scan=7, count=4, seed=5)] == [*deal(grid, scan=7, count=4, seed=5)]
    assert [*deal(grid, scan=7, count=4, seed=5)] != [*deal(grid, scan=7, count=4, seed=6)]


def test_a_stronger_cell_of_the_same_numbers_raises_the_film_more(recipe, chest):
    film, terrain = chest

    rises = [
        plant_cell(
            film, recipe, Cell(0.1, strength, "middle"), lesion_generator(1), terrain=terrain
        ).lesions[0].rise
        for strength in (0.5, 1.0, 2.0)
    ]  # fmt: skip

    assert 1.9 < rises[1] / rises[0] < 2.1
    assert rises[2] > rises[1]


def test_a_lesion_lies_in_the_zone_of_its_cell(recipe, chest):
    film, terrain = chest

    for zone in ("upper", "heart", "lower"):
        cell = Cell(0.08, 1.0, zone)
        planted = plant_cell(film, recipe, cell, lesion_generator(2), terrain=terrain)
        assert zone == planted.lesions[0].zone


def test_a_zone_that_a_film_lacks_gives_way_to_another(recipe, chest):
    film, terrain = chest

    planted = plant_cell(
        film, recipe, Cell(0.08, 1.0, "elsewhere"), lesion_generator(2), terrain=terrain
    )

    assert planted.lesions[0].zone in terrain.names


def test_a_lesion_that_shows_nowhere_is_planted_and_can_be_missed(recipe, chest):
    film, terrain = chest
    faint = Cell(0.018, 0.001, "upper")

    planted = plant_cell(film, recipe, faint, lesion_generator(1), terrain=terrain)

    assert 0 == planted.lesions[0].rise
    assert "upper" == planted.lesions[0].zone


def test_a_film_without_room_for_a_lesion_says_so(recipe, chest):
    film, terrain = chest
    nowhere = replace(terrain, zones=np.full_like(terrain.zones, NO_ZONE))

    with pytest.raises(PlantingError, match=r"no room for a lesion of 5\.0% of the width"):
        plant_cell(film, recipe, Cell(0.05, 1.0, "upper"), lesion_generator(1), terrain=nowhere)


def test_a_tumor_has_the_size_and_strength_of_its_cell():
    recipe = read_recipe(CONFIGS / "mri-brain.yaml")

    tumor = tumor_of(recipe, Cell(0.1, 2.0, "inner"), lesion_generator(3))

    assert 0.1 == tumor.size
    assert 1.35 == pytest.approx(tumor.strength)


def test_a_display_curve_lost_detail_and_a_cut_range_show_in_the_look_of_a_film(chest):
    film, terrain = chest
    usual = look_of_film(film, terrain)
    dark = np.round(255 * (film / 255.0) ** 2).astype(np.uint8)
    cut = np.clip(film.astype(int) * 2 - 150, 0, 255).astype(np.uint8)
    coarse = film // 8 * 8

    assert usual["level"] - 0.1 > look_of_film(dark, find_chest(dark))["level"]
    assert usual["clipped"] + 0.1 < look_of_film(cut, find_chest(cut))["clipped"]
    assert usual["grey_levels"] - 2 > look_of_film(coarse, find_chest(coarse))["grey_levels"]


def test_an_inverted_film_looks_as_it_did():
    film = a_chest_film(256)

    upright, inverted = (look_of_film(one, find_chest(one)) for one in (film, 255 - film))

    for name, value in upright.items():
        assert value == pytest.approx(inverted[name], abs=1e-4), name


def test_a_film_of_more_pixels_and_bits_looks_as_it_did():
    film = a_chest_film(512)
    large = np.kron(film.astype(np.uint16) * 257, np.ones((3, 3), dtype=np.uint16))

    small, fine = (look_of_film(one, find_chest(one)) for one in (film, large))

    for name, value in small.items():
        assert value == pytest.approx(fine[name], abs=0.02), name
