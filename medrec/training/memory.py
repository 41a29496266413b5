"""A device whose memory is too small for a fit: one message with the way out."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from medrec.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ON_THE_CPU = "DefaultCPUAllocator"
"""PyTorch has no error class of its own for the CPU, only this name in the text."""


@contextmanager
def enough_memory() -> Iterator[None]:
    """Around a fit.

    Raises:
        TrainingError: The memory of the device, or of the computer, is used up.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        is_full = isinstance(error, (torch.OutOfMemoryError, MemoryError))
        if not is_full and _ON_THE_CPU not in str(error):
            raise
        message = (
            "the fit needs more memory than the device has: lower fit.batch_size (and raise "
            "fit.accumulate by as much, so that a step sees as many rows), lower "
            "preprocess.size_px, or set fit.precision to bf16. What is finished is kept"
        )
        raise TrainingError(message) from error
