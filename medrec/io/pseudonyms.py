"""What stands for an identifier: the same each time, and not to be guessed without the key."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from medrec.domain.ids import to_patient_key

_SECONDS_OF_A_DAY = 86_400
_MOST_DAYS = 3650
_DATE = re.compile(r"[0-9]{8}")
_TIME = re.compile(r"([0-9]{2})([0-9]{2})?([0-9]{2})?(\.[0-9]{1,6})?")
_DATE_TIME = re.compile(r"([0-9]{4,14})(\.[0-9]{1,6})?([+-][0-9]{4})?")
_DATE_DIGITS = 8


@dataclass(frozen=True, slots=True)
class TimeShift:
    """How far back a patient's dates and times are moved: all alike, so that intervals hold.

    `days` (1 to 3650) and `seconds` (0 to 86399). A value that is no date or time, or a partial
    one (a year alone), becomes empty.
    """

    days: int
    seconds: int

    def date(self, date: str, time: str = "") -> str:
        """Move a DA value; with the TM value that belongs to it, midnight may lie between.

        >>> TimeShift(1, 3600).date("20200301"), TimeShift(1, 3600).date("20200301", "0030")
        ('20200229', '20200228')
        """
        clock = _TIME.fullmatch(time.strip())
        moved = self._moved(date.strip(), _padded(clock) if clock else "", has_time=bool(clock))
        return moved.strftime("%Y%m%d") if moved else ""

    def time(self, time: str) -> str:
        """Move a TM value around the clock, at its own precision.

        >>> TimeShift(1, 3600).time("003015.25")
        '233015.25'
        """
        clock = _TIME.fullmatch(time.strip())
        moved = self._moved("20000201", _padded(clock), has_time=True) if clock else None
        if clock is None or moved is None:
            return ""
        digits = sum(len(part or "") for part in clock.group(1, 2, 3))
        return moved.strftime("%H%M%S")[:digits] + (clock[4] or "" if clock[3] else "")

    def date_time(self, value: str) -> str:
        """Move a DT value; its offset from UTC, which tells a place, is dropped.

        >>> TimeShift(1, 3600).date_time("20200301003015.5+0100")
        '20200228233015.5'
        """
        parts = _DATE_TIME.fullmatch(value.strip())
        if parts is None or len(parts[1]) < _DATE_DIGITS:
            return ""
        date, clock = parts[1][:_DATE_DIGITS], parts[1][_DATE_DIGITS:]
        moved = self._moved(date, clock.ljust(6, "0") if clock else "", has_time=bool(clock))
        if moved is None:
            return ""
        has_seconds = len(clock) == len("HHMMSS")
        fraction = parts[2] or "" if has_seconds else ""
        return moved.strftime("%Y%m%d%H%M%S")[: len(parts[1])] + fraction

    def _moved(self, date: str, clock: str, *, has_time: bool) -> datetime | None:
        if not _DATE.fullmatch(date):
            return None
        back = timedelta(days=self.days, seconds=self.seconds if has_time else 0)
        try:
            moved = datetime.strptime(date + (clock or "000000"), "%Y%m%d%H%M%S") - back  # noqa: DTZ007 (DICOM's local time)
        except (OverflowError, ValueError):
            return None
        return moved if moved.year >= 1000 else None  # noqa: PLR2004 (strftime pads no year)


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Stands-in for identifiers, by a keyed hash: two runs with one key agree."""

    key: bytes

    def uid(self, uid: str) -> str:
        """A UID below 2.25 (a UUID's root) for a UID."""
        return f"2.25.{uuid.UUID(bytes=self._digest('uid', uid, 16), version=4).int}"

    def patient(self, patient_id: str) -> str:
        """A patient's ID and name: `p-` and 16 digits, as `screen` writes them."""
        return to_patient_key(patient_id, key=self.key)

    def path(self, source: str) -> str:
        """What stands for a path in tables: `f-` and 16 digits."""
        return f"f-{self._digest('path', source, 8).hex()}"

    def shift(self, patient_id: str) -> TimeShift:
        """How far a patient's dates are moved."""
        number = int.from_bytes(self._digest("shift", patient_id, 16), "big")
        days, seconds = divmod(number, _SECONDS_OF_A_DAY)
        return TimeShift(days=1 + days % _MOST_DAYS, seconds=seconds)

    def _digest(self, purpose: str, text: str, size: int) -> bytes:
        content = text.encode("utf-8", "surrogateescape")
        person = purpose.encode()
        return hashlib.blake2b(content, key=self.key, person=person, digest_size=size).digest()


def _padded(clock: re.Match[str]) -> str:
    return "".join(part or "00" for part in clock.group(1, 2, 3))
