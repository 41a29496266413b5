"""The processes that fit one network together, as torchrun started them: who leads, who waits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from medrec.errors import TrainingError

_PATIENCE = timedelta(days=2)
"""Others wait while the first process prepares an archive: PyTorch's half an hour is too short."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among all of them; without torchrun, it is the only one."""

    rank: int = 0
    count: int = 1
    here: int = 1
    """Processes on this machine."""
    local: int = 0
    """This process among those on this machine."""

    @property
    def is_main(self) -> bool:
        """Whether this process prints, writes the run folder, calibrates and tests."""
        return self.rank == 0

    @property
    def nodes(self) -> int:
        """Machines, which all have as many processes."""
        return self.count // self.here


def find_ranks() -> Ranks:
    """Read what torchrun tells each of its processes; SLURM starts torchrun, one on each machine.

    Raises:
        TrainingError: Processes that don't fill the machines evenly.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Ranks()
    count, here = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if count % here:
        message = (
            f"torchrun: {count} processes, {here} of them on this machine: start as many on each "
            "machine (--nproc-per-node)"
        )
        raise TrainingError(message)
    return Ranks(int(os.environ["RANK"]), count, here, int(os.environ["LOCAL_RANK"]))


def meet(device: str) -> None:
    """Wait until every process has come here; nothing where there is only one.

    Args:
        device: Where networks are fitted; each process takes the GPU of its own number.
    """
    ranks = find_ranks()
    if ranks.count == 1:
        return
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(ranks.local)
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    dist.all_reduce(torch.zeros(1))  # on the CPU: no GPU is kept busy by waiting


def refuse_ranks(ranks: Ranks, *, devices: int | None, nodes: int | None) -> None:
    """Refuse settings that ask for other processes, before an archive is prepared for them.

    Raises:
        TrainingError: What to start instead.
    """
    if problems := check_ranks(ranks, devices=devices, nodes=nodes, device=""):
        raise TrainingError(problems[0])


def check_ranks(ranks: Ranks, *, devices: int | None, nodes: int | None, device: str) -> list[str]:
    """What keeps these processes from doing as the settings ask; None asks for nothing."""
    problems = []
    asked = (devices or ranks.here, nodes or ranks.nodes)
    if asked != (ranks.here, ranks.nodes):
        problems.append(
            f"fit.devices, fit.nodes: {asked[0]} on {asked[1]} machines are asked for, and "
            f"{ranks.here} on {ranks.nodes} were started: give `torchrun --nnodes {asked[1]} "
            f"--nproc-per-node {asked[0]} -m medrec ...`"
        )
    if ranks.count > 1 and ":" in device:
        problems.append(f"--device {device}: several processes take a GPU each: give cuda")
    return problems
