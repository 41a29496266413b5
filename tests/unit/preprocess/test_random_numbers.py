"""Chains that are seeded fast change pictures as MONAI's own seeding would."""

from copy import deepcopy

import pytest
import torch
from monai.data.meta_obj import get_track_meta

from medrec.config.preprocess import AugmentConfig
from medrec.preprocess.augment_volumes import VolumeAugmenter
from medrec.preprocess.build import build_augmenter

ALL = {
    "flip_left_right": 0.5, "affine": 0.8, "gamma": 0.5, "intensity": 0.5, "bias_field": 0.5,
    "noise": 0.5, "blur": 0.5, "low_resolution": 0.5, "dropout": 0.5,
}  # fmt: skip


@pytest.fixture
def augment():
    return build_augmenter(AugmentConfig(**ALL), size_px=32)


@pytest.fixture
def picture():
    return torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(1))


def by_monai(augment, picture, seed):
    augment._chain.set_random_state(seed=seed)
    return torch.as_tensor(augment._chain(picture.clone()))


def test_a_seed_gives_the_change_that_monai_gives(augment, picture):
    fast = [augment(picture, seed=seed) for seed in (0, 7, 2**32 - 1, *range(40))]
    slow = [by_monai(augment, picture, seed) for seed in (0, 7, 2**32 - 1, *range(40))]

    assert all(torch.equal(*pair) for pair in zip(fast, slow, strict=True))
    assert not torch.equal(fast[3], fast[4])


def test_volumes_change_as_monai_changes_them():
    augment = VolumeAugmenter(size=(8, 16, 16), affine=0.8, rotate_degrees=20, shift=0.1, noise=0.5,
                              noise_std=0.1, blur=0.5, gamma=0.5, gamma_range=(0.5, 2))  # fmt: skip
    volume = torch.rand(1, 8, 16, 16, generator=torch.Generator().manual_seed(1))

    fast = [augment(volume, seed=seed) for seed in range(20)]

    assert all(torch.equal(one, by_monai(augment, volume, n)) for n, one in enumerate(fast))


def test_a_copy_in_another_process_draws_the_same(augment, picture):
    copy = deepcopy(augment)  # as a loader's process gets one

    assert torch.equal(augment(picture, seed=3), copy(picture, seed=3))


def test_what_monai_tracks_elsewhere_stays_as_it_was(augment, picture):
    augment(picture, seed=1)

    assert get_track_meta()
