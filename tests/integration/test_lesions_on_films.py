"""Lungs, polarity and lesions on real chest films, which the environment names."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medrec.errors import PlantingError
from medrec.lesions.build import read_film_recipe
from medrec.lesions.chest import find_chest
from medrec.lesions.films import plant_film
from medrec.lesions.lesion import lesion_generator
from medrec.lesions.zones import ZONES

pytestmark = pytest.mark.data

RECIPE = Path(__file__).parents[2] / "configs" / "lesions" / "xray-chest.yaml"


@pytest.fixture(scope="module")
def films():
    folder = Path(os.environ.get("MEDREC_TEST_DATA", "")) / "xray-chest-films"
    if not (folder / "cases.csv").is_file():
        pytest.skip("MEDREC_TEST_DATA names no folder with xray-chest-films/cases.csv")
    with (folder / "cases.csv").open(encoding="utf-8", newline="") as file:
        names = [row["image"] for row in csv.DictReader(file) if row["use"] == "plant"]
    return [np.asarray(Image.open(folder / name).convert("L")) for name in names[::8]]


@pytest.fixture(scope="module")
def chests(films):
    found = []
    for film in films:
        try:
            found.append((film, find_chest(film)))
        except PlantingError:
            continue
    return found


def test_a_chest_is_found_on_all_but_a_few_films(films, chests):
    assert len(films) > 60
    assert len(chests) / len(films) > 0.96


def test_every_zone_is_found_and_no_film_is_taken_for_inverted(chests):
    assert not any(chest.is_inverted for _, chest in chests)
    assert all(set(range(len(ZONES))) <= set(chest.zones.flat) for _, chest in chests)


def test_inverted_films_are_told_and_have_the_same_zones(chests):
    inverted = [find_chest(255 - film) for film, _ in chests]

    assert all(chest.is_inverted for chest in inverted)
    assert all(
        np.array_equal(chest.zones, other.zones)
        for (_, chest), other in zip(chests, inverted, strict=True)
    )


def test_lesions_of_the_recipe_fit_on_every_film(chests):
    recipe = read_film_recipe(RECIPE)
    planted = [
        plant_film(film, recipe, lesion_generator(0, number), terrain=chest)
        for number, (film, chest) in enumerate(chests)
    ]

    assert [1] * len(chests) == [len(film.lesions) for film in planted]
    assert all(one.rise >= 0.5 for film in planted for one in film.lesions)
