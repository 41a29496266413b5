"""Each file is prepared once: the pictures of a folder of scans, from a cache on disk."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

import torch

from medrec.data.pack import PackEntry
from medrec.data.pictures import Pictures
from medrec.data.pieces import count_pieces
from medrec.data.preparing import prepare_all
from medrec.data.quality import is_there
from medrec.domain.counting import counted
from medrec.errors import MedrecError, OutputError, ScanError
from medrec.io.digest import file_digest
from medrec.io.discover import FoundFile, discover, is_regular_file
from medrec.io.header import read_header
from medrec.io.stamp import stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from medrec.data.pack import PackWriter, PicturePack
    from medrec.data.preparing import Load, Prepared

_KEPT_FREE_BYTES = 256 << 20
_GIGABYTE = 1e9
_WAY_OUT = (
    "make room, name a folder on a larger disk (--set cache.folder=FOLDER), store a byte a pixel "
    "(--set cache.dtype=uint8), or take smaller pictures (preprocess.size_px, volume_size or "
    "spacing_mm)"
)


@dataclass(frozen=True, eq=False)
class Filled:
    """What is known of each path, and what is wrong with those that couldn't be prepared."""

    entries: Mapping[str, PackEntry]
    problems: Mapping[str, str]
    pictures: Callable[[list[int]], Pictures]


@dataclass(frozen=True, eq=False)
class PictureCache:
    """Fills a pack with the pictures of files, and finds them again.

    Args:
        pack: Where the pictures lie.
        rules: Which series of a folder counts, in words that change when the rules do: a folder's
            pictures depend on it.
        say: Told of the size before pictures are written, and of waiting.
        workers: Processes that prepare files, 0 for this one alone; the pack is the same.
        spacing_mm: Of volumes that are kept in pieces, as each has the shape that follows; else
            None.
    """

    pack: PicturePack
    rules: str = ""
    say: Callable[[str], None] = field(default=lambda _: None)
    workers: int = 0
    spacing_mm: tuple[float, float, float] | None = None

    def fill(
        self,
        paths: Iterable[str],
        *,
        root: Path,
        load: Load,
    ) -> Filled:
        """Prepare what isn't there yet, in order of the paths.

        Several processes may do this at once: the first one prepares, the others wait for it and
        find what it made.

        Raises:
            OutputError: The disk is too small, which is said before anything is prepared; or the
                folder can't be written.
        """
        filling = _Filling(self, root, load)
        for path in paths:
            filling.find(path)
        if filling.missing():
            try:
                with self.pack.writing(on_wait=self._tell_of_waiting) as writer:
                    filling.prepare(writer)
            except OSError as error:
                message = (
                    f"cache {self.pack.folder} can't be written: {error.strerror or error}. What "
                    f"is finished is kept; {_WAY_OUT}"
                )
                raise OutputError(message) from error
        return Filled(filling.found(), filling.problems, self.pack.pictures)

    def disk_problem(self, paths: Iterable[str], *, root: Path) -> str | None:
        """What to say, before anything is prepared, if the disk can't hold these files' pictures.

        Counted by headers. Only where that is too much are files read, to leave out those whose
        pictures are there already.
        """
        there = [path for path in dict.fromkeys(paths) if is_there(root / path)]
        counts = {path: self.count_items(root / path) for path in there}
        if self._say_too_little(sum(counts.values()), len(counts)) is None:
            return None
        entries = self.pack.entries()
        missing: dict[str, int] = {}
        for path, count in counts.items():
            with suppress(OSError, MedrecError):
                key = file_key(root / path, rules=self.rules)
                missing |= {} if key in entries else {key: count}
        return self._say_too_little(sum(missing.values()), len(missing)) if missing else None

    def count_items(self, path: Path) -> int:
        """How many pictures a file may give; 0 where the disk refuses: said when it is prepared."""
        if self.pack.format.holds_boxes:
            return 1
        try:
            if self.spacing_mm is not None:
                stored = count_voxels(path)
                return count_pieces(path, stored=stored, spacing_mm=self.spacing_mm)
            return count_slices(path)
        except OSError:
            return 0

    def check_disk(self, items: int, files: int) -> None:
        """Say how much will be written, and refuse what the disk can't hold.

        Raises:
            OutputError: Too little is free.
        """
        if message := self._say_too_little(items, files):
            raise OutputError(message)
        self.say(f"{self._say_size(items, files)}, of {self._free() / _GIGABYTE:.2f} GB free")

    def _say_too_little(self, items: int, files: int) -> str | None:
        free = self._free()
        if items * self.pack.format.item_bytes + _KEPT_FREE_BYTES <= free:
            return None
        size = self._say_size(items, files)
        return f"{size}, and {free / _GIGABYTE:.2f} GB are free; {_WAY_OUT}"

    def _say_size(self, items: int, files: int) -> str:
        needed = items * self.pack.format.item_bytes / _GIGABYTE
        where = f"cache {self.pack.folder}"
        wanted = counted(files, "file that is", "files that are")
        return f"{where} needs up to {needed:.2f} GB for {wanted} not in it yet"

    def _free(self) -> int:
        """Bytes that are free where the pack is, or will be."""
        folder = self.pack.folder.absolute()
        there = next(path for path in (folder, *folder.parents) if path.exists())
        return shutil.disk_usage(there).free

    def _tell_of_waiting(self) -> None:
        self.say(f"cache {self.pack.folder}: waiting for another process that fills it")


