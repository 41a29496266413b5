"""Brains in heads, and tumors planted into them in three dimensions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from head_factory import SHAPE, SPACING_MM, a_head, brain_mask
from scipy import ndimage

from medrec.domain.modality import Sequence
from medrec.errors import PlantingError
from medrec.lesions.brain import find_brain
from medrec.lesions.lesion import lesion_generator
from medrec.lesions.recipe import BrainRecipe, Span, draw_tumor
from medrec.lesions.tumors import BrainTumor, Pattern, fill_voxels
from medrec.lesions.volumes import choose_voxel, plant_tumor

RING = BrainTumor(Pattern.RING, 0.25, 0.8, 0.5, 0.5, 0.6, 4)
SOLID = replace(RING, pattern=Pattern.SOLID, necrosis=0.0)
PLACE = (30.0, 56.0, 7.5)


@pytest.fixture(scope="module")
def head():
    return a_head()


@pytest.fixture(scope="module")
def brain(head):
    return find_brain(head, spacing_mm=SPACING_MM)


def planted(head, brain, tumor=RING, *, sequence=Sequence.T1C):
    return plant_tumor({sequence: head}, tumor, PLACE, brain=brain)


def mean_of(after, head, part, *, sequence=Sequence.T1C):
    return (after.voxels[sequence].astype(float) - head)[part].mean()


def test_the_brain_is_found_within_the_skull(brain):
    drawn = brain_mask()

    assert (brain.inside & drawn).sum() / brain.inside.sum() > 0.99
    assert (brain.inside & drawn).sum() / drawn.sum() > 0.5
    assert brain.level == pytest.approx(100, abs=2)


def test_tumors_do_not_begin_in_the_ventricles(head, brain):
    fluid = ndimage.binary_erosion((head < 60) & brain.inside, np.ones((3, 3, 1)))

    assert fluid.any()
    assert not (brain.tissue & fluid).any()


def test_a_mask_of_the_user_is_the_brain(head):
    brain = find_brain(head, spacing_mm=SPACING_MM, mask=brain_mask())

    assert np.array_equal(brain_mask(), brain.inside)


def test_another_slice_axis_gives_the_same_brain(head, brain):
    turned = find_brain(np.moveaxis(head, 2, 0), spacing_mm=(9.0, 1.8, 1.8), slice_axis=0)

    assert np.array_equal(brain.inside, np.moveaxis(turned.inside, 0, 2))


def test_voxels_outside_the_window_are_unchanged(head, brain):
    after = planted(head, brain)
    outside = np.ones(SHAPE, dtype=bool)
    outside[after.window] = False

    assert outside.any()
    assert np.array_equal(head[outside], after.voxels[Sequence.T1C][outside])


def test_nothing_outside_the_brain_is_changed(head, brain):
    after = plant_tumor({Sequence.FLAIR: head}, replace(RING, oedema=1.0), PLACE, brain=brain)
    changed = after.voxels[Sequence.FLAIR] != head

    assert changed.any()
    assert not (changed & ~brain.inside).any()


def test_a_ring_is_bright_around_a_dark_middle_after_contrast_agent(head, brain):
    after = planted(head, brain)
    index = tuple(int(value) for value in PLACE)
    rim = after.core & (after.voxels[Sequence.T1C] > 1.3 * brain.level)

    assert after.voxels[Sequence.T1C][index] < 0.8 * brain.level
    assert rim.sum() > 0.2 * after.core.sum()


def test_a_solid_tumor_is_as_much_brighter_as_its_strength_says(head, brain):
    after = planted(head, brain, SOLID)
    middle = tuple(slice(int(value) - 1, int(value) + 2) for value in PLACE[:2])
    rise = after.voxels[Sequence.T1C][(*middle, int(PLACE[2]))].mean() / brain.level - 1

    assert rise == pytest.approx(0.8, rel=0.3)


def test_oedema_is_bright_on_flair_and_not_after_contrast_agent(head, brain):
    both = {Sequence.FLAIR: head, Sequence.T1C: head}
    after = plant_tumor(both, replace(RING, oedema=1.0), PLACE, brain=brain)
    oedema = after.whole & ~after.core

    assert oedema.sum() > after.core.sum()
    assert mean_of(after, head, oedema, sequence=Sequence.FLAIR) > 0.2 * brain.level
    assert mean_of(after, head, oedema) < 0.05 * brain.level


def test_without_oedema_the_whole_is_the_core(head, brain):
    after = planted(head, brain, replace(SOLID, oedema=0.0))

    assert np.array_equal(after.core, after.whole)


def test_a_voxel_that_a_tumor_fills_by_half_is_half_as_bright(head):
    shares = fill_voxels(
        replace(SOLID, oedema=0.0),
        shape=(60, 60, 9),
        offset=(30.0, 30.0, 4.5),
        spacing_mm=(1.0, 1.0, 8.0),
        diameter_mm=24.0,
    ).enhancing
    thin = fill_voxels(
        replace(SOLID, oedema=0.0),
        shape=(60, 60, 72),
        offset=(30.0, 30.0, 36.0),
        spacing_mm=(1.0, 1.0, 1.0),
        diameter_mm=24.0,
    ).enhancing

    assert ((shares > 0.1) & (shares < 0.9)).sum() > 0.2 * (shares > 0).sum()
    assert shares.sum() * 8 == pytest.approx(thin.sum(), rel=0.03)


def test_compartments_never_fill_more_than_a_voxel():
    filled = fill_voxels(
        replace(RING, oedema=1.0),
        shape=(50, 50, 10),
        offset=(25.0, 25.0, 5.0),
        spacing_mm=(1.5, 1.5, 6.0),
        diameter_mm=30.0,
    )

    assert (filled.enhancing + filled.necrosis + filled.oedema).max() <= 1 + 1e-12
    assert filled.necrosis.sum() > 0


def test_the_box_holds_the_core_with_z_along_the_slices(head, brain):
    after = planted(head, brain)
    i, j, k = np.nonzero(after.core)

    assert after.box.low == (i.min(), j.min(), k.min())
    assert after.box.high == (i.max() + 1, j.max() + 1, k.max() + 1)


def test_the_noise_within_a_tumor_is_that_of_the_scan():
    quiet, loud = (a_head(noise=noise) for noise in (1.0, 8.0))
    brain = find_brain(loud, spacing_mm=SPACING_MM)
    spread = []
    for head in (quiet, loud):
        after = planted(head, brain, replace(SOLID, oedema=0.0))
        spread.append(np.diff(after.voxels[Sequence.T1C][28:32, 54:58, 7].astype(float)).std())

    assert spread[1] > 3 * spread[0]


def test_contrast_to_noise_is_measured_and_falls_with_noise():
    found = []
    for noise in (1.0, 12.0):
        head = a_head(noise=noise)
        brain = find_brain(head, spacing_mm=SPACING_MM)
        found.append(planted(head, brain, SOLID).changes[Sequence.T1C])

    assert found[1].rise == pytest.approx(found[0].rise, rel=0.1)
    assert found[1].contrast_to_noise < found[0].contrast_to_noise


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_a_volume_keeps_its_dtype_and_is_not_changed_itself(head, dtype):
    stored = head.astype(dtype)
    copy = stored.copy()
    brain = find_brain(stored, spacing_mm=SPACING_MM)

    after = planted(stored, brain)

    assert after.voxels[Sequence.T1C].dtype == dtype
    assert np.array_equal(copy, stored)


def test_the_same_seed_gives_the_same_tumor_and_another_seed_another(head, brain):
    first, again = planted(head, brain), planted(head, brain)
    other = planted(head, brain, replace(RING, seed=5))

    assert np.array_equal(first.voxels[Sequence.T1C], again.voxels[Sequence.T1C])
    assert not np.array_equal(first.core, other.core)


def test_every_place_that_is_drawn_lies_in_the_brain(brain):
    rng = lesion_generator(1)
    for _ in range(50):
        index = tuple(int(value) for value in choose_voxel(brain, RING, rng))

        assert brain.inside[index]


def test_drawn_tumors_keep_to_their_recipe():
    recipe = BrainRecipe(
        name="test",
        patterns=((Pattern.RING, 1.0), (Pattern.SOLID, 1.0)),
        size=Span(0.05, 0.3, 2),
        strength=Span(0.3, 1.0),
        oedema=Span(0.1, 1.0),
        oedema_strength=Span(0.3, 0.8),
        necrosis=Span(0.3, 0.8),
        with_oedema=0.5,
    )
    rng = lesion_generator(3)
    drawn = [draw_tumor(recipe, rng) for _ in range(400)]

    assert {0.0} == {one.necrosis for one in drawn if one.pattern is Pattern.SOLID}
    assert min(one.necrosis for one in drawn if one.pattern is Pattern.RING) >= 0.3
    assert np.mean([one.oedema > 0 for one in drawn]) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(
    ("voxels", "problem"),
    [
        (np.zeros((64, 64), np.uint8), "three axes"),
        (np.zeros((64, 64, 10), np.uint8), "blank"),
        (np.full((64, 64, 10), np.nan), "no finite number"),
        (np.ones((8, 8, 8), np.uint8), "of 32 px"),
        (np.eye(64, dtype=np.uint8)[:, :, None].repeat(10, 2) * 200, "no head found"),
    ],
)
def test_what_is_no_head_is_refused_with_what_was_wanted(voxels, problem):
    with pytest.raises(PlantingError, match=problem):
        find_brain(voxels, spacing_mm=(1.0, 1.0, 5.0))


def test_what_cannot_be_planted_is_refused(head, brain):
    for voxels, place, problem in (
        ({}, PLACE, "not nothing"),
        ({Sequence.T2: head}, PLACE, "not t2"),
        ({Sequence.T1C: head[:50]}, PLACE, "one grid"),
        ({Sequence.T1C: head}, (1.0, 1.0, 1.0), "outside the brain"),
    ):
        with pytest.raises(PlantingError, match=problem):
            plant_tumor(voxels, RING, place, brain=brain)


def test_a_tumor_that_fills_no_voxel_is_refused(head, brain):
    with pytest.raises(PlantingError, match="fills no voxel"):
        planted(head, brain, replace(SOLID, size=0.005))


def test_a_tumor_out_of_range_is_refused():
    for change in ({"size": 0.7}, {"strength": 0.0}, {"oedema": -1.0}, {"necrosis": 1.0}):
        with pytest.raises(ValueError, match=r"tumor|necrosis"):
            replace(RING, **change)


def test_a_mask_of_numbers_is_the_brain_too(head):
    brain = find_brain(head, spacing_mm=SPACING_MM, mask=255 * brain_mask().astype(np.uint8))

    assert np.array_equal(brain_mask(), brain.inside)


@pytest.mark.parametrize("damage", [lambda v: v - 500.0, lambda v: np.where(v > 90, np.nan, v)])
def test_a_sequence_without_a_scale_of_its_own_is_refused(head, brain, damage):
    other = damage(head.astype(np.float32))

    with pytest.raises(PlantingError, match="t1c: the brain's median is"):
        plant_tumor({Sequence.FLAIR: head, Sequence.T1C: other}, RING, PLACE, brain=brain)


def test_a_tumor_at_the_brains_rim_is_no_brighter_than_one_within(head):
    place, solid = (30.0, 56.0, 7.5), replace(SOLID, oedema=0.0, strength=0.5, size=0.2)
    even = np.where(brain_mask(), 100.0, 0.0).astype(np.float32)
    brain = find_brain(even, spacing_mm=SPACING_MM, mask=brain_mask())
    column = int(np.flatnonzero(brain_mask()[30, :, 7])[0])

    within = plant_tumor({Sequence.T1C: even}, solid, place, brain=brain)
    rim = plant_tumor({Sequence.T1C: even}, solid, (30.0, column + 1.5, 7.5), brain=brain)

    assert rim.voxels[Sequence.T1C].max() <= 1.02 * within.voxels[Sequence.T1C].max()


def test_the_noise_is_that_of_the_brain_and_not_of_the_air_beside_it(head, brain):
    bright = head.astype(np.float32)
    bright[~brain.inside] *= 50  # a fatty scalp

    plain, found = planted(head.astype(np.float32), brain), planted(bright, brain)

    wanted = plain.changes[Sequence.T1C].contrast_to_noise
    assert found.changes[Sequence.T1C].contrast_to_noise == pytest.approx(wanted)
