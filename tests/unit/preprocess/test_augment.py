"""Random changes while training."""

import pytest
import torch

from medrec.config.preprocess import AugmentConfig
from medrec.preprocess.augment import Augmenter
from medrec.preprocess.build import build_augmenter

KINDS = {
    "flip_left_right": {},
    "affine": {"rotate_degrees": 15, "scale": 0.1, "shift": 0.1, "shear": 0.1},
    "gamma": {"gamma_range": (0.5, 0.6)},
    "intensity": {"intensity_scale": 0.2, "intensity_shift": 0.1},
    "bias_field": {"bias_field_strength": 0.3},
    "noise": {"noise_std": 0.1},
    "blur": {"blur_sigma_px": (1.0, 1.5)},
    "low_resolution": {"low_resolution_zoom": (0.4, 0.5)},
    "dropout": {"dropout_holes": 2, "dropout_side": 0.2},
}


@pytest.fixture
def image():
    return torch.rand(1, 48, 48, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_the_image_and_nothing_else(image, kind):
    before = image.clone()

    changed = Augmenter(size_px=48, **{kind: 1.0}, **KINDS[kind])(image, seed=1)

    assert torch.equal(before, image)
    assert image.shape == changed.shape
    assert torch.float32 == changed.dtype
    assert torch.Tensor is type(changed)
    assert not torch.allclose(image, changed, atol=1e-3)


def test_without_probabilities_nothing_changes(image):
    assert torch.equal(image, Augmenter(size_px=48)(image, seed=1))


def test_the_change_depends_on_the_seed_alone(image):
    augment = build_augmenter(AugmentConfig(), size_px=48)
    expected = augment(image, seed=7)

    augment(image, seed=8)

    assert torch.equal(expected, augment(image, seed=7))
    assert not torch.equal(expected, augment(image, seed=8))


def test_left_and_right_are_what_gets_flipped(image):
    flipped = Augmenter(size_px=48, flip_left_right=1.0)(image, seed=1)

    assert torch.equal(image.flip(-1), flipped)
