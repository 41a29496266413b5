"""Which device computes."""

from __future__ import annotations

import re

import torch

from medrec.errors import MedrecError, UsageError

_NAMES = re.compile(r"cpu|mps|cuda(:\d+)?")


def pick_device(wanted: str) -> str:
    """Resolve `auto` to cuda, mps or cpu; check that a named device is there.

    Raises:
        UsageError: No name of a device.
        MedrecError: The device is not there.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if not _NAMES.fullmatch(wanted):
        message = f"--device {wanted} is none of auto, cpu, cuda, cuda:N, mps"
        raise UsageError(message)
    try:
        torch.empty(1, device=wanted)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        message = f"--device {wanted} can't be used: {reason}. `medrec doctor` lists the devices."
        raise MedrecError(message) from error
    return wanted


def list_devices() -> list[str]:
    """Names of the devices that torch can use here."""
    found = ["cpu"]
    if torch.cuda.is_available():
        found += [
            f"cuda:{n} ({torch.cuda.get_device_name(n)})" for n in range(torch.cuda.device_count())
        ]
    return [*found, "mps"] if torch.backends.mps.is_available() else found
