"""What can be set of screening, beyond the model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from medrec.config.base import Schema
from medrec.config.selection import RulesSource


class ScreenConfig(Schema):
    """`medrec screen`, settable by `--set` or a file under configs/screen."""

    kind: Literal["screen"] = "screen"
    operating_point: str = "screening"
    """The name of the package's operating point that decides between flag and clear."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    precision: Literal["32", "bf16"] = "32"
    heatmap: bool = True
    """Draw where the model looked (Grad-CAM) on the key slice."""
    for_processing: Literal["refuse", "accept"] | None = None
    """Films of raw detector values (FOR PROCESSING); None leaves it to the package's contract."""
    rules: RulesSource | None = None
    """Which series are judged: a file of `kind: rules`. None: the rules of the package, if any."""
