"""From volumes to network inputs."""

from itertools import permutations, product

import numpy as np
import pytest

from medrec.domain.geometry import Geometry
from medrec.domain.volume import Volume
from medrec.errors import RefusedScanError
from medrec.preprocess.pipeline import ARITHMETIC, Preprocessor

SHAPE_LPS = (50, 60, 14)
SPACING_MM = (1.0, 1.0, 3.0)


def head():
    """A head-like ellipsoid along L, P, S with smooth, lopsided contents; air is exactly 0."""
    left, back, up = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE_LPS), indexing="ij")
    inside = (left / 0.8) ** 2 + (back / 0.7) ** 2 + (up / 1.6) ** 2 < 1
    return np.where(inside, 300 + 80 * left + 50 * back + 30 * up, 0).astype(np.float32)


def stored(voxels_lps, *, order=(0, 1, 2), flips=(1, 1, 1), depth=2, spacing=SPACING_MM):
    """Store LPS voxels with other axis order and directions, with the affine that says so."""
    voxels = voxels_lps.transpose(order)
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, (anatomical, sign) in enumerate(zip(order, flips, strict=True)):
        affine[anatomical, axis] = sign * spacing[anatomical]
        if sign < 0:
            voxels = np.flip(voxels, axis)
            affine[anatomical, 3] = (voxels.shape[axis] - 1) * spacing[anatomical]
    slice_axis = order.index(depth)
    return Volume(
        np.ascontiguousarray(voxels)[None],
        Geometry(affine),
        slice_axis,
        ("scan",) * voxels.shape[slice_axis],
    )


def film(pixels):
    return Volume(pixels.T[None, :, :, None].astype(np.float32), None, 2, ("film",))


# Every fifth of the 48: each axis order and each set of directions comes up.
STORINGS = list(product(permutations(range(3)), product((1, -1), repeat=3)))[::5]


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_same_scan_gives_the_same_input_however_its_axes_are_stored(depth):
    prepare = Preprocessor(size_px=40)
    expected = prepare(stored(head(), depth=depth))

    for order, flips in STORINGS:
        found = prepare(stored(head(), order=order, flips=flips, depth=depth))
        assert np.allclose(expected.images, found.images, atol=1e-4)


@pytest.mark.parametrize("crop", ["none", "foreground"])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_bright_spot_is_found_again_in_the_source_slice(depth, crop):
    spot = (33, 22, 8)
    voxels = head()
    voxels[spot] = 3000
    prepare = Preprocessor(size_px=112, crop=crop, upper=100.0, lower=0.0)

    for order, flips in STORINGS:
        volume = stored(voxels, order=order, flips=flips, depth=depth)
        result = prepare(volume)
        row, _, y, x = np.unravel_index(int(result.images.argmax()), result.images.shape)
        source = result.to_source @ (x, y, 1)
        picture = volume.slice_px(result.slices[row])
        expected = np.unravel_index(picture.argmax(), picture.shape)[::-1]
        assert picture.max() == 3000
        assert expected == pytest.approx(source[:2], abs=0.5)


def test_a_shrunk_film_keeps_its_spot_in_place():
    pixels = np.full((300, 200), 100.0)
    pixels[20:280, 20:180] = 500
    pixels[220:223, 40:43] = 1000
    result = Preprocessor(size_px=64, upper=100)(film(pixels))

    _, _, y, x = np.unravel_index(int(result.images.argmax()), result.images.shape)

    assert (41, 221) == pytest.approx((result.to_source @ (x, y, 1))[:2], abs=300 / 64 / 2)


def test_axial_slices_show_the_left_on_the_right_and_the_back_below():
    voxels = head()
    voxels[30:34, 40:44] *= 5  # left, back

    image = Preprocessor(size_px=60, crop="none", upper=100)(stored(voxels)).images[7, 0].numpy()

    y, x = np.unravel_index(image.argmax(), image.shape)
    assert x > 30
    assert y > 30


@pytest.mark.parametrize("depth", [0, 1])
def test_sagittal_and_coronal_slices_show_the_head_up(depth):
    voxels = head()
    voxels[..., 11:] *= 5

    image = Preprocessor(size_px=60, crop="none")(stored(voxels, depth=depth)).images[20, 0].numpy()

    assert np.unravel_index(image.argmax(), image.shape)[0] < 30


