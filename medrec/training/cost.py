"""What a fit costs, from a measured speed: seconds, epochs, networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.training.seen import depth_of, kind_of_network, slices_seen

if TYPE_CHECKING:
    from medrec.data.fingerprint import Fingerprint

FOLDS = 5
FEWEST_EPOCHS = 8
OVERHEAD = 1.25
"""Augmentation, watching, judging and checkpoints, over the bare steps of the network."""


def rows_an_epoch(fingerprint: Fingerprint) -> int:
    """What batches are made of: films or slices, or whole volumes where these have the labels."""
    return max(1, fingerprint.truth.learned_rows)


def pictures_a_row(fingerprint: Fingerprint) -> int:
    """Pictures that the network computes for a row; a box of a 3D network counts as one."""
    is_bag = kind_of_network(fingerprint) == "classifier_slices"
    return slices_seen(fingerprint) if is_bag else 1


def networks(fingerprint: Fingerprint) -> int:
    """How many fits on all learned rows the run equals.

    Cross-fitting fits each fold on the other folds' rows, FOLDS - 1 fits in all, and then the final
    network.
    """
    return FOLDS if fingerprint.truth.mode == "cross_fit" else 1


def rows_per_second(fingerprint: Fingerprint, *, size_px: int) -> float:
    """The measured speed at another size: work grows with the pixels, of a box with its voxels.

    `size_px` is the side of a picture, or height and width of the box of a 3D network.
    """
    machine = fingerprint.machine
    if kind_of_network(fingerprint) == "classifier_3d" and machine.volumes_per_second is not None:
        depth, height, width = machine.measured_box
        voxels = depth_of(fingerprint, size_px=size_px) * size_px**2
        return machine.volumes_per_second * depth * height * width / voxels
    speed = machine.pictures_per_second * (machine.measured_px / size_px) ** 2
    return speed / pictures_a_row(fingerprint)


def seconds_an_epoch(fingerprint: Fingerprint, *, size_px: int) -> float:
    """Of all networks of the run, one epoch each."""
    shown = rows_an_epoch(fingerprint) * networks(fingerprint)
    return OVERHEAD * shown / rows_per_second(fingerprint, size_px=size_px)
