"""How many cores this process may use."""

from __future__ import annotations

import os


def count_cores() -> int:
    """Cores that this process is bound to, where the system says so; else those of the machine."""
    is_bound = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if is_bound else os.cpu_count() or 1
