"""Images to rows: one each, but one a folder where its DICOM files are slices of a volume."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from medrec.io.grouping import is_of_volume

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from medrec.data.scans import FoundScan


@dataclass(frozen=True, slots=True)
class ScanRow:
    """What a manifest's row names: a file, or a folder of slices; `scan` is its first file.

    `series` counts the DICOM series of a folder.
    """

    path: str
    scan: FoundScan
    series: int = 1


def rows_of_scans(
    scans: Sequence[FoundScan], *, loose: Collection[str], problems: list[str]
) -> list[ScanRow]:
    """Gather scans into rows, by path.

    DICOM files of one study that share a folder are slices, unless they are films, photographs,
    screenshots or other stills, or lie in a folder of `loose`, which holds single images. Such a
    folder must hold nothing else: what does is noted in `problems`.
    """
    folders: dict[str, list[FoundScan]] = defaultdict(list)
    for scan in scans:
        folders[PurePosixPath(scan.source).parent.as_posix()].append(scan)
    stacks = {
        folder: inside
        for folder, inside in folders.items()
        if folder not in loose and _is_stack(inside)
    }
    problems += _crowded(stacks, folders)
    return sorted(_rows(folders, stacks), key=lambda row: row.path)


def _rows(
    folders: Mapping[str, Sequence[FoundScan]], stacks: Mapping[str, Sequence[FoundScan]]
) -> Iterator[ScanRow]:
    for folder, inside in folders.items():
        if folder in stacks:
            yield ScanRow(folder, inside[0], len({scan.header.series_uid for scan in inside}))
        else:
            yield from (ScanRow(scan.source, scan) for scan in inside)


def _is_stack(scans: Sequence[FoundScan]) -> bool:
    slices = [scan.header for scan in scans if is_of_volume(scan.header)]
    return len(slices) > 1 and len({header.study_uid for header in slices}) == 1


def _crowded(
    stacks: Mapping[str, Sequence[FoundScan]], folders: Mapping[str, Sequence[FoundScan]]
) -> Iterator[str]:
    for folder, inside in stacks.items():
        above = [parent.as_posix() for parent in PurePosixPath(folder).parents]
        outer = next((name for name in above if name in stacks), None)
        if outer is not None:
            yield f"{folder}: lies in {outer}, whose DICOM files are a series of their own"
        elif not all(is_of_volume(scan.header) for scan in inside):
            yield f"{folder}: holds a DICOM series beside other images: give it its own folder"
    for folder in folders:
        parents = (parent.as_posix() for parent in PurePosixPath(folder).parents)
        outer = next((name for name in parents if name in stacks), None)
        if outer is not None and folder not in stacks:
            yield f"{folder}: lies in {outer}, whose DICOM files are a series of their own"
