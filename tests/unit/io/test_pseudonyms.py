"""What stands for identifiers."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medrec.io.pseudonyms import Pseudonyms, TimeShift

ONE, OTHER = Pseudonyms(bytes(32)), Pseudonyms(b"\1" * 32)
MOMENTS = st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)
SHIFTS = st.builds(TimeShift, st.integers(1, 3650), st.integers(0, 86_399))


def test_a_uid_is_mapped_alike_with_one_key_and_otherwise_with_another():
    assert ONE.uid("1.2.3") == ONE.uid("1.2.3")
    assert ONE.uid("1.2.3") != ONE.uid("1.2.4")
    assert ONE.uid("1.2.3") != OTHER.uid("1.2.3")


@given(st.text(max_size=64))
def test_a_mapped_uid_is_a_uid(text):
    uid = ONE.uid(text)

    assert uid.startswith("2.25.")
    assert len(uid) <= 64
    assert all(part == str(int(part)) for part in uid.split("."))


def test_patients_are_moved_by_different_times_within_ten_years():
    shifts = {ONE.shift(str(number)) for number in range(100)}

    assert 100 == len(shifts)
    assert all(1 <= shift.days <= 3650 and shift.seconds < 86_400 for shift in shifts)


@given(MOMENTS, MOMENTS, SHIFTS)
def test_intervals_between_dates_with_times_hold(first, second, shift):
    def moved(moment: datetime) -> datetime:
        date, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
        return datetime.strptime(shift.date(date, time) + shift.time(time), "%Y%m%d%H%M%S")  # noqa: DTZ007

    assert second - first == moved(second) - moved(first)


@given(MOMENTS, SHIFTS)
def test_a_date_time_moves_like_its_date_and_time(moment, shift):
    date, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")

    assert shift.date(date, time) + shift.time(time) == shift.date_time(date + time)


@pytest.mark.parametrize("text", ["", "Mueller", "20201301", "2020", "00010101", "20200101Mueller"])
def test_what_is_no_date_becomes_empty(text):
    shift = TimeShift(3650, 0)

    assert "" == shift.date(text)
    assert "" == shift.date_time(text)


@pytest.mark.parametrize("text", ["", "Mueller", "2561", "12:00", "1200.5"])
def test_what_is_no_time_becomes_empty_or_keeps_no_stray_fraction(text):
    assert TimeShift(1, 0).time(text) in ("", "1200")
