from __future__ import annotations

import pytest

from medrec.reporting.figures import Frame, count_ticks, share_ticks

FRAME = Frame(400, 300, (0.0, 10.0), (0.0, 1.0))


def test_the_frame_maps_corners_to_corners():
    assert (FRAME.left, FRAME.bottom) == (FRAME.x(0.0), FRAME.y(0.0))
    assert (FRAME.right, FRAME.top) == (FRAME.x(10.0), FRAME.y(1.0))


def test_points_that_fall_together_are_drawn_once():
    assert FRAME.points([0.0, 0.0, 10.0], [0.0, 0.0, 0.0]).count(",") == 2


@pytest.mark.parametrize("highest", [1, 7, 24, 155, 1200, 99_999])
def test_count_ticks_are_round_and_few(highest):
    frame = Frame(400, 300, (0.0, highest), (0.0, 1.0))
    ticks = count_ticks(frame, axis="x", highest=highest)

    assert 2 <= len(ticks) <= 11
    assert all(float(tick.text).is_integer() for tick in ticks)


def test_ticks_start_at_the_lowest_value():
    frame = Frame(400, 300, (7, 30), (0.0, 1.0))

    assert next(tick.text for tick in count_ticks(frame, axis="x", lowest=7, highest=30)) == "10"


def test_shares_run_from_0_to_1():
    assert ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"] == [
        tick.text for tick in share_ticks(FRAME, axis="y")
    ]
