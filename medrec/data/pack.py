"""Prepared pictures on disk: one growing file of pixels, and an index that names what is whole.

Pixels reach the disk before the line of the index that names them. So a writer may be killed at any
time: what no whole line names is overwritten by the next one.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from filelock import FileLock, Timeout

from medrec.data.pictures import WHITES, Pictures, PixelFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import torch

Dtype = Literal["float16", "uint8", "uint16"]

_LAYOUT = 1
_RECIPE, _PIXELS, _INDEX, _LOCK = "recipe.json", "pictures.bin", "index.jsonl", "lock"
# The disk is waited for once for many small files, yet a killed writer loses little work.
_UNSYNCED_BYTES = 64 << 20
_UNSYNCED_S = 5.0


@dataclass(frozen=True)
class PackFormat:
    """What decides the bytes of every picture of a pack: another recipe has another folder.

    Args:
        recipe: All that the pixels depend on beside the file; JSON values.
        shape: Of one item: (1, S, S) for slices, (1, D, H, W) for volumes.
        dtype: `float16`, or for values in [0, 1] `uint8` in steps of 1/255, `uint16` of 1/65535.
    """

    recipe: Mapping[str, Any]
    shape: tuple[int, ...]
    dtype: Dtype = "float16"

    @property
    def text(self) -> str:
        """The format as JSON; equal formats have equal texts."""
        return json.dumps({"layout": _LAYOUT, **asdict(self)}, sort_keys=True, indent=1) + "\n"

    @property
    def name(self) -> str:
        """The folder of a pack of this format."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]

    @property
    def holds_boxes(self) -> bool:
        """Whether an item is a whole volume, so that a file gives one, whatever its slices."""
        return len(self.shape) > len(("channel", "height", "width"))

    @property
    def item_bytes(self) -> int:
        """Bytes of one item."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize

    def to_bytes(self, images: torch.Tensor) -> bytes:
        """Items (n, *shape) float32 as they are stored; (0,) are none."""
        if not images.numel():
            return b""
        if tuple(images.shape[1:]) != self.shape:
            message = f"items of shape {tuple(images.shape[1:])} in a pack of {self.shape}"
            raise ValueError(message)
        if self.dtype == "float16":
            return images.half().numpy().tobytes()
        white = WHITES[self.dtype]
        return (images * white).round().clamp(0, white).numpy().astype(self.dtype).tobytes()


@dataclass(frozen=True, slots=True)
class PackEntry:
    """The items of one file: from `first` on, one for each of `slices`.

    `slices` are the numbers of the source slices in the order of the items; those of `slice_count`
    that are missing are blank. `to_source` is as in `medrec.data.cache.Prepared`.
    """

    key: str
    first: int
    slices: tuple[int, ...]
    slice_count: int
    to_source: tuple[float, ...] | None = None
    note: str | None = None
    """What else was found out about the file; see who asked for it."""

    @property
    def end(self) -> int:
        """The number of the item behind the last one."""
        return self.first + len(self.slices)


class PicturePack:
    """The pack of one format below `root`; any number of processes may read and write it."""

    def __init__(self, root: Path, pack_format: PackFormat) -> None:
        self.format = pack_format
        self.folder = root / pack_format.name

    def entries(self) -> dict[str, PackEntry]:
        """What is there, by key; a line that isn't whole and what follows it are passed over."""
        return {entry.key: entry for entry, _ in self._valid_lines()}

    def pictures(self, rows: Sequence[int]) -> Pictures:
        """Items by number, mapped from the file; none are read yet."""
        source = PixelFile(self.folder / _PIXELS, self.format.shape, self.format.dtype)
        return Pictures(source, np.asarray(rows, dtype=np.int64))

    @contextmanager
    def writing(self, *, on_wait: Callable[[], None] | None = None) -> Iterator[PackWriter]:
        """Write alone; another process that writes is waited for. `on_wait` is told of it.

        Raises:
            OSError: The folder can't be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.enter_context(_locked(self.folder / _LOCK, on_wait))
            (self.folder / _RECIPE).write_text(self.format.text, encoding="utf-8")
            entries, length = {}, 0
            for entry, end in self._valid_lines():
                entries[entry.key], length = entry, end
            index = stack.enter_context(_open_to_change(self.folder / _INDEX))
            pixels = stack.enter_context(_open_to_change(self.folder / _PIXELS))
            _cut(index, length)
            _cut(pixels, _end_of(entries.values()) * self.format.item_bytes)
            writer = PackWriter(self.format, entries, pixels, index)
            stack.callback(writer.sync)
            yield writer

    def _valid_lines(self) -> Iterator[tuple[PackEntry, int]]:
        """Each entry that is whole, and where its line ends in the index, in bytes."""
        index, pixels = self.folder / _INDEX, self.folder / _PIXELS
        if not index.is_file() or not pixels.is_file():
            return
        lines = index.read_bytes().splitlines(keepends=True)
        items = pixels.stat().st_size // self.format.item_bytes
        length = 0
        for line in lines:
            entry = _to_entry(line)
            if entry is None or entry.end > items:
                return
            length += len(line)
            yield entry, length


class PackWriter:
    """Adds the items of files; made by `PicturePack.writing`."""

    def __init__(
        self,
        pack_format: PackFormat,
        entries: dict[str, PackEntry],
        pixels: BinaryIO,
        index: BinaryIO,
    ) -> None:
        self.entries = entries
        self._format = pack_format
        self._pixels = pixels
        self._index = index
        self._end = _end_of(entries.values())
        self._unsynced: list[PackEntry] = []
        self._synced_at = time.monotonic()

    def add(
        self,
        key: str,
        images: torch.Tensor,
        *,
        slices: Sequence[int],
        slice_count: int,
        to_source: Sequence[float] | None = None,
        note: str | None = None,
    ) -> PackEntry:
        """Add the items (n, *shape) float32 of one file.

        Raises:
            OSError: The disk is full, or gone.
            ValueError: Items of another shape.
        """
        place = tuple(to_source) if to_source is not None else None
        entry = PackEntry(key, self._end, tuple(slices), slice_count, place, note)
        self._pixels.seek(entry.first * self._format.item_bytes)
        self._pixels.write(self._format.to_bytes(images))
        self._end = entry.end
        self.entries[key] = entry
        self._unsynced.append(entry)
        waiting = sum(len(one.slices) for one in self._unsynced) * self._format.item_bytes
        if waiting > _UNSYNCED_BYTES or time.monotonic() - self._synced_at > _UNSYNCED_S:
            self.sync()
        return entry

    def sync(self) -> None:
        """Bring pixels to the disk, and then the lines that name them.

        Raises:
            OSError: The disk is full, or gone.
        """
        if self._unsynced:
            _to_disk(self._pixels)
            lines = "".join(json.dumps(_to_facts(entry)) + "\n" for entry in self._unsynced)
            self._index.seek(0, os.SEEK_END)
            self._index.write(lines.encode())
            _to_disk(self._index)
            self._unsynced.clear()
        self._synced_at = time.monotonic()


def _to_facts(entry: PackEntry) -> dict[str, Any]:
    return {name: value for name, value in asdict(entry).items() if value is not None}


def _to_entry(line: bytes) -> PackEntry | None:
    """None if the line is no whole entry."""
    try:
        facts = json.loads(line) if line.endswith(b"\n") else {}
        return PackEntry(
            str(facts["key"]),
            int(facts["first"]),
            tuple(int(number) for number in facts["slices"]),
            int(facts["slice_count"]),
            tuple(map(float, facts["to_source"])) if "to_source" in facts else None,
            str(facts["note"]) if "note" in facts else None,
        )
    except (ValueError, KeyError, TypeError):
        return None


def _end_of(entries: Iterable[PackEntry]) -> int:
    return max((entry.end for entry in entries), default=0)


@contextmanager
def _locked(path: Path, on_wait: Callable[[], None] | None) -> Iterator[None]:
    """Hold a lock that the system releases when its holder ends, however that ends."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if on_wait:
            on_wait()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _open_to_change(path: Path) -> Iterator[BinaryIO]:
    path.touch()
    with path.open("r+b") as file:
        yield file


def _cut(file: BinaryIO, length: int) -> None:
    """Drop what a killed writer left behind, even where a length was kept by chance."""
    file.truncate(length)


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
