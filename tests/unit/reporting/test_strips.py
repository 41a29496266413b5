"""The slices through each region that a report shows."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from factories import TUMOR, a_finding, a_prediction, a_region, a_volume
from PIL import Image

from medrec.domain.box import Box
from medrec.domain.finding import RawRegion
from medrec.reporting.case_report import read_case_view, render_case, write_case_report
from medrec.reporting.case_view import CaseView
from medrec.reporting.orientation import Turn
from medrec.reporting.pictures import BOX_COLOUR, draw_pictures
from medrec.reporting.strips import draw_strips, slices_through

SOLID = Box(10, 12, 22, 20, 3, 6)
"""On slices 3, 4 and 5."""


def a_stack(source="s/{}.dcm", slices=9, bright=SOLID):
    """A volume of 40 columns x 48 rows, bright in a box."""
    voxels = np.zeros((1, 40, 48, slices), dtype=np.float32)
    x, y, z = (slice(int(a), int(b)) for a, b in zip(bright.low, bright.high, strict=True))
    voxels[0, x, y, z] = 100.0
    names = tuple(source.format(number) for number in range(slices))
    return a_volume(voxels=voxels, slice_sources=names, slice_axis=2, window=(50.0, 100.0))


def a_found(box=SOLID, number=4, source="s/4.dcm", probability=0.83, **facts):
    return a_region(box_px=box, slice=number, source=source, probability=probability, **facts)


def strips_of(*regions, volumes=None, turn=None, threshold=0.5):
    prediction = a_prediction(findings=(a_finding(threshold=threshold),), regions=regions)
    return draw_strips(prediction, [(one, turn or Turn()) for one in volumes or [a_stack()]])


def tiles_of(strip):
    """Each tile as RGB (112, 112, 3)."""
    with Image.open(BytesIO(strip.picture)) as opened:
        pixels = np.asarray(opened.convert("RGB")).astype(int)
    return [pixels[:, at : at + 112] for at in range(0, pixels.shape[1], 114)]


def extent(mask):
    rows, columns = np.nonzero(mask)
    return (columns.min(), rows.min(), columns.max(), rows.max())


@pytest.mark.parametrize(
    ("box", "number", "count", "wanted"),
    [
        (Box(0, 0, 1, 1, 3, 6), 4, 20, [3, 4, 5]),
        (Box(0, 0, 1, 1, 2.4, 6.6), 4, 20, [2, 3, 4, 5, 6]),
        (Box(0, 0, 1, 1, 0, 19), 9, 20, [0, 3, 6, 9, 12, 15, 18]),
        (Box(0, 0, 1, 1, -2, 3), 0, 2, [0, 1]),
        (Box(0, 0, 1, 1, 3.6, 4.4), 4, 20, [4]),
        (Box(0, 0, 1, 1), 4, 20, [3, 4, 5]),
        (Box(0, 0, 1, 1), 0, 20, [0, 1]),
        (Box(0, 0, 1, 1), None, 1, [0]),
    ],
)
def test_a_strip_shows_the_slices_that_a_region_spans_or_lies_between(box, number, count, wanted):
    assert wanted == slices_through(a_region(box_px=box, slice=number), count)


@pytest.mark.parametrize("turn", [Turn(), Turn(transpose=True), Turn(flip_columns=True),
                                  Turn(transpose=True, flip_rows=True, aspect=2.0)])  # fmt: skip
def test_the_frame_lies_on_the_pixels_of_the_region_however_slices_are_turned(turn):
    (strip,) = strips_of(a_found(), turn=turn)

    assert (3, 4, 5) == strip.slices
    for tile in tiles_of(strip):
        frame = extent((tile == BOX_COLOUR).all(axis=2))
        bright = (tile > 127).all(axis=2)
        bright[:14, :12] = False  # the slice's number
        assert frame == pytest.approx(extent(bright), abs=4)


def test_a_region_on_one_slice_is_framed_on_that_slice_alone():
    (strip,) = strips_of(a_found(box=Box(10, 12, 22, 20)))

    framed = [(tile == BOX_COLOUR).all(axis=2).any() for tile in tiles_of(strip)]
    assert ((3, 4, 5), [False, True, False]) == (strip.slices, framed)


def test_boxes_of_neighbouring_slices_have_one_strip():
    each = [a_found(box=Box(10, 12, 22, 20), number=n, source=f"s/{n}.dcm") for n in (3, 4, 5)]

    (strip,) = strips_of(*each)

    assert (1, (3, 4, 5)) == (strip.number, strip.slices)
    assert all((tile == BOX_COLOUR).all(axis=2).any() for tile in tiles_of(strip))


def test_regions_below_the_threshold_have_no_strip_and_six_have_one():
    shown = [a_found(probability=0.9 - number / 100) for number in range(8)]

    assert [1, 2, 3, 4, 5, 6] == [one.number for one in strips_of(*shown)]
    assert () == strips_of(a_found(probability=0.2))


def test_a_region_is_cut_out_of_its_own_series():
    other = a_stack("t/{}.dcm", bright=Box(0, 0, 40, 48, 0, 9))

    (strip,) = strips_of(a_found(source="t/4.dcm"), volumes=[a_stack(), other])

    assert all((tile[-10:, :10] > 127).all() for tile in tiles_of(strip))
    assert () == strips_of(a_found(source="u/4.dcm"))


def test_scores_are_called_scores():
    region = RawRegion(TUMOR, 1.5, "s/4.dcm", SOLID, 4, attributes={"type": "glioma"})

    assert ["tumor (glioma), score 1.50"] == [one.what for one in strips_of(region)]


@pytest.fixture
def found(model):
    """A page with six strips of noise, the hardest to keep small."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1, 40, 48, 20)).astype(np.float32)
    volume = replace(a_stack(slices=20), voxels=noise)
    regions = tuple(a_found(box=Box(10, 12, 22, 20, 3, 16), number=9, source="s/9.dcm")
                    for _ in range(6))  # fmt: skip
    prediction = a_prediction(findings=(a_finding(threshold=0.3),), regions=regions)
    pictures = draw_pictures(9, rng.normal(size=(512, 512)), boxes=[(Box(10, 12, 22, 20), 0.8)])
    strips = draw_strips(prediction, [(volume, Turn())])
    return CaseView(
        prediction, replace(model, finds_regions=True), replace(pictures, strips=strips)
    )


def test_a_page_with_strips_stays_small_and_says_what_they_show(found):
    page = render_case(found)

    assert len(page.encode()) <= 300_000
    assert 6 == page.count('class="strip"')
    assert (
        'alt="Slices 3, 5, 7, 9, 11, 13, 15 through region 2, tumor, probability 0.83; '
        'a frame marks the region"' in page
    )


def test_strips_are_drawn_again_from_what_was_saved(found, tmp_path):
    write_case_report(tmp_path / "a", found)
    write_case_report(tmp_path / "b", read_case_view(tmp_path / "a"))

    for name in ("report.html", "report.json", "region-1.png", "region-6.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_what_a_region_is_called_is_text_and_no_markup(found):
    strip = replace(found.pictures.strips[0], what='tumor ("><script>alert(1)</script>)')
    hostile = replace(found, pictures=replace(found.pictures, strips=(strip,)))

    page = render_case(hostile)

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
