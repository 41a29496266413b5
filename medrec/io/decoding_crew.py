"""Many files at once: a decoding process for each core, and a thread that works on its volumes.

Decoding is done by programs of their own, as everywhere (`medrec.io.decoding_worker`); what numpy
and Pillow do to a volume afterwards leaves Python free for the other threads.
"""

from __future__ import annotations

import queue
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from math import ceil
from typing import TYPE_CHECKING, TypeVar

from medrec.io.cores import count_cores
from medrec.io.decoding_worker import DecodingWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_WORTH_A_WORKER = 16
"""Starting a decoding process takes about as long as decoding so many files."""

S = TypeVar("S")
T = TypeVar("T")


def work_on_each(
    items: Sequence[S], work: Callable[[S, DecodingWorker], T], *, workers: int | None = None
) -> Iterator[T]:
    """Give `work(item, worker)` of each item, in their order.

    No more items are under way than there are workers, and what `work` returns waits until its turn
    comes: it should be small. What it raises is raised here, and what has not begun never does.

    Args:
        items: What to work on.
        work: Called in a thread; the worker is its own for so long.
        workers: How many at once; None one for each core, and fewer for few items.
    """
    wanted = workers or min(count_cores(), ceil(len(items) / _WORTH_A_WORKER))
    count = max(1, min(len(items), wanted))
    idle: queue.SimpleQueue[DecodingWorker] = queue.SimpleQueue()
    with ExitStack() as stack:
        for worker in (DecodingWorker() for _ in range(count)):
            stack.callback(worker.close)
            idle.put(worker)

        def lent(item: S) -> T:
            worker = idle.get()
            try:
                return work(item, worker)
            finally:
                idle.put(worker)

        pool = ThreadPoolExecutor(count, thread_name_prefix="decoding")
        stack.callback(pool.shutdown, cancel_futures=True)  # before the workers are closed
        yield from pool.map(lent, items)
