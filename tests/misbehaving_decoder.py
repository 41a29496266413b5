"""A decoding process whose decoder does what the name of a file says: run by tests alone."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from medrec.io.decoding import decode_series
from medrec.io.decoding_child import main


def allocate_without_end():
    held = []
    while True:
        held.append(bytearray(1 << 26))


def fail():
    message = "Planted^Name"
    raise KeyError(message)


def make_noise():
    os.write(1, b"from a library in C\n")
    os.write(2, b"Planted^Name\n")
    print("from Python", flush=True)  # noqa: T201 (what libraries do)


DEEDS = {
    "abort": os.abort,
    "exit": lambda: os._exit(3),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: time.sleep(1000),
    "hungry": lambda: np.ones(1 << 40),
    "greedy": allocate_without_end,
    "bug": fail,
    "noisy": make_noise,
    "slow": lambda: time.sleep(0.5),
}


def decode(series, on_file):
    def listen(index):
        on_file(index)
        if index is not None:
            DEEDS.get(Path(series.headers[index].source).stem, int)()

    return decode_series(series, listen)


if __name__ == "__main__":
    main(sys.argv[1:], decode)
