"""Shams: all that planting does, and no lesion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from chest_factory import a_chest_film
from scipy import ndimage

from medrec.errors import PlantingError
from medrec.lesions.chest import find_chest
from medrec.lesions.films import plant
from medrec.lesions.lesion import Lesion, Shape, lesion_generator
from medrec.lesions.shams import ShamKind, plant_sham
from medrec.lesions.zones import NO_ZONE

PLACE = (147.0, 235.0)
LESION = Lesion(Shape.ROUND, 0.12, 0.4, 3)


@pytest.fixture(scope="module")
def film():
    return a_chest_film()


@pytest.fixture(scope="module")
def chest(film):
    return find_chest(film)


def a_sham(film, chest, kind, *, seed=1, lesion=LESION):
    return plant_sham(film, lesion, PLACE, lesion_generator(seed), kind=kind, terrain=chest)


def change_by(film, sham):
    return sham.pixels.astype(float) - film


@pytest.mark.parametrize("kind", ShamKind)
def test_pixels_beyond_the_margin_of_a_sham_are_unchanged(film, chest, kind):
    sham = a_sham(film, chest, kind)
    rows, columns = np.indices(film.shape) + 0.5
    box, margin = sham.box, sham.margin_px
    outside = (columns < box.x0 - margin) | (columns > box.x1 + margin)
    outside |= (rows < box.y0 - margin) | (rows > box.y1 + margin)

    assert 0 < sham.energy
    assert np.array_equal(film[outside], sham.pixels[outside])


def test_a_bump_has_no_mean_and_the_lesions_energy(film, chest):
    lesion = plant(film, LESION, PLACE, terrain=chest)
    energy = ((lesion.pixels.astype(float) - film) ** 2).sum()
    sham = a_sham(film, chest, ShamKind.BUMP)

    assert abs(change_by(film, sham).sum()) < 0.02 * np.abs(change_by(film, sham)).sum()
    assert sham.energy == pytest.approx(energy, rel=0.05)


def test_tissue_hardly_moves_the_brightness_of_a_place(film, chest):
    lesion = plant(film, LESION, PLACE, terrain=chest)
    mask = lesion.lesions[0].full_mask(film.shape)
    sham = a_sham(film, chest, ShamKind.TISSUE)

    assert abs(change_by(film, sham)[mask].mean()) < 0.1 * lesion.lesions[0].rise


def test_tissue_keeps_the_texture_as_strong_as_it_was(film, chest):
    ratios = []
    for seed in range(8):
        sham = a_sham(film, chest, ShamKind.TISSUE, seed=seed)
        changed = ndimage.binary_erosion(change_by(film, sham) != 0, iterations=2)
        fine = [
            (pixels - ndimage.gaussian_filter(pixels.astype(float), 1.5))[changed].std()
            for pixels in (sham.pixels, film)
        ]
        ratios.append(fine[0] / fine[1])

    # Blended as plain shares, two textures would lose up to three tenths of their strength.
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("kind", ShamKind)
def test_a_sham_keeps_dtype_and_range_of_the_film(film, chest, kind):
    large = film.astype(np.uint16) * 16
    sham = a_sham(large, find_chest(large), kind)

    assert sham.pixels.dtype == np.uint16
    assert sham.pixels.max() <= large.max()


@pytest.mark.parametrize("kind", ShamKind)
def test_the_same_seed_makes_the_same_sham_and_another_seed_another(film, chest, kind):
    first, again = a_sham(film, chest, kind), a_sham(film, chest, kind)
    other = a_sham(film, chest, kind, seed=2)

    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, other.pixels)


@pytest.mark.parametrize("kind", ShamKind)
def test_a_sham_of_an_inverted_film_is_the_inverted_sham(film, chest, kind):
    upright = a_sham(film, chest, kind)
    inverted = a_sham(255 - film, find_chest(255 - film), kind)

    assert np.abs((255 - inverted.pixels).astype(int) - upright.pixels).max() <= 1


def test_a_zone_without_a_second_place_lends_no_tissue(film, chest):
    zones = np.full_like(chest.zones, NO_ZONE)
    row, column = int(PLACE[1] // chest.cell_px), int(PLACE[0] // chest.cell_px)
    zones[row, column] = 0
    alone = replace(chest, zones=zones)

    with pytest.raises(PlantingError, match="no second place"):
        a_sham(film, alone, ShamKind.TISSUE)
