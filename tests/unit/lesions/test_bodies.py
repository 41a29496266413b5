"""Bodies in three dimensions, and what lesions are drawn from."""

from __future__ import annotations

import numpy as np
import pytest

from medrec.lesions.bodies import Body, Ellipsoid, grow_body, path_length
from medrec.lesions.lesion import Lesion, Shape, lesion_generator
from medrec.lesions.recipe import FilmRecipe, Span, draw_lesion, pick
from medrec.lesions.zones import ZONES

GRID = np.linspace(-0.9, 0.9, 91)


def ball(x=0.0, y=0.0, z=0.0, radius=0.5):
    return Ellipsoid(np.array([x, y, z]), np.eye(3) / radius)


def through(*lobes, density=1.0):
    return path_length(Body(parts=((density, lobes),)), GRID[None, :], GRID[:, None])


def grown(shape, seed=1):
    return path_length(grow_body(Lesion(shape, 0.1, 0.3, seed)), GRID[None, :], GRID[:, None])


def test_a_ray_through_a_ball_passes_the_length_of_its_chord():
    distance = np.hypot(GRID[None, :], GRID[:, None])
    chord = 2 * np.sqrt(np.maximum(0.25 - distance**2, 0))

    assert np.allclose(chord, through(ball()))


def test_tissue_that_two_lobes_share_counts_once():
    assert np.allclose(through(ball()), through(ball(), ball(radius=0.3), ball(z=0.1, radius=0.2)))


def test_lobes_behind_each_other_add_up():
    apart = through(ball(z=-0.6, radius=0.2), ball(z=0.6, radius=0.2), ball(radius=0.2))

    assert 3 * 0.4 == pytest.approx(apart.max())


def test_the_length_of_a_union_is_that_of_counted_voxels():
    lobes = (ball(0.1, 0, 0.1, 0.3), ball(-0.2, 0.1, -0.2, 0.25), ball(0, -0.2, 0.3, 0.2))
    depth = np.linspace(-0.9, 0.9, 1801)
    inside = np.zeros((91, 91, 1801), dtype=bool)
    for lobe in lobes:
        x, y, z = lobe.centre
        square = (
            (GRID[None, :, None] - x) ** 2
            + (GRID[:, None, None] - y) ** 2
            + (depth[None, None, :] - z) ** 2
        )
        inside |= square < 1 / lobe.matrix[0, 0] ** 2

    assert np.allclose(inside.sum(axis=2) * 0.001, through(*lobes), atol=0.003)


@pytest.mark.parametrize("shape", Shape)
def test_every_shape_is_about_a_diameter_wide_and_thick(shape):
    for seed in range(12):
        path = grown(shape, seed)
        # Of a round body of diameter 1 the area is 0.79; ground glass and strands are thin.
        area = (path >= 0.2 * path.max()).sum() * 0.02**2

        assert 0.15 < area < 1.1
        assert 0.4 < path.max() < 3.1


def test_a_spiculated_outline_is_longer_than_a_round_one():
    def outline(shape):
        path = grown(shape)
        inside = path > 0.05 * path.max()
        return np.abs(np.diff(inside, axis=0)).sum() / np.sqrt(inside.sum())

    assert outline(Shape.SPICULATED) > 1.15 * outline(Shape.ROUND)


def test_calcium_holds_more_than_a_ball_of_tissue_could():
    assert max(grown(Shape.CALCIFIED, seed).max() for seed in range(8)) > 1.3


def test_a_part_solid_nodule_is_thinner_at_its_rim_than_a_solid_one():
    share = [(grown(shape) > 0.6 * grown(shape).max()).sum() for shape in Shape]
    by_shape = dict(zip(Shape, share, strict=True))

    assert by_shape[Shape.PART_SOLID] < by_shape[Shape.ROUND]


def test_only_ill_defined_and_part_solid_bodies_have_a_soft_edge():
    soft = {shape for shape in Shape if grow_body(Lesion(shape, 0.1, 0.3, 1)).softness > 0}

    assert {Shape.ILL_DEFINED, Shape.PART_SOLID} == soft


@pytest.mark.parametrize("shape", Shape)
def test_no_part_of_a_body_lies_beyond_its_reach(shape):
    wide = np.linspace(-1.5, 1.5, 301)
    for seed in range(12):
        body = grow_body(Lesion(shape, 0.1, 0.3, seed))
        path = path_length(body, wide[None, :], wide[:, None])
        beyond = np.maximum(np.abs(wide[None, :]), np.abs(wide[:, None])) > body.reach

        assert not path[beyond].any()


def test_seeds_give_other_bodies_and_the_same_seed_the_same():
    assert np.array_equal(grown(Shape.LOBULATED, 5), grown(Shape.LOBULATED, 5))
    assert not np.array_equal(grown(Shape.LOBULATED, 5), grown(Shape.LOBULATED, 6))


def test_a_generator_is_the_same_for_the_same_key_alone():
    draws = {lesion_generator(*key).integers(2**60) for key in ((1,), (1, 0), (1, 1), (2, 1))}

    assert len(draws) == 4
    assert lesion_generator(1, 2, 3).integers(10**6) == 624411


def test_a_generator_takes_numpys_whole_numbers():
    plain = lesion_generator(7, 3).integers(2**60)

    assert plain == lesion_generator(np.int32(7), np.uint8(3)).integers(2**60)


def test_a_lesion_without_size_or_strength_is_refused():
    for size, strength in ((0, 0.3), (0.6, 0.3), (0.1, 0), (0.1, -1)):
        with pytest.raises(ValueError, match="lesion's"):
            Lesion(Shape.ROUND, size, strength, 0)


def a_recipe(**changes):
    values = {
        "name": "test",
        "shapes": ((Shape.ROUND, 3.0), (Shape.CALCIFIED, 1.0), (Shape.LOBULATED, 0.0)),
        "zones": tuple((zone, 1.0) for zone in ZONES),
        "size": Span(0.02, 0.2, 2),
        "gain": Span(2.0, 3.0),
        "most_strength": 0.8,
    }
    return FilmRecipe(**{**values, **changes})


def test_shapes_are_drawn_by_their_shares():
    rng = lesion_generator(0)
    drawn = [pick(a_recipe().shapes, rng) for _ in range(2000)]

    assert drawn.count(Shape.ROUND) / 2000 == pytest.approx(0.75, abs=0.04)
    assert Shape.LOBULATED not in drawn


def test_sizes_stay_in_their_span_and_small_ones_are_more_common():
    rng = lesion_generator(0)
    sizes = np.array([draw_lesion(a_recipe(), rng).size for _ in range(400)])

    assert 0.02 <= sizes.min()
    assert sizes.max() <= 0.2
    assert np.median(sizes) == pytest.approx(0.02 + 0.18 / 4, abs=0.015)


def test_strength_follows_from_the_tissue_and_is_capped():
    rng = lesion_generator(0)
    drawn = [draw_lesion(a_recipe(), rng) for _ in range(200)]
    solid = [one.strength / one.size for one in drawn if one.shape is Shape.ROUND]

    assert 1.6 < min(solid)
    assert max(solid) < 3.3
    assert max(one.strength for one in drawn) <= 0.8


def test_a_span_that_is_none_is_refused():
    for low, high, skew in ((0, 1, 1), (2, 1, 1), (1, float("inf"), 1), (1, 2, 4)):
        with pytest.raises(ValueError, match="span"):
            Span(low, high, skew)
