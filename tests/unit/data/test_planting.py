"""Lesions in rows of training: their pixels, labels and boxes, and that they come again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from chest_factory import a_chest_film
from PIL import Image
from planting_factory import RECIPE, noise

from medrec.data.build import build_cache, build_grey_cache
from medrec.data.dataset import prepare_slices
from medrec.data.detection import DetectionSlices
from medrec.data.grounds import film_in, prepare_grounds
from medrec.data.planting import Planting, PlantingRule
from medrec.domain.reference import Reference
from medrec.domain.volume import Volume
from medrec.lesions.build import read_film_recipe
from medrec.lesions.chest import find_chest
from medrec.lesions.films import plant
from medrec.lesions.lesion import Lesion, Shape
from medrec.preprocess.greys import GreyPreprocessor
from medrec.preprocess.pipeline import Preprocessor
from medrec.training.sampling import training_loader
from medrec.training.settings import FitSettings

CHAIN = Preprocessor(size_px=96, crop="none")
COUNT = 6


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Five chest films and, last, one of noise: prepared, with lesions in all that can be."""
    root = tmp_path_factory.mktemp("films")
    for number in range(COUNT):
        film = a_chest_film(160, seed=number) if number < COUNT - 1 else noise(160)
        Image.fromarray(film).save(root / f"{number}.png")
    rows = [
        Reference(f"{number}.png", f"{number}", {"nodule": False, "mass": None})
        for number in range(COUNT)
    ]
    grey, recipe = GreyPreprocessor(CHAIN), read_film_recipe(RECIPE)
    slices = prepare_slices(
        rows, root=root, prepare=CHAIN, labels=["mass", "nodule"],
        cache=build_cache(None, CHAIN, folder=root / "cache"),
    )  # fmt: skip
    grounds = prepare_grounds(
        [row.path for row in rows], root=root, prepare=grey, recipe=recipe, rules=None,
        cache=build_grey_cache(grey, anatomy="chest", folder=root / "cache"),
    )  # fmt: skip
    rule = PlantingRule(recipe, share=1.0, lesions=(2, 2), column=1)
    found = tuple(grounds.found.get(row.path) for row in rows)
    return replace(slices, planting=Planting(rule, grey, grounds.greys, found))


@pytest.fixture
def boxed(films):
    """The same for a detector of two classes, of which the second one is planted."""
    objects = torch.zeros(COUNT, 1, 5)
    objects[..., -1] = -1
    planting = replace(films.planting, rule=replace(films.planting.rule, box_class=1))
    facts = {name: getattr(films, name) for name in ("images", "targets", "references", "labels")}
    return DetectionSlices(**facts, objects=objects, planting=planting)


def shown(films, *, row=0, epoch=0, seed=1):
    return films.planting(films[row], seed=seed, row=row, epoch=epoch)


def with_share(films, share):
    rule = replace(films.planting.rule, share=share)
    return replace(films, planting=replace(films.planting, rule=rule))


def test_the_same_seed_row_and_epoch_give_the_same_lesions_and_others_give_others(films):
    image = shown(films)[0]

    assert torch.equal(image, shown(films)[0])
    assert not torch.equal(image, shown(films, epoch=1)[0])
    assert not torch.equal(image, shown(films, seed=2)[0])
    assert not torch.equal(image - films[0][0], shown(films, row=1)[0] - films[1][0])


def test_a_planted_film_has_the_label_and_unknown_ones_stay_unknown(films):
    _, targets = shown(films)

    assert 1 == targets[1]
    assert torch.isnan(targets[0])
    assert 0 == films.targets[0, 1]  # what is known of the file stays


def test_a_share_of_draws_gets_lesions_and_the_others_are_the_prepared_films(films):
    half = with_share(films, 0.5)
    drawn = [shown(half, epoch=epoch) for epoch in range(60)]

    planted = [bool(targets[1]) for _, targets in drawn]

    assert 18 < sum(planted) < 42
    assert all(
        torch.equal(films[0][0], image) != has_lesion
        for (image, _), has_lesion in zip(drawn, planted, strict=True)
    )


def test_a_film_without_a_chest_is_shown_as_it_is(films):
    assert [True] * (COUNT - 1) + [False] == [one is not None for one in films.planting.grounds]
    image, targets = shown(films, row=COUNT - 1)

    assert torch.equal(films[COUNT - 1][0], image)
    assert 0 == targets[1]


def test_boxes_lie_where_the_picture_changed_and_have_their_class(boxed):
    image, _, objects = shown(boxed)

    assert (2, 5) == objects.shape
    assert [1.0, 1.0] == objects[:, -1].tolist()
    change = (image - boxed[0][0])[0].abs()
    row, column = divmod(int(change.argmax()), change.shape[1])
    inside = [y0 <= row < y1 and x0 <= column < x1 for y0, x0, y1, x1, _ in objects.tolist()]
    assert [True] == [one for one in inside if one]
    assert change.max() > 0.05
    assert change.mean() < 0.1 * change.max()


def test_all_films_have_room_for_as_many_boxes(boxed):
    _, _, objects = shown(boxed, row=COUNT - 1)

    assert (2, 5) == objects.shape
    assert [-1.0, -1.0] == objects[:, -1].tolist()


def test_planted_boxes_are_among_those_that_anchors_are_fitted_to(boxed):
    sides = boxed.sides(range(COUNT))

    assert (2 * (COUNT - 1), 2) == sides.shape
    assert sides.min() >= 1


