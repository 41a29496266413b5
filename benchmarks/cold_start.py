"""How long `medrec --help` takes: against an interpreter that does nothing, and the limit."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 15
LIMIT_S = 0.5
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "medrec --help": [sys.executable, "-m", "medrec", "--help"],
    "import torch": [sys.executable, "-c", "import torch"],
}


def seconds(command: list[str]) -> float:
    """Wall time of one run in a fresh process."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 (our own commands)
    return time.perf_counter() - started


def median_seconds(command: list[str], *, rounds: int) -> float:
    """Median over rounds, after one that fills the file cache."""
    seconds(command)
    return statistics.median(seconds(command) for _ in range(rounds))


def main() -> None:
    """Print medians and ratios; exit 1 if the limit is missed."""
    medians = {
        name: median_seconds(command, rounds=3 if "torch" in name else ROUNDS)
        for name, command in COMMANDS.items()
    }
    bare, answer = medians["python -c pass"], medians["medrec --help"]
    for name, median in medians.items():
        print(f"{name:16} {median:6.3f} s   {median / bare:5.1f} x python -c pass")
    print(f"medrec --help is at {answer / LIMIT_S:.0%} of the limit of {LIMIT_S} s")
    sys.exit(answer > LIMIT_S)


if __name__ == "__main__":
    main()
