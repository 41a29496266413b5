from __future__ import annotations

import numpy as np
import pytest

from medrec.domain.codes import NoteCode
from medrec.domain.volume import Volume
from medrec.preprocess.films import has_bright_air, invert, largest_body
from medrec.preprocess.pipeline import Preprocessor


def a_breast(*, marker=False, width=80, height=100, air=5.0):
    """A film (W, H): tissue of a half disc at the left edge, grey 100 to 200, and air around it."""
    x, y = np.indices((width, height))
    radius = np.hypot(x, y - height / 2)
    tissue = 100 + 100 * np.cos(radius / 12) ** 2
    film = np.where(radius < 0.4 * height, tissue, air).astype(np.float32)
    if marker:
        film[-12:-4, 4:14] = 250.0
    return film


def as_volume(film):
    return Volume(film[None, :, :, None].astype(np.float32), None, 2, ("film",))


def test_a_film_with_bright_air_is_found_out_and_one_with_dark_air_is_not():
    film = a_breast(marker=True)

    assert has_bright_air(invert(film))
    assert not has_bright_air(film)


@pytest.mark.parametrize("turns", range(4))
def test_the_side_that_the_breast_touches_does_not_matter(turns):
    film = np.ascontiguousarray(np.rot90(a_breast(), turns))

    assert (False, True) == (has_bright_air(film), has_bright_air(invert(film)))


def test_inverting_twice_gives_the_film_back():
    film = a_breast()

    assert np.allclose(film, invert(invert(film)))


def test_an_inverted_film_is_prepared_as_the_right_one_and_a_note_says_so():
    prepare = Preprocessor(size_px=64, polarity="dark_air")
    film = a_breast()

    right, wrong = prepare(as_volume(film)), prepare(as_volume(invert(film)))

    assert np.allclose(right.images, wrong.images, atol=1e-5)
    assert [] == [note.code for note in right.notes]
    assert [NoteCode.POLARITY_NORMALISED] == [note.code for note in wrong.notes]


def test_without_being_asked_polarity_stays_as_stored():
    prepare = Preprocessor(size_px=64)

    wrong = prepare(as_volume(invert(a_breast())))

    assert () == wrong.notes
    assert not np.allclose(wrong.images, prepare(as_volume(a_breast())).images, atol=0.1)


def test_a_side_marker_changes_nothing_where_the_background_is_blackened():
    prepare = Preprocessor(size_px=64, background="black")

    plain, marked = (prepare(as_volume(a_breast(marker=with_it))) for with_it in (False, True))

    assert np.allclose(plain.images, marked.images, atol=1e-5)
    assert np.array_equal(plain.to_source, marked.to_source)


def test_a_side_marker_is_seen_where_the_background_stays():
    prepare = Preprocessor(size_px=64)

    plain, marked = (prepare(as_volume(a_breast(marker=with_it))) for with_it in (False, True))

    assert not np.allclose(plain.images, marked.images, atol=0.1)


def test_the_largest_piece_stays_whole_with_its_holes():
    mask = np.zeros((60, 60), dtype=bool)
    mask[5:40, 5:40] = True
    mask[15:20, 15:20] = False
    mask[50:58, 50:58] = True

    body = largest_body(mask)

    assert body[5:40, 5:40].all()
    assert not body[48:, 48:].any()


def test_a_mask_without_foreground_stays_empty():
    assert not largest_body(np.zeros((8, 8), dtype=bool)).any()
