"""How fast a network learns on this machine: measured, not looked up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from medrec.training.losses import masked_bce

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from medrec.training.detection import DetectionLoss

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
    shape = (size_px, size_px) if depth is None else (depth, size_px, size_px)
    images = torch.rand(batch_size, 1, *shape, device=device)
    targets = torch.zeros(batch_size, label_count, device=device)

    def loss() -> torch.Tensor:
        return masked_bce(network(images).logits, targets)

    return _time(network, loss, batch_size, device)


def measure_detector(
    network: nn.Module,
    loss: DetectionLoss,
    *,
    shape: tuple[int, ...],
    device: str,
    is_half: bool,
    batch_size: int = 4,
) -> float:
    """Pictures or volumes of `shape` that a detector learns from in a second, as `measure_speed`.

    Each holds one box in its middle, a fifth as long as it is; `is_half` computes in bf16.
    """
    images = torch.rand(batch_size, 1, *shape, device=device)
    sides = torch.tensor([*shape], dtype=torch.float32, device=device)
    box = torch.cat([0.4 * sides, 0.6 * sides, sides.new_zeros(1)])
    objects = box.expand(batch_size, 1, len(box))
    targets = torch.ones(batch_size, 1, device=device)

    def step() -> torch.Tensor:
        kind = device.partition(":")[0]
        with torch.autocast(kind, torch.bfloat16, enabled=is_half):
            return loss(network(images), objects, targets)

    return _time(network, step, batch_size, device)


def _time(
    network: nn.Module, loss: Callable[[], torch.Tensor], batch_size: int, device: str
) -> float:
    """Rows a second of whole steps by a loss of `batch_size` rows."""
    network.train().to(device)
    optimiser = torch.optim.AdamW(network.parameters())
    clock = time.perf_counter if device.startswith("cuda") else _own_time
    started = 0.0
    for step in range(STEPS + 1):
        if step == 1:
            _wait(device)
            started = clock()
        optimiser.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    _wait(device)
    return STEPS * batch_size / (clock() - started)


def _own_time() -> float:
    return time.process_time() / torch.get_num_threads()


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
