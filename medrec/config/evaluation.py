"""What can be set of an evaluation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medrec.config.base import Schema
from medrec.config.exclusive import Groups


class HitConfig(Schema):
    """When a box is on a lesion."""

    rule: Literal["iou", "centre_in_box"] = "iou"
    """`iou`: it overlaps the lesion's box by `value` or more. `centre_in_box`: its centre lies in
    the lesion's box, for small lesions on films."""
    value: Annotated[float, Field(gt=0, le=1)] | None = None
    """The least intersection over union. None: 0.5 in a plane, 0.1 in a volume; of
    `centre_in_box` there is none."""

    @model_validator(mode="after")
    def _centres_have_no_value(self) -> HitConfig:
        if self.rule == "centre_in_box" and self.value is not None:
            message = "the rule centre_in_box has no value"
            raise ValueError(message)
        return self


class EvaluateConfig(Schema):
    """`medrec evaluate`, settable by `--set` or a file under configs/evaluate."""

    kind: Literal["evaluate"] = "evaluate"
    bootstrap_rounds: Annotated[int, Field(ge=100)] = 2000
    calibrated_draws: Annotated[int, Field(ge=100)] = 1000
    """Draws of the ECE that perfect calibration would show on so many cases."""
    ece_bins: Annotated[int, Field(ge=2)] = 15
    level_tolerance: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Slices are at the same level if their relative positions differ by at most this."""
    stratify_by: list[str] = []
    """Columns of the manifest, or attributes of its boxes, such as the type of a lesion: boxes are
    then judged by lesions with one value, the others counting neither way, on all images."""
    seed: int = 1
    exclusive: Groups | None = None
    """Groups of labels that exclude each other: accuracy, confusion and log-loss are measured too.
    None: no group."""
    hit: HitConfig | None = None
    """When a box is on a lesion. None: by an IoU of 0.5 in a plane, of 0.1 in a volume."""
    classes: dict[str, str | None] | None = None
    """What the manifest's boxes are called (their `type`, else their label), and the label of each,
    such as glioma: tumor; null leaves the boxes of that name out. None: boxes are called as the
    labels are, or as the types of the model's own regions."""
