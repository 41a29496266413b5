"""Fingerprints for the rules of `medrec configure`."""

from __future__ import annotations

from medrec.data.fingerprint import Fingerprint, LabelCounts, Machine, Scans, Truth
from medrec.data.pixel_facts import Pixels
from medrec.data.spread import Spread


def same(value: float) -> Spread:
    return Spread(value, value, value)


def a_fingerprint(**changes) -> Fingerprint:
    """300 films of 512 px, a breast each, on a CPU of 20 pictures a second, an hour."""
    counts = LabelCounts(400, 600, 0, 120, 180, 0)
    facts = {
        "truth": Truth(
            1000, 300, same(3), {"cancer": counts}, (), "scan", (), "held_out", False, 640
        ),
        "scans": Scans(1000, "film", same(512), same(512), same(1), None, False, (), (), (), ()),
        "pixels": Pixels(
            50, same(500), same(0.6), same(0.4), 0.1, 0.5, same(0), same(0), same(9), same(200)
        ),
        "lesions_px": None,
        "machine": Machine("cpu", 16, 2, False, 20.0, 192, "tf_efficientnet_lite0"),
        "budget_minutes": 60.0,
    }
    return Fingerprint(**{**facts, **changes})
