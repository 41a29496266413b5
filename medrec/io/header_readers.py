"""Read the headers of many files on all cores.

Reading a header is work for Python, so the other cores get processes of their own. They are
programs, not forks: this process may hold threads and a GPU. Small folders never start one.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, cast

from medrec.domain.series import FileRecord
from medrec.io.child_process import child_command, child_environment
from medrec.io.cores import count_cores
from medrec.io.header_child import answer_of, question_for
from medrec.io.header_rows import read_rows_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from medrec.io.discover import FoundFile
    from medrec.io.header_rows import Row

_FILES_AT_ONCE = 32
_LONGEST_QUESTION_BYTES = 30_000
"""Two of them fit in a pipe, so that asking never waits for a reader that waits to answer."""
_FILES_ALONE = 1000
"""Read before other processes are started: starting one takes as long as reading some thousand."""
_MOST_READERS = 7
_AT_WORK = 2
"""Questions that a reader has at a time: one that it works on, and the next one."""


def read_rows(
    files: Iterable[FoundFile | FileRecord],
    *,
    readers: int | None = None,
    alone: int = _FILES_ALONE,
) -> Generator[Row, None, None]:
    """Read headers, and give them in no certain order; records among the files are passed on.

    `readers` processes beside this one (None: one for each further core) help after `alone` files.
    What a reader leaves unanswered, because it died, is read here.
    """
    count = _spare_cores() if readers is None else readers
    crew: list[_Reader] = []
    seen = 0
    with ExitStack() as while_reading:
        for found in _chunks(files):
            yield from (file for file in found if isinstance(file, FileRecord))
            chunk = [file for file in found if not isinstance(file, FileRecord)]
            seen += len(found)
            if seen > alone and len(crew) < count:
                crew += [while_reading.enter_context(_Reader()) for _ in range(count)]
            for reader in crew:
                yield from reader.answers()
            if not any(reader.ask(chunk) for reader in crew):
                yield from read_rows_of(chunk)
        for reader in crew:
            yield from reader.answers(wait=True)


class _Reader:
    """A process that reads headers, and the pipes to it."""

    def __init__(self) -> None:
        # It answers nothing twice when it is ready; until then it counts as busy.
        self._asked: list[Sequence[FoundFile]] = [()] * _AT_WORK
        self._process = subprocess.Popen(  # noqa: S603 (our own module)
            child_command("medrec.io.header_child"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
        )
        self._questions = cast("BinaryIO", self._process.stdin)
        self._answers = cast("BinaryIO", self._process.stdout)
        self._is_alive = True

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.communicate()

    def ask(self, files: Sequence[FoundFile]) -> bool:
        """Have files read, unless there is enough to do."""
        if not self._is_alive or len(self._asked) >= _AT_WORK:
            return False
        question = question_for(files)
        if len(question) > _LONGEST_QUESTION_BYTES:
            return False
        try:
            self._questions.write(question)
            self._questions.flush()
        except OSError:
            self._is_alive = False
            return False
        self._asked.append(files)
        return True

    def answers(self, *, wait: bool = False) -> Iterator[Row]:
        """What has been answered by now, or, if asked to wait, all that was asked."""
        while any(self._asked) if wait else self._has_answer():
            files = self._asked.pop(0)
            yield from self._next_answer() or read_rows_of(files)

    def _next_answer(self) -> list[Row]:
        """The rows of the oldest question; none where the reader died over it."""
        try:
            return answer_of(self._answers.readline()) if self._is_alive else []
        except (OSError, ValueError, TypeError):
            self._is_alive = False
            return []

    def _has_answer(self) -> bool:
        if not self._asked:
            return False
        return not self._is_alive or bool(select.select([self._answers], [], [], 0)[0])


def _chunks(files: Iterable[FoundFile | FileRecord]) -> Iterator[list[FoundFile | FileRecord]]:
    chunk: list[FoundFile | FileRecord] = []
    for file in files:
        chunk.append(file)
        if len(chunk) >= _FILES_AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _spare_cores() -> int:
    """Cores beside the one that this process uses; none where pipes can't be watched."""
    if os.name != "posix" or not sys.executable:
        return 0
    return min(count_cores() - 1, _MOST_READERS)
