"""The input contract, held against what an image says of itself before it is scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.codes import Note, NoteCode, ReasonCode
from medrec.domain.counting import counted
from medrec.domain.modality import PROJECTIONS
from medrec.domain.terms import BODY_PARTS, VIEWS, known
from medrec.errors import RefusedScanError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from medrec.domain.modality import Modality
    from medrec.domain.series import ImageHeader
    from medrec.domain.volume import Volume
    from medrec.package.contract import InputContract


def check_header(
    header: ImageHeader,
    contract: InputContract,
    *,
    modality: Modality | None = None,
    for_processing: str | None = None,
) -> tuple[Note, ...]:
    """Check the facts of a header; `modality` is the user's word for files that don't say theirs.

    `for_processing` (refuse, accept) is the user's word on raw films, None leaves the contract's.

    An absent fact is unknown, never a mismatch: it is assumed to be the contract's, with a note.

    Raises:
        RefusedScanError: `out_of_scope`, naming the fact, what came and what was wanted.
    """
    stated = header.modality or modality
    _check_fact("modality", stated, contract.modality)
    _check_fact("body part", header.body_part, contract.body_part, quoted=BODY_PARTS)
    _check_fact("sequence", header.sequence, contract.sequence)
    _check_fact("view", header.view_position, contract.view_position, quoted=VIEWS)
    if header.is_for_processing and (for_processing or contract.for_processing) == "refuse":
        _refuse("intensities are raw detector values (FOR PROCESSING): send it FOR PRESENTATION")
    _check_dimensionality(header, contract)
    return _assumptions(header, contract, stated)


def check_volume(volume: Volume, contract: InputContract) -> None:
    """Check what only the decoded image shows: number of slices, spacing, values, grey levels.

    Raises:
        RefusedScanError: `out_of_scope`, with the value and the accepted range.
    """
    if volume.slice_count < contract.minimum_slices:
        slices = counted(volume.slice_count, "slice", "slices")
        _refuse(f"{slices}, where the model needs {contract.minimum_slices}")
    _check_spacing(volume, contract)
    _check_intensity(volume, contract)


def _check_fact(
    name: str, value: str | None, accepted: Sequence[str], *, quoted: Collection[str] | None = None
) -> None:
    """`quoted` are the words that may be repeated; None where the value is one of ours."""
    if value is not None and accepted and value not in accepted:
        # Whoever typed a name where the body part belongs must not meet it again in a report.
        told = value if quoted is None else known(value, quoted) or "another"
        _refuse(f"{name} is {told}, where the model was made for {', '.join(accepted)}")


def _check_dimensionality(header: ImageHeader, contract: InputContract) -> None:
    is_slice = header.position_lps_mm is not None and header.modality not in PROJECTIONS
    is_volume = is_slice or header.shape[2] > 1
    if contract.dimensionality == "image" and is_volume:
        _refuse("a slice of a volume, where the model was made for single images")


def _assumptions(
    header: ImageHeader, contract: InputContract, known: Modality | None
) -> tuple[Note, ...]:
    notes = []
    if header.modality is None:
        word = known or " or ".join(contract.modality)
        notes.append(
            Note(NoteCode.MODALITY_ASSUMED, f"the file names no modality: taken as {word}")
        )
    if contract.sequence and header.sequence is None:
        word = " or ".join(contract.sequence)
        notes.append(
            Note(NoteCode.SEQUENCE_ASSUMED, f"the file names no sequence: taken as {word}")
        )
    return tuple(notes)


def _check_spacing(volume: Volume, contract: InputContract) -> None:
    if contract.accepted_spacing_mm is None or volume.geometry is None:
        return
    low, high = contract.accepted_spacing_mm
    in_plane = [s for axis, s in enumerate(volume.geometry.spacing_mm) if axis != volume.slice_axis]
    if min(in_plane) < low or max(in_plane) > high:
        _refuse(
            f"pixels of {in_plane[0]:.2f} x {in_plane[1]:.2f} mm, accepted are {low} to {high} mm"
        )


def _check_intensity(volume: Volume, contract: InputContract) -> None:
    levels = _distinct_values(volume, at_least=contract.minimum_grey_levels)
    if levels < contract.minimum_grey_levels:
        _refuse(
            f"only {levels} grey levels, where a scan has at least {contract.minimum_grey_levels}: "
            "a mask or a drawing"
        )
    if contract.intensity_range is None:
        return
    low, high = contract.intensity_range
    lowest, highest = float(volume.voxels.min()), float(volume.voxels.max())
    if lowest < low or highest > high:
        _refuse(f"values from {lowest:g} to {highest:g}, accepted are {low:g} to {high:g}")


def _distinct_values(volume: Volume, *, at_least: int) -> int:
    """Count distinct values, in a sample of the voxels where that already holds enough of them."""
    values = volume.voxels.ravel()
    sampled = np.unique(values[:: max(1, values.size // 100_000)]).size
    return int(sampled if sampled >= at_least else np.unique(values).size)


def _refuse(detail: str) -> None:
    raise RefusedScanError(ReasonCode.OUT_OF_SCOPE, detail)
