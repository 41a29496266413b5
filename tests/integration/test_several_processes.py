"""Two processes on the CPU fit one network."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from medrec.package.package import open_package
from tests.training_factory import write_config, write_films

PIPED = {
    "env": os.environ | {"OMP_NUM_THREADS": "1"},
    "stdout": subprocess.PIPE,
    "stderr": subprocess.PIPE,
    "text": True,
}
SPLITS = ["train", "train", "test"]


def command(*arguments, launcher=("--standalone", "--nproc-per-node", "2")):
    medrec = ["-m", "medrec", *map(str, arguments), "--device", "cpu"]
    return [sys.executable, "-m", "torch.distributed.run", *launcher, *medrec]


def start(asked):
    return subprocess.Popen(asked, **PIPED)


def torchrun(*arguments):
    done = subprocess.run(command(*arguments), **PIPED, timeout=500, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout, done.stderr


def kill_with_workers(launcher):
    """End torchrun and the processes that it started, at once, as a machine that fails does."""
    workers = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    assert 2 == len(workers)
    for pid in [launcher.pid, *map(int, workers)]:
        os.kill(pid, signal.SIGKILL)
    launcher.communicate()


def free_port():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


@pytest.mark.slow
def test_torchrun_trains_one_package_by_two_processes(tmp_path):
    films = write_films(tmp_path / "films", ["high", None] * 15, splits=SPLITS)
    fit = {"epochs": 1, "batch_size": 4, "devices": 2, "strategy": "ddp"}
    config = write_config(tmp_path, films, fit=fit)

    stdout, stderr = torchrun("train", config, "--out", tmp_path / "run")

    steps = torch.load(tmp_path / "run/final/last.ckpt", weights_only=True)["global_step"]  # noqa: TID251
    assert 2 == steps  # 20 films: 10 for each process, 2 batches of 4
    assert 1 == stdout.count("model: ")
    assert 1 == stderr.count("final: fitting on")
    assert "disc" == open_package(tmp_path / "run" / "model").manifest.name


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="children are found by /proc")
def test_two_processes_killed_in_mid_epoch_resume_to_the_weights_of_an_uncut_run(tmp_path):
    films = write_films(tmp_path / "films", ["high", None] * 15, splits=SPLITS)
    # Nine more epochs after the first checkpoint: it is always killed before it ends.
    fit = {"epochs": 10, "batch_size": 2, "sampler": "class_balanced", "strategy": "ddp"}
    config = write_config(tmp_path, films, fit=fit, splits={"folds": 2})
    torchrun("train", config, "--out", tmp_path / "uncut")

    process = start(command("train", config, "--out", tmp_path / "cut"))
    while not (tmp_path / "cut" / "final" / "last.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.02)
    kill_with_workers(process)
    assert not (tmp_path / "cut" / "model").exists()
    torchrun("train", config, "--out", tmp_path / "cut", "--resume")

    weights = Path("model") / "weights.safetensors"
    expected, found = ((tmp_path / name / weights).read_bytes() for name in ("uncut", "cut"))
    assert expected == found


@pytest.mark.slow
def test_two_launchers_as_on_two_machines_train_one_package(tmp_path):
    films = write_films(tmp_path / "films", ["high", None] * 15, splits=SPLITS)
    fit = {"epochs": 1, "batch_size": 4, "devices": 1, "nodes": 2}
    config = write_config(tmp_path, films, fit=fit)
    address = [
        "--nproc-per-node",
        "1",
        "--master-addr",
        "localhost",
        "--master-port",
        str(free_port()),
    ]

    asked = ["train", config, "--out", tmp_path / "run"]
    machines = [
        start(command(*asked, launcher=["--nnodes", "2", "--node-rank", str(rank), *address]))
        for rank in (0, 1)
    ]
    said = [machine.communicate(timeout=500) for machine in machines]

    assert [0, 0] == [machine.returncode for machine in machines], said
    assert [1, 0] == [stdout.count("model: ") for stdout, _ in said]
    steps = torch.load(tmp_path / "run/final/last.ckpt", weights_only=True)["global_step"]  # noqa: TID251
    assert 2 == steps  # 20 films: 10 for each machine, 2 batches of 4
    assert "disc" == open_package(tmp_path / "run" / "model").manifest.name
