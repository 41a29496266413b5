"""Small pictures by which two scans are compared."""

import numpy as np
import pytest

from medrec.data.thumbnails import SIZE_PX, to_thumbnail


def body(size=200, left=40, top=60):
    """A grey rectangle with a bright corner, in air."""
    picture = np.zeros((size, size), np.float32)
    picture[top : top + 80, left : left + 50] = 100
    picture[top : top + 20, left : left + 20] = 200
    return picture


def test_a_thumbnail_is_the_frame_and_the_body():
    frame, box = to_thumbnail(body())

    assert (SIZE_PX, SIZE_PX) == frame.shape == box.shape
    assert 0 == frame[0, 0]
    assert 255 == box[0, 0]
    assert box.min() > 0


def test_the_body_is_the_same_wherever_it_lies():
    one, other = to_thumbnail(body())[1], to_thumbnail(body(left=90, top=20))[1]

    assert np.abs(one.astype(int) - other).max() <= 2


@pytest.mark.parametrize(
    "change", [lambda x: 3 * x + 7, lambda x: -x, lambda x: x.astype(np.int16)]
)
def test_scale_and_polarity_and_type_do_not_matter(change):
    assert np.abs(to_thumbnail(body()).astype(int) - to_thumbnail(change(body()))).max() <= 1


def test_a_flat_picture_is_black():
    assert not to_thumbnail(np.full((50, 30), 9.0)).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (3, 4000), (96, 96)])
def test_any_shape_gives_a_thumbnail(shape):
    picture = np.random.default_rng(0).normal(size=shape)

    assert (2, SIZE_PX, SIZE_PX) == to_thumbnail(picture).shape
