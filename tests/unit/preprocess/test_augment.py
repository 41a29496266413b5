"""Random changes while training."""

import pytest
import torch

from medrec.config.preprocess import AugmentConfig
from medrec.errors import ConfigError
from medrec.preprocess import build as build_module
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


@pytest.mark.parametrize("kind", ["ghosting", "motion"])
def test_artefacts_change_the_image_by_its_seed_alone(image, kind):
    augment = build_augmenter(
        AugmentConfig.model_validate({**dict.fromkeys(KINDS, 0.0), kind: 1.0}), size_px=48
    )
    torch.manual_seed(1)
    expected = augment(image, seed=3)
    torch.manual_seed(2)
    drawn = torch.rand(1)
    torch.manual_seed(2)

    found = augment(image, seed=3)

    assert torch.equal(expected, found)
    assert torch.equal(drawn, torch.rand(1))  # the numbers of others are left alone
    assert (image.shape, torch.float32) == (found.shape, found.dtype)
    assert not torch.allclose(image, found, atol=1e-3)
    assert not torch.equal(found, augment(image, seed=4))


def test_artefacts_that_are_not_asked_for_leave_the_other_changes_as_they_were(image):
    expected = Augmenter(size_px=48, noise=1.0, noise_std=0.1)(image, seed=3)

    none = Augmenter(size_px=48, noise=1.0, noise_std=0.1, motion=None, ghosting=0.0)

    assert torch.equal(expected, none(image, seed=3))


def test_artefacts_without_torchio_are_refused_with_what_to_install(monkeypatch):
    monkeypatch.setattr(build_module, "find_spec", lambda _: None)
    build_augmenter(AugmentConfig(), size_px=48)

    with pytest.raises(ConfigError, match=r"(?s)augment\.motion.*pip install 'medrec\[torchio\]'"):
        build_augmenter(AugmentConfig(motion=0.1), size_px=48)
