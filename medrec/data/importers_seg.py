"""DICOM series with segmentations to rows of a manifest and boxes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from medrec.data.components import boxes_in_mask
from medrec.data.imported_boxes import BoxedImage, BoxReader, assemble
from medrec.data.scans import FoundScan
from medrec.domain.ids import PatientKey
from medrec.domain.modality import FileFormat
from medrec.domain.series import FileStatus
from medrec.errors import ManifestError, ScanError
from medrec.io.discover import FoundFile
from medrec.io.header import read_header
from medrec.io.index import open_index
from medrec.io.loading import load_volume
from medrec.io.segmentation import is_segmentation, on_grid, read_segmentation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from medrec.data.boxes_of_masks import BoxesPer
    from medrec.data.imported_boxes import ImportedBoxes
    from medrec.data.patients import PatientOfScan
    from medrec.domain.reference import LabelledBox
    from medrec.domain.series import ScanIndex, Series
    from medrec.domain.volume import Volume
    from medrec.io.segmentation import Segment


def import_seg(
    root: Path,
    *,
    patient: PatientOfScan,
    per: BoxesPer,
    as_label: str | None = None,
    least_px: int = 1,
) -> ImportedBoxes:
    """Make one row a DICOM series that a segmentation was drawn on, and boxes of its segments.

    Each connected piece of a segment is a box. A series that no segmentation refers to is left
    out: nobody says that nothing is there.

    Args:
        root: The archive's folder; each series lies in a folder of its own, or in one file.
        patient: Tells the patient of a series: from the path that its row has, or from its header.
        per: Boxes of slices, one slice thick, or of whole volumes.
        as_label: One label for all segments, whose names become the attribute `type` of boxes.
        least_px: Smaller pieces have no box.

    Raises:
        ManifestError: No segmentation, one of no series here, or on another grid; series that share
            a folder, or whose patient nothing tells; all are listed.
        InputError: Nothing is there.
    """
    with open_index(root, patient_key=PatientKey) as index:
        reader = _Reader(BoxReader(root, as_label), _series_of(index), per, least_px)
        files = [
            record.path
            for record in index.records
            if record.status is FileStatus.SKIPPED and is_segmentation(root / record.path)
        ]
        for file in files:
            reader.read(file)
        problems = reader.boxes.problems
        if not files:
            problems.append("holds no DICOM segmentation")
        images = reader.images(patient)
        labels = [as_label] if as_label is not None else sorted(reader.names)
        reader.boxes.check_labels(labels)
        if problems:
            raise ManifestError(str(root), problems)
        left = len(reader.series) - len(images)
    notes = [f"{left} series that no segmentation was drawn on are left out"] if left else []
    return assemble(images, labels, notes=notes)


def _series_of(index: ScanIndex) -> dict[str, Series]:
    return {
        series.first.series_uid: series
        for case in index.cases
        for series in (*case.series, *(one for one, _ in case.left_out))
        if series.first.format is FileFormat.DICOM and series.first.series_uid is not None
    }


@dataclass(frozen=True, slots=True)
class _Reader:
    boxes: BoxReader
    series: dict[str, Series]
    per: BoxesPer
    least_px: int
    names: set[str] = field(default_factory=set)
    found: dict[str, list[LabelledBox]] = field(default_factory=lambda: defaultdict(list))

    def read(self, file: str) -> None:
        """Read the segments of a file onto their series."""
        try:
            segments = read_segmentation(self.boxes.root / file)
        except ScanError as error:
            self.boxes.problems.append(f"{file}: {error.detail}")
            return
        uids = sorted({uid for one in segments for uid in one.series_uids} & set(self.series))
        if len(uids) != 1:
            problem = f"was drawn on {len(uids)} of the series here, where one is wanted"
            self.boxes.problems.append(f"{file}: {problem}")
            return
        self.found.setdefault(uids[0], [])
        try:
            volume = load_volume(self.series[uids[0]])
        except ScanError as error:
            self.boxes.problems.append(f"{file}: the series that it was drawn on: {error.detail}")
            return
        for segment in segments:
            self._boxes(file, uids[0], segment, volume)

    def _boxes(self, file: str, uid: str, segment: Segment, volume: Volume) -> None:
        self.names.add(segment.label)
        try:
            mask = on_grid(segment, volume)
        except ValueError as error:
            self.boxes.problems.append(f"{file}: segment {segment.label}: {error}")
            return
        for box, count in boxes_in_mask(mask, slice_axis=2, per=self.per):
            if count >= self.least_px:
                self.found[uid].append(self.boxes.labelled(box, segment.label))

    def images(self, patient: PatientOfScan) -> list[BoxedImage]:
        """A row of each series, by the folder or the file that it lies in."""
        folders: dict[str, set[str]] = defaultdict(set)
        for uid, series in self.series.items():
            for source in series.sources:
                folders[PurePosixPath(source).parent.as_posix()].add(uid)
        rows = []
        for uid, boxes in self.found.items():
            sources = self.series[uid].sources
            within = {PurePosixPath(source).parent.as_posix() for source in sources}
            path = sources[0] if len(sources) == 1 else min(within)
            if len(sources) > 1 and (len(within) > 1 or len(folders[path]) > 1):
                problem = "put each series into a folder of its own, so that a row can name it"
                self.boxes.problems.append(f"{path}: {problem}")
                continue
            whose = self.boxes.patient(_owner(self.series[uid], patient), path, path)
            rows.append(BoxedImage(path, whose, tuple(boxes)))
        return sorted(rows, key=lambda row: row.path)


def _owner(series: Series, patient: PatientOfScan) -> Callable[[str], str]:
    """Tell the patient of a series from a row's path; the index keeps no PatientID, so read it."""
    header = series.first

    def tell(path: str) -> str:
        said = read_header(FoundFile(header.path, header.source)).patient_id
        return patient(FoundScan(path, header, said))

    return tell
