from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from medrec.reporting.orientation import Turn
from medrec.reporting.pictures import (
    draw_pictures,
    overlay_heat,
    percentile_window,
    shrink,
    to_grey,
    to_png,
)


def pixels(data):
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image)


def test_a_window_maps_as_dicom_says():
    # PS3.3 C.11.2.1.2.1, the example with centre 2048 and width 4096.
    picture = np.array([[-10.0, 0.0, 4095.0, 5000.0]])

    assert to_grey(picture, (2048.0, 4096.0)).tolist() == [[0, 0, 255, 255]]


def test_values_that_are_no_numbers_become_black_or_white_without_a_warning():
    picture = np.array([[np.nan, np.inf, -np.inf, 0.5]])

    assert to_grey(picture, (0.5, 1.0)).tolist()[0][:3] == [0, 255, 0]


@pytest.mark.parametrize("picture", [np.zeros((4, 4)), np.full((4, 4), np.nan)])
def test_a_picture_of_one_value_has_a_window_all_the_same(picture):
    _, width = percentile_window(picture)

    assert width == 1.0


def test_what_is_unimportant_stays_grey():
    grey = np.full((8, 8), 100, dtype=np.uint8)

    assert (overlay_heat(grey, np.zeros((8, 8))) == 100).all()


def test_what_is_important_is_coloured_and_outlined():
    heat = np.zeros((9, 9))
    heat[2:7, 2:7] = 1.0
    mixed = overlay_heat(np.full((9, 9), 100, dtype=np.uint8), heat)

    assert mixed[2, 2].tolist() == [255, 255, 255]
    assert mixed[4, 4, 0] > mixed[4, 4, 2]
    assert mixed[0, 0].tolist() == [100, 100, 100]


def test_pictures_have_square_pixels_and_512_px_at_most():
    drawn = draw_pictures(0, np.random.default_rng(0).normal(size=(20, 80)), turn=Turn(aspect=2.0))

    assert pixels(drawn.key).shape == (256, 512)
    assert drawn.heatmap is None


def test_picture_and_heat_map_are_turned_together():
    picture = np.zeros((40, 60))
    picture[:10] = 1.0
    drawn = draw_pictures(0, picture, picture, window=(0.5, 1.0), turn=Turn(flip_rows=True))

    assert pixels(drawn.key)[-20:].mean() > 250
    assert pixels(drawn.heatmap)[-20:, :, 0].mean() > pixels(drawn.heatmap)[:20, :, 0].mean()
    assert "as acquired" in drawn.window


def test_a_noisy_picture_is_shrunk_below_the_limit():
    noise = np.random.default_rng(0).uniform(size=(2000, 2000))
    data = to_png(noise, (0.5, 1.0))

    assert len(data) > 60_000
    assert len(shrink(data, limit=60_000)) <= 60_000
    assert max(pixels(data).shape) == 512


def test_a_small_picture_is_left_alone():
    data = to_png(np.zeros((10, 10)), (0.5, 1.0))

    assert data is shrink(data, limit=10_000)