def test_rows_of_a_subset_are_planted_into_by_their_own_greys(films):
    part = films.subset([3, 5])

    assert [0] == part.planting.rows
    image, _ = shown(part)
    assert (image - films[3][0]).abs().mean() < 0.02


def test_as_many_targets_are_expected_to_be_positive_as_the_share_says(films):
    expected = with_share(films, 0.4).planting.expected(films.targets)

    assert 2 == (expected[:, 1] == 1).sum()
    assert 0 == (films.targets[:, 1] == 1).sum()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*worker processes:UserWarning")
def test_the_number_of_workers_changes_no_lesion(films):
    def batches(workers):
        settings = FitSettings(epochs=2, batch_size=3, workers=workers)
        loader = training_loader(films, settings, augment=None)
        loader.sampler.set_epoch(4)
        return list(loader)

    expected, found = batches(0), batches(2)

    assert 2 == len(expected)
    assert all(
        torch.equal(a, b)
        for one, other in zip(expected, found, strict=True)
        for a, b in zip(one, other, strict=True)
        if a.shape[1:] != (2,)
    )
    assert all(
        torch.equal(one[1][:, 1], other[1][:, 1])
        for one, other in zip(expected, found, strict=True)
    )


def _volume(film):
    voxels = film.T[None, :, :, None].astype(np.float32)
    return Volume(voxels, None, 2, ("film",))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("size_px", [256, 160])
@pytest.mark.parametrize(
    "fields",
    [
        {"crop": "none"},
        {"crop": "foreground", "crop_margin": 0.02, "background": "black"},
        {"crop": "none", "polarity": "dark_air"},
        {"crop": "none", "clip": False},
    ],
)
def test_a_lesion_planted_in_the_cache_looks_as_one_planted_in_the_file(
    dtype, inverted, size_px, fields
):
    film = a_chest_film(320)[20:].astype(dtype) * (16 if dtype is np.uint16 else 1)
    film = film.max() - film if inverted else film
    chain, terrain = Preprocessor(size_px=size_px, **fields), find_chest(film)
    grey = GreyPreprocessor(chain)
    lesion, (x, y) = Lesion(Shape.ROUND, 0.15, 0.6, seed=5), (0.3 * 320, 0.45 * 300)
    untouched = chain(_volume(film)).images[0, 0].numpy()
    in_file = plant(film, lesion, (x, y), terrain=terrain).pixels
    expected = chain(_volume(in_file)).images[0, 0].numpy()

    greys = grey(_volume(film))
    packed = greys.images[0, 0].numpy()
    where = film_in(packed)
    before = greys.scale.unpack(packed[where])
    to_source = np.array(greys.to_source).reshape(3, 3)
    step = float(to_source[0, 0])
    left, top, _ = np.linalg.solve(to_source, [x - 0.5, y - 0.5, 1]) + 0.5
    scaled = replace(
        terrain,
        shape=before.shape,
        width_px=terrain.width_px / step,
        cell_px=terrain.cell_px / step,
        edge_px=float(np.hypot(terrain.edge_px / step, 0.3)),  # a pixel's own blur
        zones=np.zeros_like(terrain.zones),
    )
    place = (left - where[1].start, top - where[0].start)
    after = plant(before, lesion, place, terrain=scaled).pixels
    found = untouched.copy()
    found[where] = grey.repaint(found[where], before, after, greys.scale)

    assert np.abs(expected - untouched).max() > 0.3
    assert np.abs(found - expected).max() < 0.05
    assert np.abs(found - expected).mean() < 0.0005


def test_greys_that_do_not_change_leave_the_picture_to_the_bit():
    film = a_chest_film(200)
    chain = Preprocessor(size_px=96, background="black")
    grey = GreyPreprocessor(chain)
    picture = chain(_volume(film)).images[0, 0].numpy()

    greys = grey(_volume(film))
    packed = greys.images[0, 0].numpy()
    where = film_in(packed)
    before = greys.scale.unpack(packed[where])

    assert np.array_equal(
        picture[where], grey.repaint(picture[where], before, before.copy(), greys.scale)
    )


def test_greys_of_eight_bits_come_back_whole():
    film = a_chest_film(96)

    greys = GreyPreprocessor(Preprocessor(size_px=96, crop="none"))(_volume(film))

    stored = np.round(greys.images[0, 0].numpy() * 65535).astype(np.uint16)
    found = greys.scale.unpack(stored.astype(np.float32) / 65535)
    assert np.array_equal(film, np.round(found).astype(np.uint8))


def test_where_lesions_may_lie_is_found_once_for_a_file(tmp_path, monkeypatch):
    Image.fromarray(a_chest_film(128)).save(tmp_path / "a.png")
    grey = GreyPreprocessor(CHAIN)

    def prepare():
        return prepare_grounds(
            ["a.png"], root=tmp_path, prepare=grey, recipe=read_film_recipe(RECIPE), rules=None,
            cache=build_grey_cache(grey, anatomy="chest", folder=tmp_path / "cache"),
        ).found  # fmt: skip

    first = prepare()
    monkeypatch.setattr("medrec.data.grounds.find_terrain", None)

    assert first == prepare()


def test_greys_of_another_anatomy_are_another_cache(tmp_path):
    grey = GreyPreprocessor(CHAIN)
    caches = {
        build_grey_cache(grey, anatomy=name, folder=tmp_path).pack.folder
        for name in ("chest", "breast")
    }

    assert 3 == len(caches | {build_cache(None, CHAIN, folder=tmp_path).pack.folder})
