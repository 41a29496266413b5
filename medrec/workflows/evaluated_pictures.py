"""The pixels of evaluated cases, from the scans that the manifest names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medrec.domain.ids import PatientKey
from medrec.errors import MedrecError, ScanError
from medrec.evaluation.stacks import names
from medrec.io.index import open_index
from medrec.io.loading import load_file, load_volume
from medrec.reporting.orientation import usual_turn
from medrec.reporting.overlays import to_backdrop

if TYPE_CHECKING:
    from medrec.domain.volume import Volume
    from medrec.evaluation.detection_result import JudgedImage
    from medrec.evaluation.result import CaseOutcome
    from medrec.reporting.overlays import Backdrop


class ScanPictures:
    """Opens the scan of an image by its manifest's path, relative to `root`.

    A scan that can't be opened gives no picture; `missing` counts these.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._last: tuple[tuple[str, str], Volume | None] | None = None
        self._missed: set[str] = set()

    @property
    def missing(self) -> int:
        """How many scans gave no picture."""
        return len(self._missed)

    def __call__(
        self, outcome: CaseOutcome, image: JudgedImage, number: int | None
    ) -> Backdrop | None:
        """The image's slice, or slice `number` of a volume; None if it can't be had."""
        volume = self._volume(image)
        index = None if volume is None else _slice_of(volume, image, number)
        if volume is None or index is None:
            self._missed.add(image.path)
            return None
        return to_backdrop(
            volume.slice_px(index),
            window=volume.window,
            turn=usual_turn(volume.geometry, volume.slice_axis),
        )

    def _volume(self, image: JudgedImage) -> Volume | None:
        """The volume, kept until the next one is asked for: a case's slices come one by one."""
        key = (image.path, image.source if (self._root / image.path).is_dir() else "")
        if self._last is None or self._last[0] != key:
            self._last = (key, self._load(image))
        return self._last[1]

    def _load(self, image: JudgedImage) -> Volume | None:
        path = self._root / image.path
        try:
            return _load_folder(path, image.source) if path.is_dir() else load_file(path)
        except (ScanError, MedrecError, OSError, MemoryError):
            return None


def _load_folder(path: Path, source: str) -> Volume | None:
    """The series of a folder that a file belongs to, or the only one."""
    with open_index(path, patient_key=PatientKey) as index:
        series = [one for case in index.cases for one in case.series]
        own = [
            one for one in series if source and any(names(source, h.source) for h in one.headers)
        ]
        chosen = own if len(own) == 1 else series
        return load_volume(chosen[0]) if len(chosen) == 1 else None


def _slice_of(volume: Volume, image: JudgedImage, number: int | None) -> int | None:
    """The number of the image's slice: a file of its own tells, else the number that it has."""
    wanted = image.slice if number is None else number
    own = [
        index
        for index, source in enumerate(volume.slice_sources)
        if number is None and image.source and names(image.source, source)
    ]
    if len(own) == 1:
        return own[0]
    if wanted is None or volume.slice_count == 1:
        return 0 if volume.slice_count == 1 else None
    return wanted if 0 <= wanted < volume.slice_count else None
