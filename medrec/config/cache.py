"""Where prepared pictures are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from medrec.config.base import Schema


class CacheConfig(Schema):
    """Scans are prepared once; what was prepared is found again by the content of the files."""

    folder: Path | None = None
    """Shared by all runs that name it, relative to the config; None is `cache` in the run's folder,
    removed when the run is finished."""
    dtype: Literal["float16", "uint8"] | None = None
    """`uint8` takes half the room: steps of 1/255, so another model. None is float16."""
