"""What a fit costs, from a measured speed: seconds, epochs, networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medrec.data.fingerprint import Fingerprint

FOLDS = 5
FEWEST_EPOCHS = 8
OVERHEAD = 1.25
"""Augmentation, watching, judging and checkpoints, over the bare steps of the network."""


def pictures_an_epoch(fingerprint: Fingerprint) -> int:
    """Pictures that the final network sees in an epoch: rows, or all slices of whole scans."""
    rows, scans = fingerprint.truth.learned_rows, fingerprint.scans
    if fingerprint.truth.granularity == "scan" and scans.kind == "volume":
        return max(1, round(rows * scans.slices.median))
    return max(1, rows)


def networks(fingerprint: Fingerprint) -> int:
    """How many fits on all learned rows the run equals.

    Cross-fitting fits each fold on the other folds' rows, FOLDS - 1 fits in all, and then the final
    network.
    """
    return FOLDS if fingerprint.truth.mode == "cross_fit" else 1


def pictures_per_second(fingerprint: Fingerprint, *, size_px: int) -> float:
    """The measured speed at another size: work grows with the pixels."""
    machine = fingerprint.machine
    return machine.pictures_per_second * (machine.measured_px / size_px) ** 2


def seconds_an_epoch(fingerprint: Fingerprint, *, size_px: int) -> float:
    """Of all networks of the run, one epoch each."""
    shown = pictures_an_epoch(fingerprint) * networks(fingerprint)
    return OVERHEAD * shown / pictures_per_second(fingerprint, size_px=size_px)
