"""Anchors of a detector, fitted to the boxes of those who train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.config.model import DetectorConfig, VolumeDetectorConfig
from medrec.data.detection import DetectionSlices, DetectionVolumes
from medrec.errors import DataSplitError
from medrec.models.anchors import fit_anchors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.config.training import TrainConfig
    from medrec.data.dataset import SliceDataset
    from medrec.data.volumes import VolumeDataset


def with_anchors(
    config: TrainConfig, prepared: SliceDataset | VolumeDataset, rows: Sequence[int]
) -> TrainConfig:
    """The config with anchors for the boxes of these rows, where it is a detector's without any.

    Raises:
        DataSplitError: No box to fit them to.
    """
    model = config.model
    if not isinstance(model, DetectorConfig | VolumeDetectorConfig) or model.anchors is not None:
        return config
    assert isinstance(prepared, DetectionSlices | DetectionVolumes)  # noqa: S101 (a detector's data)
    sides = prepared.sides(rows)
    if len(sides) == 0:
        message = (
            "no box among the patients who train: a detector needs rows whose `boxes` column names "
            "a file with boxes of them"
        )
        raise DataSplitError(message)
    is_centre = model.head == "centre"
    anchors = fit_anchors(
        sides,
        levels=1 if is_centre else model.levels,
        per_place=1 if is_centre else model.per_place,
    )
    fitted = [list(level) for level in anchors]
    return config.model_copy(update={"model": model.model_copy(update={"anchors": fitted})})