def test_a_film_is_shown_as_displayed():
    pixels = np.random.default_rng(1).uniform(50, 200, (32, 32))

    image = Preprocessor(size_px=32, crop="none", lower=0, upper=100, foreground_fraction=0.001)(
        film(pixels)
    ).images[0, 0]

    assert np.corrcoef(pixels.ravel(), image.numpy().ravel())[0, 1] > 0.999


@pytest.mark.parametrize(("factor", "offset"), [(0.01, 0.0), (37.5, 0.0), (3.0, -1000.0)])
def test_another_linear_scale_gives_the_same_input(factor, offset):
    prepare = Preprocessor(size_px=40)

    expected = prepare(stored(head())).images
    found = prepare(stored((head() * factor + offset).astype(np.float32))).images

    assert np.allclose(expected, found, atol=1e-4)


def test_one_bright_pixel_in_the_air_does_not_widen_the_crop():
    noisy = head()
    noisy[0, 0, 3] = 200

    expected = Preprocessor(size_px=40)(stored(head())).to_source

    assert np.allclose(expected, Preprocessor(size_px=40)(stored(noisy)).to_source)


def test_the_aspect_in_millimetres_is_kept():
    square = np.ones((20, 40, 3), dtype=np.float32)
    square[:, :, 0] = 0
    volume = stored(square, spacing=(2.0, 1.0, 5.0))

    images = Preprocessor(size_px=40)(volume).images

    assert (images[0] > 0.5).float().mean() > 0.99


def test_the_shorter_side_is_padded():
    images = Preprocessor(size_px=40, lower=0)(film(np.pad(np.ones((20, 40)), 5))).images[0, 0]

    assert 0 == images[:9].max()
    assert images[20].min() > 0.9
    assert 0 == images[-9:].max()


def test_blank_slices_are_left_out():
    voxels = head()
    voxels[..., :3] = 0
    voxels[..., -2:] = 0
    volume = stored(voxels, flips=(1, 1, -1))

    result = Preprocessor(size_px=40)(volume)

    assert tuple(range(10, 1, -1)) == result.slices
    assert 9 == len(result.images)


def test_values_lie_between_0_and_1():
    images = Preprocessor(size_px=33)(stored(head())).images

    assert 0 == images.min()
    assert 0.95 < images.max() <= 1


@pytest.mark.parametrize("size_px", [32, 200])
def test_pictures_have_the_size_that_was_asked_for(size_px):
    images = Preprocessor(size_px=size_px)(stored(head())).images

    assert (1, size_px, size_px) == tuple(images.shape[1:])


def test_an_even_volume_is_blank():
    with pytest.raises(RefusedScanError, match="blank_image"):
        Preprocessor(size_px=32)(stored(np.full(SHAPE_LPS, 7, dtype=np.float32)))


@pytest.mark.parametrize("crop", ["none", "foreground"])
def test_a_black_film_with_a_few_specks_is_blank(crop):
    black = np.zeros((64, 64))
    black[30:34, 30:34] = 5

    with pytest.raises(RefusedScanError, match="blank_image"):
        Preprocessor(size_px=32, crop=crop)(film(black))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(value):
    voxels = head()
    voxels[3, 3, 3] = value

    with pytest.raises(RefusedScanError, match="non_finite"):
        Preprocessor(size_px=32)(stored(voxels))


def test_a_volume_that_can_not_be_written_to_is_left_as_it_was():
    volume = stored(head())
    volume.voxels.setflags(write=False)

    Preprocessor(size_px=32)(volume)

    assert np.array_equal(head(), volume.voxels[0])


def test_films_of_one_file_are_scaled_each_by_itself():
    pixels = np.random.default_rng(1).uniform(50, 200, (32, 32, 1)).astype(np.float32)
    volume = Volume(np.concatenate([pixels, 9 * pixels], axis=2)[None], None, 2, ("a", "a"))

    first, second = Preprocessor(size_px=32)(volume).images

    assert np.allclose(first, second, atol=1e-5)


def test_pixels_change_only_together_with_the_version_of_the_arithmetic():
    """Whoever changes these figures raises ARITHMETIC: caches hold what older code prepared."""
    images = Preprocessor(size_px=32)(stored(head())).images

    figures = [float(value) for value in (images.mean(), images.std(), images[6, 0, 10, 12])]
    assert (2, [0.3014, 0.303, 0.3064]) == (ARITHMETIC, pytest.approx(figures, abs=2e-4))
