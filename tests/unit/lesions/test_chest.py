"""Lungs, zones, polarity and scale of a chest film, from its pixels."""

from __future__ import annotations

import numpy as np
import pytest
from chest_factory import a_chest_film, lung_mask
from scipy import ndimage

from medrec.errors import PlantingError
from medrec.lesions.chest import _air, chest_of_lungs, find_chest
from medrec.lesions.chest_fit import ChestFrame
from medrec.lesions.chest_shape import lungs_at
from medrec.lesions.sharpness import edge_sigma
from medrec.lesions.zones import NO_ZONE, ZONES, ChestZone


@pytest.fixture(scope="module")
def film():
    return a_chest_film()


@pytest.fixture(scope="module")
def chest(film):
    return find_chest(film)


def zone_of(chest, zone):
    return chest.zones == ZONES.index(zone)


def test_lungs_are_found_where_they_were_drawn(chest):
    drawn = lung_mask(128)
    lung_zones = [
        ZONES.index(zone) for zone in (ChestZone.UPPER, ChestZone.MIDDLE, ChestZone.LOWER)
    ]
    found = np.isin(chest.zones, lung_zones)

    assert (found & drawn).sum() / found.sum() > 0.9
    assert ((chest.zones != NO_ZONE) & drawn).sum() / drawn.sum() > 0.9


def test_the_step_and_the_width_are_those_of_the_drawing(chest):
    assert chest.tone.step == pytest.approx(195 - 80, abs=12)
    assert chest.width_px == pytest.approx(0.72 * 512, rel=0.06)


@pytest.mark.parametrize("zone", ZONES)
def test_every_zone_has_room_on_a_film_of_the_whole_chest(chest, zone):
    assert zone_of(chest, zone).any()


def test_the_zones_lie_one_below_the_other(chest):
    rows = [
        np.nonzero(zone_of(chest, zone))[0].mean()
        for zone in (ChestZone.UPPER, ChestZone.MIDDLE, ChestZone.LOWER, ChestZone.DIAPHRAGM)
    ]

    assert sorted(rows) == rows


def test_the_heart_lies_between_the_lungs(chest):
    rows, columns = np.nonzero(zone_of(chest, ChestZone.HEART))
    lungs = lung_mask(128)

    assert 0 < rows.size
    assert all(lungs[row, :column].any() for row, column in zip(rows, columns, strict=True))


def test_an_inverted_film_has_the_same_chest_and_says_that_it_is_inverted(film, chest):
    inverted = find_chest(255 - film)

    assert inverted.is_inverted
    assert not chest.is_inverted
    assert np.array_equal(chest.zones, inverted.zones)
    assert inverted.tone.step == pytest.approx(chest.tone.step)


def test_the_callers_polarity_is_taken(film):
    assert not find_chest(film, is_inverted=False).is_inverted


@pytest.mark.parametrize("factor", [16, 0.01])
def test_grey_values_of_any_range_and_dtype_give_the_same_zones(film, chest, factor):
    scaled = (film.astype(np.float64) * factor).astype(np.uint16 if factor > 1 else np.float32)

    found = find_chest(scaled)

    assert np.array_equal(chest.zones, found.zones)
    assert found.tone.step == pytest.approx(chest.tone.step * factor, rel=1e-3)


def test_a_larger_film_has_a_larger_chest():
    large = find_chest(a_chest_film(1024))

    assert large.width_px == pytest.approx(2 * find_chest(a_chest_film(512)).width_px, rel=0.03)


def test_a_film_with_a_black_strip_beside_it_keeps_its_chest(film):
    wide = np.pad(film, ((0, 0), (0, 120)))

    found = find_chest(wide)

    assert found.width_px == pytest.approx(0.72 * 512, rel=0.1)
    assert not (found.zones[:, round(512 / found.cell_px) :] != NO_ZONE).any()


def test_no_lesion_may_lie_where_a_collimator_left_no_film(film):
    cut = film.copy()
    cut[:130] = 0

    found = find_chest(cut)

    assert lung_mask()[:120].any()
    assert not found.allowed[: 120 // 4].any()
    assert found.allowed[140 // 4 :].any()


def test_no_lesion_may_lie_in_the_air_beside_the_body(film, chest):
    air = film[:: film.shape[0] // 128, :: film.shape[1] // 128] < 30

    assert not (chest.allowed & air).any()


def test_a_mask_of_the_user_gives_the_field(film):
    chest = chest_of_lungs(film, lung_mask())

    assert not chest.is_inverted
    assert (chest.allowed & lung_mask(128)).sum() / lung_mask(128).sum() > 0.99


def test_a_mask_may_hold_numbers(film):
    numbers = np.where(lung_mask(), 255, 0).astype(np.uint8)

    assert np.array_equal(
        chest_of_lungs(film, lung_mask()).zones, chest_of_lungs(film, numbers).zones
    )


def test_lungs_whose_spine_lies_beside_the_film_are_refused(film):
    beside = ChestFrame(-0.1, 0.5, 0.4, 0.3, is_inverted=False, score=0.5)
    x, y = beside.coordinates(film.shape)
    assert lungs_at(x, y).any()

    with pytest.raises(PlantingError, match="outside the film"):
        _air(film.astype(np.float32), beside)


def test_a_mask_tells_polarity_too(film):
    assert chest_of_lungs(255 - film, lung_mask()).is_inverted


def test_sharpness_is_the_blur_that_was_put_on_a_step():
    step = np.zeros((200, 200))
    step[:, 100:] = 100

    for sigma in (1.0, 2.0, 3.0):
        assert edge_sigma(ndimage.gaussian_filter(step, sigma)) == pytest.approx(sigma, rel=0.1)


def test_noise_hardly_changes_the_sharpness_that_is_measured():
    rng = np.random.default_rng(0)
    step = np.where(np.arange(200) // 50 % 2, 150.0, 0.0)[None, :].repeat(200, 0)
    noisy = ndimage.gaussian_filter(step, 2.0) + rng.normal(0, 2, step.shape)

    assert edge_sigma(noisy) == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize(
    ("pixels", "problem"),
    [
        (np.full((256, 256), 90, np.uint8), "blank"),
        (np.zeros((256, 256), np.uint16), "blank"),
        (np.zeros((20, 20), np.uint8), "at least 64 px"),
        (np.zeros((256, 256, 3), np.uint8), "two axes"),
        (np.zeros((256, 256), dtype=bool), "not bool"),
        (np.full((256, 256), np.nan), "no finite number"),
        (np.random.default_rng(0).integers(0, 255, (256, 256)).astype(np.uint8), "no chest found"),
        (np.tile(np.arange(256, dtype=np.uint8), (256, 1)), "no chest found"),
    ],
)
def test_what_is_no_chest_film_is_refused_with_what_was_wanted(pixels, problem):
    with pytest.raises(PlantingError, match=problem):
        find_chest(pixels)


def test_a_film_without_contrast_between_lung_and_mediastinum_is_refused(film):
    flat = np.full(film.shape, 100.0)
    flat[0, 0], flat[-1, -1] = 0, 255

    with pytest.raises(PlantingError, match="no scale for a lesion"):
        chest_of_lungs(flat, lung_mask())


def test_a_mask_of_another_shape_is_refused(film):
    with pytest.raises(PlantingError, match="wanted shape"):
        chest_of_lungs(film, lung_mask(256))
