"""The process that decodes: reads a series from stdin, writes its volume to stdout, and so on.

Started by `medrec.io.decoding_worker`. It never imports torch; a decoder that aborts, hangs or
allocates without end takes this process down and no other.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from medrec.domain.codes import ReasonCode
from medrec.errors import RefusedScanError, ScanError
from medrec.io.decoding import decode_series
from medrec.io.decoding_protocol import (
    ProtocolError,
    from_error,
    receive,
    send,
    send_volume,
    to_series,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from medrec.domain.series import Series
    from medrec.domain.volume import Volume

    Decode = Callable[[Series, Callable[[int | None], None]], Volume]

_ORPHAN_FACTOR = 2.0
"""The parent ends a decoder that is over its time; one whose parent has gone gets twice as long."""


def main(arguments: list[str], decode: Decode = decode_series) -> None:
    """Serve until stdin ends. Arguments: bytes that may be allocated, seconds a file."""
    requests, replies = _take_over_stdio()
    _ignore_interrupts()
    memory_bytes, seconds = int(arguments[0]), float(arguments[1])
    limit_memory(memory_bytes)
    send(replies, {"ready": True})
    try:
        while True:
            _answer(to_series(receive(requests)), replies, decode=decode, seconds=seconds)
    except (ProtocolError, BrokenPipeError):
        os._exit(0)  # the parent has gone: nobody is left to say anything to


def has_memory_limit() -> bool:
    """Whether this system holds a process to a size (RLIMIT_AS): Linux does."""
    return sys.platform == "linux"


def limit_memory(memory_bytes: int) -> None:
    """Let this process allocate so much beyond what it holds now, and leave no core dump."""
    if sys.platform != "linux":
        return
    import resource  # absent from Windows

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    held = pages * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    wanted = held + memory_bytes
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    # A core dump would hold the picture and the header of a patient.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(series: Series, replies: BinaryIO, *, decode: Decode, seconds: float) -> None:
    def on_file(index: int | None) -> None:
        _set_alarm(seconds * _ORPHAN_FACTOR)
        send(replies, {"file": index})

    try:
        volume = decode(series, on_file)
    except ScanError as error:
        send(replies, from_error(error))
    except MemoryError:
        detail = "decoding it takes more memory than a file may take"
        send(replies, from_error(RefusedScanError(ReasonCode.TOO_LARGE, detail)))
    except Exception as error:  # noqa: BLE001 (whatever it is, it must cost this file alone)
        send(replies, from_error(RefusedScanError(ReasonCode.DECODER_CRASHED, _place_of(error))))
    else:
        send_volume(replies, volume)
    _set_alarm(0)


def _place_of(error: Exception) -> str:
    """What went wrong and where, without the message: it may quote a header."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
    return f"the reader failed ({type(error).__name__} at {where})"


def _take_over_stdio() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the parent; what a library prints goes nowhere near them."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return requests, replies


def _ignore_interrupts() -> None:
    """Ctrl-C reaches every process of the terminal; the parent decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _set_alarm(seconds: float) -> None:
    """End this process after so many seconds (0: never), even amid a decoder in C."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
