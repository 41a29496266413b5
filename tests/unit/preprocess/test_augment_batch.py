"""Random changes of whole batches."""

import numpy as np
import pytest
import torch
from monai.transforms.spatial.array import Affine  # noqa: TID251 (what ours must equal)

from medrec.config.preprocess import AugmentConfig
from medrec.preprocess.augment import Augmenter
from medrec.preprocess.augment_batch import BATCHED, BatchAugmenter, to_affines
from medrec.preprocess.build import build_augmenter, build_batch_augmenter

SIDE = 24
KINDS = {
    "flip_left_right": {},
    "affine": {"rotate_degrees": 15, "scale": 0.1, "shift": 0.1, "shear": 0.1},
    "gamma": {"gamma_range": (0.5, 1.6)},
    "intensity": {"intensity_scale": 0.2, "intensity_shift": 0.1},
    "noise": {"noise_std": 0.1},
}


@pytest.fixture
def images():
    return torch.rand(6, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def seeds(count=6, start=0):
    return torch.arange(start, start + count)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_every_image_and_not_its_input(images, kind):
    before = images.clone()

    changed = BatchAugmenter(SIDE, **{kind: 1.0}, **KINDS[kind])(images, seeds())

    assert torch.equal(before, images)
    assert (images.shape, torch.float32) == (changed.shape, changed.dtype)
    assert ((images - changed).abs().amax((1, 2, 3)) > 1e-3).all()


def test_without_probabilities_nothing_changes(images):
    assert torch.equal(images, BatchAugmenter(SIDE)(images, seeds()))


def test_an_image_changes_by_its_own_seed_alone(images):
    augment = build_batch_augmenter(AugmentConfig(), size_px=SIDE)
    expected = augment(images, seeds())

    alone = torch.cat([augment(images[n : n + 1], seeds()[n : n + 1]) for n in (5, 2)])

    assert torch.allclose(expected[[5, 2]], alone, atol=1e-6)
    assert torch.equal(expected, augment(images, seeds()))
    assert not torch.equal(expected, augment(images, seeds(start=6)))


@pytest.mark.parametrize("number", range(4))
def test_the_geometry_is_that_of_monai(images, number):
    angle, *rest = np.random.default_rng(number).uniform(-0.2, 0.2, 7)
    shears, shifts, scales = np.reshape(rest, (3, 2))
    shifts, scales = 20 * shifts, 1 + scales
    expected = Affine(
        rotate_params=float(angle),
        shear_params=tuple(shears.tolist()),
        translate_params=tuple(shifts.tolist()),
        scale_params=tuple(scales.tolist()),
        padding_mode="zeros",
        image_only=True,
    )(images[0])

    theta = to_affines(np.array([angle]), shears[None], shifts[None], scales[None], side_px=SIDE)
    grid = torch.nn.functional.affine_grid(
        torch.from_numpy(theta).float(), [1, 1, SIDE, SIDE], align_corners=True
    )
    found = torch.nn.functional.grid_sample(images[:1], grid, align_corners=True)[0]

    assert torch.allclose(expected.as_tensor(), found, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_changes_are_distributed_as_those_of_the_workers(images, kind):
    """Mean and spread of three statistics over many draws, within four standard errors."""
    count, image = 800, images[0]
    options = {kind: 0.7, **KINDS[kind]}
    worker = Augmenter(size_px=SIDE, **options)
    expected = torch.stack([worker(image, seed=seed) for seed in range(count)])

    found = BatchAugmenter(SIDE, **options)(image.repeat(count, 1, 1, 1), seeds(count))

    for of in (_mean, _tilt, _deviation):
        a, b = of(expected), of(found)
        error = float((a.var() / count + b.var() / count).sqrt())
        assert float(a.mean()) == pytest.approx(float(b.mean()), abs=4 * error + 1e-6)
        assert float(a.std()) == pytest.approx(float(b.std()), rel=0.2, abs=1e-6)


def _mean(images):
    return images.mean((1, 2, 3))


def _tilt(images):
    """Right half less left half."""
    return images[..., SIDE // 2 :].mean((1, 2, 3)) - images[..., : SIDE // 2].mean((1, 2, 3))


def _deviation(images):
    return images.std((1, 2, 3))


def test_what_the_device_does_the_workers_leave():
    config = AugmentConfig()

    worker = build_augmenter(config, size_px=SIDE, without=BATCHED)
    device = build_batch_augmenter(config, size_px=SIDE)

    assert {0.0} == {getattr(worker, kind) for kind in BATCHED}
    assert config.bias_field == worker.bias_field
    assert all(getattr(config, kind) == getattr(device, kind) for kind in BATCHED)
