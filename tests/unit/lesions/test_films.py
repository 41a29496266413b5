"""Lesions in chest films: what changes, what stays, and what is told of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from chest_factory import a_chest_film
from scipy import ndimage

from medrec.errors import PlantingError
from medrec.lesions.chest import find_chest
from medrec.lesions.films import choose_place, plant, plant_film
from medrec.lesions.lesion import Lesion, Shape, lesion_generator
from medrec.lesions.profile import profile_of
from medrec.lesions.recipe import FilmRecipe, Span
from medrec.lesions.zones import NO_ZONE, ZONES, ChestZone

RECIPE = FilmRecipe(
    name="all",
    shapes=tuple((shape, 1.0) for shape in Shape),
    zones=tuple((zone, 1.0) for zone in ZONES),
    size=Span(0.03, 0.2, 2),
    gain=Span(1.7, 4.0),
    most_strength=0.9,
)


GOLDEN_FORMS = [
    ("ill_defined", "diaphragm", 1208188287),
    ("round", "lower", 1525996578),
    ("round", "hilum", 303035586),
]
GOLDEN_OUTLINE = "cbb75280f87f0b91"
GOLDEN_PIXELS = "b0d733b4cc409bda"


@pytest.fixture(scope="module")
def film():
    return a_chest_film()


@pytest.fixture(scope="module")
def chest(film):
    return find_chest(film)


def a_lesion(shape=Shape.ROUND, size=0.12, strength=0.4, seed=3):
    return Lesion(shape, size, strength, seed)


def planted_in(film, chest, zone=ChestZone.MIDDLE, *, lesion=None, seed=1):
    lesion = a_lesion() if lesion is None else lesion
    place = choose_place(chest, lesion, lesion_generator(seed), zone=zone)
    return plant(film, lesion, place, terrain=chest)


@pytest.mark.parametrize("shape", Shape)
def test_pixels_beyond_the_margin_of_the_mask_are_unchanged(film, chest, shape):
    after = planted_in(film, chest, lesion=a_lesion(shape))
    found = after.lesions[0]
    distance = ndimage.distance_transform_edt(~found.full_mask(film.shape))
    beyond = distance > found.margin_px

    assert beyond.any()
    assert np.array_equal(film[beyond], after.pixels[beyond])


@pytest.mark.parametrize("shape", Shape)
def test_a_lesion_has_the_size_that_was_asked_for(film, chest, shape):
    found = planted_in(film, chest, lesion=a_lesion(shape, size=0.15)).lesions[0]

    assert found.diameter_px == pytest.approx(0.15 * chest.width_px)
    assert 0.55 < max(found.box.sides) / found.diameter_px < 1.5


def test_a_lesion_in_clear_lung_rises_by_its_strength_in_steps_of_the_film(film, chest):
    after = planted_in(film, chest, lesion=a_lesion(size=0.2, strength=0.3))
    rise = after.pixels.astype(float) - film

    assert rise.max() == pytest.approx(0.3 * chest.tone.step, rel=0.1)


def test_the_rise_is_measured_on_the_pixels(film, chest):
    after = planted_in(film, chest)
    found = after.lesions[0]
    rise = (after.pixels.astype(float) - film)[found.full_mask(film.shape)]

    assert found.rise == pytest.approx(rise.mean())


def test_a_noisy_film_gets_no_stronger_lesion_and_a_lower_contrast_to_noise():
    rises, ratios = [], []
    for noise in (1.0, 12.0):
        film = a_chest_film(noise=noise)
        chest = find_chest(film)
        found = plant(film, a_lesion(), (147.0, 235.0), terrain=chest).lesions[0]
        rises.append(found.rise / chest.tone.step)
        ratios.append(found.contrast_to_noise)

    assert rises[1] == pytest.approx(rises[0], rel=0.1)
    assert ratios[1] < 0.8 * ratios[0]


def test_the_local_noise_stays_under_a_lesion(film, chest):
    after = planted_in(film, chest, lesion=a_lesion(size=0.2, strength=0.4))
    inside = ndimage.binary_erosion(after.lesions[0].full_mask(film.shape), iterations=15)

    def noise(pixels):
        fine = pixels - ndimage.gaussian_filter(pixels.astype(float), 1.5)
        return fine[inside].std()

    assert noise(after.pixels) == pytest.approx(noise(film), rel=0.05)


def test_the_edge_gets_the_films_sharpness():
    sharp, soft = a_chest_film(noise=0.2), ndimage.gaussian_filter(a_chest_film(noise=0.2), 3)
    steepest = []
    for film in (sharp, soft):
        chest = find_chest(film)
        after = plant(film.astype(np.float32), a_lesion(strength=0.6), (147, 235), terrain=chest)
        rise = after.pixels - film.astype(np.float32)
        steepest.append(np.abs(np.diff(rise, axis=1)).max() / rise.max())

    assert steepest[1] < 0.8 * steepest[0]


def test_the_same_lesion_shows_less_before_the_heart_than_in_clear_lung(film, chest):
    lung = planted_in(film, chest, ChestZone.MIDDLE).lesions[0]
    heart = planted_in(film, chest, ChestZone.HEART).lesions[0]

    assert heart.rise < 0.8 * lung.rise


def test_where_grey_is_attenuation_a_lesion_rises_alike_everywhere(film):
    chest = find_chest(film, is_log=True)
    lung = planted_in(film, chest, ChestZone.MIDDLE).lesions[0]
    heart = planted_in(film, chest, ChestZone.HEART).lesions[0]

    assert heart.rise == pytest.approx(lung.rise, rel=0.1)


def test_an_inverted_film_gets_the_inverted_lesion(film, chest):
    place = (147.0, 235.0)
    upright = plant(film, a_lesion(), place, terrain=chest)
    inverted = plant(255 - film, a_lesion(), place, terrain=find_chest(255 - film))

    # A half is rounded to the even number, which inversion makes odd.
    assert np.abs((255 - inverted.pixels).astype(int) - upright.pixels).max() <= 1
    assert inverted.lesions[0].rise == pytest.approx(upright.lesions[0].rise, abs=0.2)


@pytest.mark.parametrize("zone", ZONES)
def test_a_marker_changes_nothing_of_what_an_inverted_film_gets(zone):
    film = a_chest_film()
    film[40:44, 40] = 255  # brighter than any pixel of a small copy
    upright, inverted = find_chest(film), find_chest(255 - film)
    place = choose_place(upright, a_lesion(), lesion_generator(1), zone=zone)

    wanted = plant(film, a_lesion(), place, terrain=upright).lesions[0].rise
    found = plant(255 - film, a_lesion(), place, terrain=inverted).lesions[0].rise

    assert found == pytest.approx(wanted, abs=0.2)


def test_a_film_of_shares_gets_lesions_too(film):
    shares = film.astype(np.float32) / 255

    planted = plant_film(shares, RECIPE, lesion_generator(0), count=3, terrain=find_chest(shares))

    assert 3 == len(planted.lesions)
    assert 0 < planted.lesions[0].rise < 1


def test_a_tiny_film_gets_the_lesions_that_it_can_show():
    film = a_chest_film(64)
    chest, tiny = find_chest(film), replace(RECIPE, size=Span(0.015, 0.06))

    for number in range(20):
        planted = plant_film(film, tiny, lesion_generator(number), count=2, terrain=chest)
        assert planted.lesions
        assert all(np.isfinite(one.rise) and one.mask.any() for one in planted.lesions)


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("diameter_px", [0.5, 1.0, 2.0, 3.5])
def test_a_pixel_shows_the_mean_of_what_it_holds(shape, diameter_px):
    facts = {"edge_px": 0.8, "shape": (64, 64)}
    lesion = a_lesion(shape)
    totals = [
        profile_of(lesion, place=(x, 31.7), diameter_px=diameter_px, **facts).rise.sum()
        for x in (30.0, 30.25, 30.5, 30.9)
    ]
    large = profile_of(
        lesion, place=(256.0, 256.0), diameter_px=64.0, edge_px=0.8, shape=(512, 512)
    )

    # The same tissue wherever the lesion lies between pixels, and as much as a large one holds.
    assert totals == pytest.approx([np.mean(totals)] * 4, rel=0.12)
    assert np.mean(totals) == pytest.approx(large.rise.sum() * (diameter_px / 64) ** 2, rel=0.15)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_a_film_keeps_its_dtype_and_its_range(film, dtype):
    pixels = film.astype(dtype) * (1 if dtype == np.uint8 else 16)
    after = plant_film(pixels, RECIPE, lesion_generator(0), count=3, terrain=find_chest(pixels))

    assert after.pixels.dtype == dtype
    assert after.pixels.max() <= pixels.max()
    assert after.pixels.min() >= pixels.min()
    assert pixels is not after.pixels


def test_the_film_that_came_in_is_left_as_it_was(film, chest):
    copy = film.copy()

    plant_film(film, RECIPE, lesion_generator(1), count=3, terrain=chest)

    assert np.array_equal(copy, film)


@pytest.mark.parametrize("zone", ZONES)
def test_a_lesion_lies_in_the_zone_that_was_asked_for(film, chest, zone):
    found = planted_in(film, chest, zone, lesion=a_lesion(size=0.06)).lesions[0]

    assert found.zone == zone


def test_no_middle_of_a_lesion_ever_lies_outside_the_chest(film, chest):
    for number in range(60):
        after = plant_film(film, RECIPE, lesion_generator(2, number), count=2, terrain=chest)
        for found in after.lesions:
            x, y = found.box.centre
            cell = chest.zones[int(y // chest.cell_px), int(x // chest.cell_px)]
            nearby = chest.room_px[int(y // chest.cell_px), int(x // chest.cell_px)]
            assert cell != NO_ZONE or nearby < found.diameter_px


def test_lesions_of_one_film_lie_apart(film, chest):
    for number in range(20):
        found = plant_film(
            film, RECIPE, lesion_generator(3, number), count=3, terrain=chest
        ).lesions
        masks = sum(one.full_mask(film.shape).astype(int) for one in found)

        assert masks.max() == 1


def test_the_box_is_the_smallest_around_the_mask(film, chest):
    found = planted_in(film, chest).lesions[0]
    rows, columns = np.nonzero(found.full_mask(film.shape))

    assert (found.box.x0, found.box.y0) == (columns.min(), rows.min())
    assert (found.box.x1, found.box.y1) == (columns.max() + 1, rows.max() + 1)


def test_the_diameter_is_in_mm_where_the_spacing_is_known(film, chest):
    found = plant(film, a_lesion(), (147.0, 235.0), terrain=chest, spacing_mm=0.7).lesions[0]

    assert found.diameter_mm == pytest.approx(0.7 * found.diameter_px)
    assert plant(film, a_lesion(), (147.0, 235.0), terrain=chest).lesions[0].diameter_mm is None


def test_the_same_seed_gives_the_same_film_and_another_epoch_another(film, chest):
    first = plant_film(film, RECIPE, lesion_generator(7, 4, 0), count=2, terrain=chest)
    again = plant_film(film, RECIPE, lesion_generator(7, 4, 0), count=2, terrain=chest)
    other = plant_film(film, RECIPE, lesion_generator(7, 4, 1), count=2, terrain=chest)

    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, other.pixels)


def test_a_place_outside_the_chest_is_refused(film, chest):
    for place in ((5.0, 5.0), (-10.0, 40.0), (9000.0, 200.0)):
        with pytest.raises(PlantingError, match="where no lesion may"):
            plant(film, a_lesion(), place, terrain=chest)


def test_a_film_of_another_shape_than_the_chests_is_refused(film, chest):
    with pytest.raises(PlantingError, match="of another film"):
        plant(film[:400], a_lesion(), (147.0, 235.0), terrain=chest)


def test_where_there_is_no_room_the_zone_is_named(chest):
    full = replace(chest, zones=np.full_like(chest.zones, NO_ZONE))

    with pytest.raises(PlantingError, match="heart"):
        choose_place(full, a_lesion(), lesion_generator(0), zone=ChestZone.HEART)


def test_the_lesions_of_a_seed_are_those_of_every_platform(film, chest):
    found = plant_film(film, RECIPE, lesion_generator(11), count=3, terrain=chest)
    forms = [(one.lesion.shape, one.zone, one.lesion.seed) for one in found.lesions]
    outline = hashlib.sha256(
        b"".join(np.packbits(one.full_mask(film.shape)).tobytes() for one in found.lesions)
    ).hexdigest()

    assert GOLDEN_FORMS == forms
    assert GOLDEN_OUTLINE == outline[:16]
    assert GOLDEN_PIXELS == hashlib.sha256(found.pixels.tobytes()).hexdigest()[:16]
