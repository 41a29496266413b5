"""Pairs of pictures for a person to look at."""

import numpy as np
import pytest
from PIL import Image

from medrec.data.contact_sheet import MOST_PAIRS, write_contact_sheet
from medrec.data.duplicates import Near
from medrec.data.thumbnails import SIZE_PX


@pytest.fixture
def shown(tmp_path):
    thumbnails = np.zeros((3, 2, SIZE_PX, SIZE_PX), np.uint8)
    for number, grey in enumerate((60, 120, 180)):
        thumbnails[number] = grey

    def draw(*pairs):
        path = tmp_path / "sheet.png"
        write_contact_sheet(path, thumbnails, pairs, ["1", "2", "3"])
        return np.asarray(Image.open(path))

    return draw


def test_the_two_pictures_of_a_pair_stand_side_by_side_with_a_line_between(shown):
    sheet = shown(Near(0, 2, 0.99))
    middle = sheet[100]

    assert 60 == middle[10]
    assert 255 == middle[2 * SIZE_PX + 1]
    assert 180 == middle[2 * SIZE_PX + 10]


def test_each_pair_has_a_line_of_text_above(shown):
    sheet = shown(Near(0, 1, 0.99), Near(1, 2, 0.93))
    width = sheet.shape[1] // 3

    assert sheet[:18, :width].min() < 50
    assert sheet[:18, width : 2 * width].min() < 50
    assert 255 == sheet[:18, 2 * width :].min()


def test_no_more_than_sixty_pairs_are_drawn(shown):
    sixty = shown(*[Near(0, 1, 0.95)] * MOST_PAIRS)

    assert sixty.shape == shown(*[Near(0, 1, 0.95)] * (MOST_PAIRS + 30)).shape


def test_nothing_half_written_is_left(shown, tmp_path):
    shown(Near(0, 1, 0.95))

    assert ["sheet.png"] == [path.name for path in tmp_path.iterdir()]
