from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from medrec.io.repeats import part_by_orientation, part_repeats

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def slices(*items):
    """(place in mm, acquisition) pairs."""
    return list(items)


def place_of(item):
    return (0.0, 0.0, item[0]), AXIAL


def parted(items):
    return part_repeats(items, place_of, [lambda item: item[1]])


def test_a_stack_that_was_acquired_twice_is_parted():
    twice = [(5.0 * index, run) for index in range(4) for run in (1, 2)]

    assert [[(5.0 * index, run) for index in range(4)] for run in (1, 2)] == parted(twice)


def test_interleaved_halves_of_one_stack_stay_together():
    interleaved = [(5.0 * index, index % 2) for index in range(6)]

    assert parted(interleaved) == [interleaved]


def test_a_stray_copy_among_interleaved_halves_parts_nothing():
    stray = [*((5.0 * index, index % 2) for index in range(6)), (10.0, 1)]

    assert parted(stray) == [stray]


def test_repeats_of_different_length_are_not_parted():
    cut_short = [(0.0, 1), (5.0, 1), (10.0, 1), (0.0, 2), (5.0, 2)]

    assert parted(cut_short) == [cut_short]


def test_an_unknown_place_parts_nothing():
    items = [(0.0, 1), (0.0, 2)]

    assert part_repeats(items, lambda _: (None, AXIAL), [lambda item: item[1]]) == [items]


@given(
    items=st.lists(
        st.tuples(st.sampled_from([0.0, 5.0, 10.0, 15.0]), st.integers(0, 2), st.integers(0, 99)),
        min_size=1,
        max_size=14,
    ),
    cosines=st.lists(st.sampled_from([0.0, 0.004, 0.5]), min_size=1, max_size=5),
)
@settings(deadline=None, max_examples=80)
def test_parting_loses_no_image(items, cosines):
    def tilted(item):
        tilt = cosines[item[2] % len(cosines)]
        return (0.0, 0.0, item[0]), (1.0, tilt, 0.0, 0.0, 1.0, 0.0)

    parts = [
        part
        for group in part_by_orientation(items, tilted)
        for part in part_repeats(group, tilted, [lambda item: item[1]])
    ]

    assert Counter(items) == Counter(item for part in parts for item in part)
    assert all(parts)