class _Filling:
    """One call of `PictureCache.fill`."""

    def __init__(self, cache: PictureCache, root: Path, load: Load) -> None:
        self.problems: dict[str, str] = {}
        self._cache = cache
        self._root = root
        self._load = load
        self._entries = cache.pack.entries()
        self._keys: dict[str, str] = {}
        self._stamps: dict[str, int] = {}

    def find(self, path: str) -> None:
        """Find the key of a path; what can't be read is loaded, to learn what is wrong with it."""
        with suppress(OSError, MedrecError):
            stamp = _stamp_of(self._root / path)
            self._keys[path] = file_key(self._root / path, rules=self._cache.rules)
            self._stamps[path] = stamp
            return
        try:
            self._load(path)
            self.problems[path] = "io: it could not be read a moment ago: try again"
        except (ScanError, ValueError) as error:
            self.problems[path] = str(error)

    def missing(self) -> list[str]:
        """Paths whose pictures aren't there; of files that are alike the first."""
        first: dict[str, str] = {}
        for path, key in self._keys.items():
            if key not in self._entries:
                first.setdefault(key, path)
        return list(first.values())

    def prepare(self, writer: PackWriter) -> None:
        """Prepare what is missing still, now that no other process writes."""
        self._entries = writer.entries
        missing = self.missing()
        if missing:
            items = sum(self._cache.count_items(self._root / path) for path in missing)
            self._cache.check_disk(items, len(missing))
        for path, found in prepare_all(missing, load=self._load, workers=self._cache.workers):
            try:
                self._add(path, found, writer)
            except ValueError as error:
                self.problems[path] = str(error)

    def found(self) -> dict[str, PackEntry]:
        """The entry of each path; one whose twin couldn't be prepared has the twin's problem."""
        wrong = {
            self._keys[path]: text for path, text in self.problems.items() if path in self._keys
        }
        self.problems |= {path: wrong[key] for path, key in self._keys.items() if key in wrong}
        return {path: self._entries[key] for path, key in self._keys.items() if key not in wrong}

    def _add(self, path: str, prepared: Prepared | str, writer: PackWriter) -> None:
        if isinstance(prepared, str):
            self.problems[path] = prepared
            return
        if self._stamps[path] != _stamp_of(self._root / path):
            message = "io: the file changed while it was read: wait until it is whole"
            raise ValueError(message)
        writer.add(
            self._keys[path],
            prepared.images,
            slices=prepared.slices,
            slice_count=prepared.slice_count,
            to_source=prepared.to_source,
            note=prepared.note,
        )


def fill_memory(paths: Iterable[str], *, load: Load) -> Filled:
    """Prepare every file and hold its pictures in memory, as float16: for small sets."""
    images: list[torch.Tensor] = []
    entries: dict[str, PackEntry] = {}
    problems: dict[str, str] = {}
    first = 0
    for path in paths:
        try:
            prepared = load(path)
        except (ScanError, ValueError) as error:
            problems[path] = str(error)
            continue
        entry = PackEntry(path, first, prepared.slices, prepared.slice_count, prepared.to_source)
        images.append(prepared.images.half())
        entries[path], first = entry, entry.end
    return Filled(entries, problems, lambda rows: Pictures.of(torch.cat(images)).subset(rows))


def file_key(path: Path, *, rules: str = "") -> str:
    """SHA-256 of what a file holds; of a folder, of its files' names and contents and of `rules`.

    Raises:
        OSError: It is no file or folder, or can't be read.
    """
    if not path.is_dir():
        return file_digest(_checked(path))
    files = [(found.source, _digest_in_folder(found.path)) for found in discover(path)]
    return hashlib.sha256(json.dumps([files, rules]).encode()).hexdigest()


def count_slices(path: Path) -> int:
    """How many pictures a file may give at most, by its header; of a folder, how many files.

    0 where the header can't be read: the file will be refused when it is prepared.
    """
    if path.is_dir():
        return sum(1 for _ in discover(path))
    try:
        header = read_header(FoundFile(path, path.name))
    except ScanError:
        return 0
    return header.slice_count or header.shape[2]


def count_voxels(path: Path) -> int:
    """Voxels of a file by its header; of a folder, of slices like its first one.

    0 where the header can't be read.
    """
    first = next(discover(path), None) if path.is_dir() else FoundFile(path, path.name)
    try:
        header = read_header(first) if first else None
    except ScanError:
        return 0
    if header is None:
        return 0
    return prod(header.shape) * (count_slices(path) if path.is_dir() else 1)


def _checked(path: Path) -> Path:
    """Refuse what must not be opened: a pipe would never end."""
    if not path.is_file():
        raise FileNotFoundError(path)
    return path


def _digest_in_folder(path: Path) -> str:
    """Links are not followed and pipes not opened, here as where the folder is read."""
    return file_digest(path) if is_regular_file(path) else ""


def _stamp_of(path: Path) -> int:
    """What changes when a file does, or one of a folder: sizes and times.

    Raises:
        OSError: Nothing is there.
    """
    return hash(tuple(stamp_of(found.path) for found in discover(path)))
