"""Have series decoded in another process, so that one that kills its decoder costs itself alone.

One process, started when the first series is decoded, used again for the next, and started anew
after it has died. A program of its own, not a fork: this process may hold threads and a GPU.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from medrec.domain.codes import ReasonCode
from medrec.errors import FailedScanError, MedrecError, RefusedScanError, ScanError
from medrec.io.child_process import child_command, child_environment
from medrec.io.decoding_protocol import (
    ProtocolError,
    from_series,
    receive,
    receive_volume,
    send,
    to_error,
)
from medrec.io.dicom_file import MAX_DECODED_BYTES

if TYPE_CHECKING:
    from typing import BinaryIO

    from medrec.domain.series import Series
    from medrec.domain.volume import Volume

MEMORY_BYTES = 4 * MAX_DECODED_BYTES
"""What decoding may allocate: the largest series as planes and again as a volume."""
SECONDS_A_FILE = 60.0
_PIPE_BYTES = 1 << 18
"""Four times the usual: the two processes wait for each other less often."""
_MODULE = "medrec.io.decoding_child"
_LONGEST_START_S = 120.0
_LONGEST_END_S = 2.0
_FROM_OUTSIDE = {getattr(signal, name, None) for name in ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT")}


class DecodingWorker:
    """A decoding process, and the pipes to it.

    Args:
        memory_bytes: What decoding one series may allocate, where the system can hold it to that.
        seconds_a_file: How long one file may take before the process is ended.
        module: What the process runs; it must serve as `medrec.io.decoding_child` does.
    """

    def __init__(
        self,
        *,
        memory_bytes: int = MEMORY_BYTES,
        seconds_a_file: float = SECONDS_A_FILE,
        module: str = _MODULE,
    ) -> None:
        self._memory_bytes = memory_bytes
        self._seconds_a_file = seconds_a_file
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        self._lock = threading.Lock()

    @property
    def process_id(self) -> int | None:
        """The process that is there now, if any."""
        return None if self._process is None else self._process.pid

    def load(self, series: Series) -> Volume:
        """Decode a series.

        Raises:
            RefusedScanError: What decoding finds; the decoder ended on it (`decoder_crashed`), or
                it needs more memory than a series may take (`too_large`).
            FailedScanError: A file can't be opened now, or the process was ended from outside
                (`io`); it took too long (`timeout`).
            MedrecError: The process can't be started.
        """
        with self._lock:
            process = self._running()
            try:
                return self._exchange(process, series)
            except ScanError:
                raise
            except BaseException:  # an interrupt, say: half an answer may be left in the pipe
                self._end(grace_s=0.0)
                raise

    def close(self) -> None:
        """End the process; the next series starts another."""
        with self._lock:
            self._end(grace_s=_LONGEST_END_S)

    def _exchange(self, process: subprocess.Popen[bytes], series: Series) -> Volume:
        requests, replies = _pipes(process)
        current: int | None = None
        with _Deadline(process, seconds=self._seconds_a_file) as deadline:
            try:
                send(requests, from_series(series))
                while "file" in (message := receive(replies)):
                    deadline.renew(self._seconds_a_file)
                    current = message["file"]
                if "error" not in message:
                    deadline.renew(self._seconds_a_file)
                    return receive_volume(message, replies, most_bytes=self._memory_bytes)
                error = to_error(message)
            except (ProtocolError, OSError):
                self._end(grace_s=_LONGEST_END_S)
                error = _death(process.returncode, deadline)
        raise _naming(error, series, current) from None

    def _running(self) -> subprocess.Popen[bytes]:
        """The process, started if it isn't there."""
        if self._owner != os.getpid():  # a fork: the pipes are the other one's
            self._process, self._owner = None, os.getpid()
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end(grace_s=0.0)
        self._process = self._start()
        return self._process

    def _start(self) -> subprocess.Popen[bytes]:
        arguments = [str(self._memory_bytes), str(self._seconds_a_file)]
        process = subprocess.Popen(  # noqa: S603 (our own module)
            child_command(self._module, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # decoders print; what they print may hold anything
            env=child_environment(),
            pipesize=_PIPE_BYTES,
        )
        with _Deadline(process, seconds=_LONGEST_START_S):
            try:
                receive(_pipes(process)[1])
            except ProtocolError as error:
                _reap(process, grace_s=0.0)
                message = "the process that decodes images can't be started; to see why, run: "
                message += f"{sys.executable} -P -m {self._module} {' '.join(arguments)}"
                raise MedrecError(message) from error
        return process

    def _end(self, *, grace_s: float) -> None:
        if self._process is not None and self._owner == os.getpid():
            _reap(self._process, grace_s=grace_s)
        self._process = None


class _Deadline:
    """Ends a process that is still busy when its time is over."""

    def __init__(self, process: subprocess.Popen[bytes], *, seconds: float) -> None:
        self._process = process
        self._lock = threading.Lock()
        self._is_over = False
        self.has_passed = False
        self.renew(seconds)

    def renew(self, seconds: float) -> None:
        """Count from now."""
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def __enter__(self) -> _Deadline:
        self._wait(self.seconds)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_over = True
            self._timer.cancel()

    def _wait(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        with self._lock:
            if self._is_over:
                return
            left = self._end - time.monotonic()
            if left > 0:
                self._wait(left)
                return
            self.has_passed = True
            self._process.kill()


@cache
def shared_worker() -> DecodingWorker:
    """The one worker of this program, ended with it."""
    worker = DecodingWorker()
    atexit.register(worker.close)
    return worker


def _death(returncode: int | None, deadline: _Deadline) -> ScanError:
    if deadline.has_passed:
        detail = f"not decoded within {deadline.seconds:g} s"
        return FailedScanError(ReasonCode.TIMEOUT, detail)
    if returncode is not None and -returncode in _FROM_OUTSIDE:
        detail = "the decoding process was ended from outside: is the machine out of memory?"
        return FailedScanError(ReasonCode.IO, detail)
    detail = f"the decoder ended on it (exit status {returncode})"
    return RefusedScanError(ReasonCode.DECODER_CRASHED, detail)


def _naming(error: ScanError, series: Series, current: int | None) -> ScanError:
    """Say which file it was, if it was one of several."""
    if current is None or not 0 <= current < len(series.headers):
        return error
    header = series.headers[current]
    count = len(series.headers)
    detail = f"file {current + 1} of {count}: {error.detail}" if count > 1 else error.detail
    return type(error)(error.code, detail, source=header.source if count > 1 else "")


def _pipes(process: subprocess.Popen[bytes]) -> tuple[BinaryIO, BinaryIO]:
    """Where requests go, and where replies come from."""
    if process.stdin is None or process.stdout is None:
        raise ProtocolError
    return process.stdin, process.stdout  # type: ignore[return-value]


def _reap(process: subprocess.Popen[bytes], *, grace_s: float) -> None:
    """End a process and wait for it: nothing of it is left."""
    if grace_s == 0.0:
        process.kill()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # what was left unsent has nobody to go to
            if pipe is not None:
                pipe.close()
    try:
        process.wait(timeout=grace_s or None)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
