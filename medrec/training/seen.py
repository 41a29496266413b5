"""What a network learns from: which kind suits the labels, and what it sees of a scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from medrec.data.fingerprint import Fingerprint, Scans, Truth

Kind = Literal["classifier_2d", "classifier_slices", "classifier_3d"]

PATIENTS_FOR_3D = 1000
"""Learned volumes below which a 3D network from random weights is not tried."""
SLICES_FOR_3D = 24
"""Thinner stacks have too little depth for a network that halves it five times."""
MOST_SLICES = 16
_DEPTH_STEP = 16
FEW_PATIENTS = 1000
"""Patients below which labels of whole scans are learned by heart."""


def has_exam_labels(fingerprint: Fingerprint) -> bool:
    """Whether scans are stacks of which only the whole is labelled."""
    return _has_exam_labels(fingerprint.truth, fingerprint.scans)


def may_be_3d(truth: Truth, scans: Scans) -> bool:
    """Whether patients are so many, and stacks so deep, that a 3D network is to be measured."""
    are_many = truth.patients >= PATIENTS_FOR_3D and scans.slices.median >= SLICES_FOR_3D
    return _has_exam_labels(truth, scans) and are_many


def _has_exam_labels(truth: Truth, scans: Scans) -> bool:
    return scans.kind == "volume" and truth.granularity == "scan"


def kind_of_network(fingerprint: Fingerprint) -> Kind:
    """The kind of classifier that these labels can teach."""
    if not has_exam_labels(fingerprint):
        return "classifier_2d"
    is_3d = may_be_3d(fingerprint.truth, fingerprint.scans)
    is_3d = is_3d and fingerprint.machine.volumes_per_second is not None
    return "classifier_3d" if is_3d else "classifier_slices"


def slices_seen(fingerprint: Fingerprint) -> int:
    """Slices of a stack that a training step of a `classifier_slices` sees."""
    return max(1, min(MOST_SLICES, round(fingerprint.scans.slices.median)))


def depth_of(fingerprint: Fingerprint, *, size_px: int) -> int:
    """Depth of the box of a 3D network `size_px` wide: bodies fill it, as their aspect is kept."""
    share = fingerprint.pixels.depth_share
    wanted = size_px * min(1.0, share.median if share else 1.0)
    return max(_DEPTH_STEP, round(wanted / _DEPTH_STEP) * _DEPTH_STEP)


def learns_from_little(fingerprint: Fingerprint) -> bool:
    """Whether whole scans of few patients are labelled: nobody says where a lesion lies.

    Slices with labels of their own say it nearly, and so do masks: they teach more.
    """
    truth = fingerprint.truth
    return truth.granularity == "scan" and truth.patients < FEW_PATIENTS
