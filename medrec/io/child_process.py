"""How a program of medrec's own is started to work for this one."""

from __future__ import annotations

import os
import sys


def child_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of medrec in this Python."""
    # -P: the folder that medrec is called in holds scans, and may hold a numpy.py.
    return [sys.executable, "-P", "-m", module, *arguments]


def child_environment() -> dict[str, str]:
    """That of this process, its import path, and one thread for each library of mathematics."""
    paths = [path or str(os.getcwd()) for path in sys.path]  # noqa: PTH109 (a string is wanted)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths)}
