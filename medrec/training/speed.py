"""How fast a network learns on this machine: measured, not looked up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from medrec.training.losses import masked_bce

if TYPE_CHECKING:
    from torch import nn

STEPS = 2


def measure_speed(
    network: nn.Module,
    *,
    size_px: int,
    label_count: int,
    device: str,
    batch_size: int = 8,
    depth: int | None = None,
) -> float:
    """Pictures a second over a few whole steps (forward, loss, backward, AdamW), one for warm-up.

    With `depth`, volumes a second of a 3D network, of `depth` slices of `size_px` x `size_px`. The
    network (medrec's, which returns `.logits`) is trained on noise: throw it away afterwards.

    On a CPU what counts is its own time, shared among PyTorch's threads: the speed is that of a
    machine with nothing else to do, so that what runs beside it doesn't change a config.
    """
    network.train().to(device)
    optimiser = torch.optim.AdamW(network.parameters())
    shape = (size_px, size_px) if depth is None else (depth, size_px, size_px)
    images = torch.rand(batch_size, 1, *shape, device=device)
    targets = torch.zeros(batch_size, label_count, device=device)
    clock = time.perf_counter if device.startswith("cuda") else _own_time
    started = 0.0
    for step in range(STEPS + 1):
        if step == 1:
            _wait(device)
            started = clock()
        optimiser.zero_grad()
        masked_bce(network(images).logits, targets).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    _wait(device)
    return STEPS * batch_size / (clock() - started)


def _own_time() -> float:
    return time.process_time() / torch.get_num_threads()


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
