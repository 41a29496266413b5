"""Breasts in mammograms, and masses planted into them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from medrec.errors import PlantingError
from medrec.lesions.breast import find_breast
from medrec.lesions.build import read_film_recipe
from medrec.lesions.films import choose_place, plant, plant_film
from medrec.lesions.lesion import Lesion, Shape, lesion_generator
from medrec.lesions.zones import NO_ZONE, BreastZone, ChestZone

RECIPE = read_film_recipe(
    Path(__file__).parents[3] / "configs" / "lesions" / "xray-mammography.yaml"
)
MASS = Lesion(Shape.SPICULATED, 0.12, 0.5, 2)


def a_mammogram(side=384, *, seed=0):
    """A half ellipse at the left edge, gland within it, air and a marker beside it; uint8."""
    down, across = (np.mgrid[:side, :side] + 0.5) / side
    film = np.full((side, side), 4.0)
    film[(across / 0.6) ** 2 + ((down - 0.5) / 0.4) ** 2 < 1] = 90
    film[((across - 0.2) / 0.22) ** 2 + ((down - 0.5) / 0.2) ** 2 < 1] = 170
    film = ndimage.gaussian_filter(film, 2.0)
    film[20:40, 340:370] = 230
    noise = np.random.default_rng(seed).normal(0, 2, film.shape)
    return np.clip(np.round(film + noise), 0, 240).astype(np.uint8)


@pytest.fixture(scope="module")
def film():
    return a_mammogram()


@pytest.fixture(scope="module")
def breast(film):
    return find_breast(film)


def test_the_breast_is_found_without_air_and_marker(film, breast):
    step = round(breast.cell_px)
    small = film[step // 2 :: step, step // 2 :: step]

    assert breast.allowed.sum() / (small > 50).sum() > 0.8
    assert not (breast.allowed & (small < 30)).any()
    assert not breast.allowed[:20, 110:].any()


def test_gland_is_dense_and_what_surrounds_it_fatty(breast):
    middle, rim = breast.zones[64, 25], breast.zones[64, 66]

    assert (BreastZone.DENSE, BreastZone.FATTY) == (breast.names[middle], breast.names[rim])


def test_an_inverted_mammogram_has_the_same_breast(film, breast):
    inverted = find_breast(255 - film)

    assert inverted.is_inverted
    assert not breast.is_inverted
    assert np.array_equal(breast.zones, inverted.zones)


def test_a_mass_lies_in_the_zone_that_was_asked_for(film, breast):
    for zone in BreastZone:
        place = choose_place(breast, MASS, lesion_generator(1), zone=zone)

        assert zone == plant(film, MASS, place, terrain=breast).lesions[0].zone


def test_masses_of_the_recipe_change_the_breast_alone(film, breast):
    for number in range(15):
        after = plant_film(film, RECIPE, lesion_generator(number), count=2, terrain=breast)
        changed = after.pixels != film

        assert changed.any()
        assert not changed[:40, 340:].any()


def test_a_mass_in_a_mirrored_film_is_as_strong(film):
    found = find_breast(film[:, ::-1].copy())

    assert found.tone.step == pytest.approx(find_breast(film).tone.step, rel=0.05)


def test_a_zone_of_the_chest_is_none_of_the_breast(breast):
    with pytest.raises(PlantingError, match="wanted one of fatty, dense"):
        choose_place(breast, MASS, lesion_generator(1), zone=ChestZone.HEART)


def test_no_lesion_may_lie_beside_the_breast(film, breast):
    assert breast.zones[5, 120] == NO_ZONE
    with pytest.raises(PlantingError, match="where no lesion may"):
        plant(film, MASS, (360.0, 30.0), terrain=breast)


@pytest.mark.parametrize(
    ("pixels", "problem"),
    [
        (np.full((128, 128), 7, np.uint8), "blank"),
        (np.zeros((10, 10), np.uint8), "at least 64 px"),
        (np.random.default_rng(0).normal(100, 9, (128, 128)), "no air beside a breast"),
        (np.eye(128) * 200, "no breast found"),
    ],
)
def test_what_is_no_mammogram_is_refused_with_what_was_wanted(pixels, problem):
    with pytest.raises(PlantingError, match=problem):
        find_breast(pixels)


def test_a_breast_of_one_grey_is_refused():
    film = np.where(a_mammogram() > 50, 120, 0).astype(np.uint8)
    film[0, 0] = 255

    with pytest.raises(PlantingError, match="no scale for a lesion"):
        find_breast(film)
