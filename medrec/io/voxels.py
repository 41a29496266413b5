"""What any decoded image must satisfy, whatever its format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.codes import ReasonCode
from medrec.errors import RefusedScanError

if TYPE_CHECKING:
    from medrec.domain.volume import Float32Array


def check_values(voxels: Float32Array) -> None:
    """Refuse voxels that say nothing.

    Raises:
        RefusedScanError: `non_finite` or `blank_image`.
    """
    lowest, highest = voxels.min(), voxels.max()
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        count = int(voxels.size - np.isfinite(voxels).sum())
        detail = f"{count} of {voxels.size} voxels are no finite number"
        raise RefusedScanError(ReasonCode.NON_FINITE, detail)
    if lowest == highest:
        raise RefusedScanError(ReasonCode.BLANK_IMAGE, f"every voxel is {lowest:g}")
