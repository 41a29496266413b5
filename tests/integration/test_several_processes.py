"""Two processes on the CPU fit one network."""

import os
import subprocess
import sys

import pytest
import torch

from medrec.package.package import open_package
from tests.training_factory import write_config, write_films

SPLITS = ["train", "train", "test"]


def torchrun(*arguments):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [sys.executable, *launcher, "-m", "medrec", *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_torchrun_trains_one_package_by_two_processes(tmp_path):
    films = write_films(tmp_path / "films", ["high", None] * 15, splits=SPLITS)
    fit = {"epochs": 1, "batch_size": 4, "devices": 2, "strategy": "ddp"}
    config = write_config(tmp_path, films, fit=fit)

    done = torchrun("train", config, "--out", tmp_path / "run", "--device", "cpu")

    assert 0 == done.returncode, done.stderr
    steps = torch.load(tmp_path / "run/final/last.ckpt", weights_only=True)["global_step"]  # noqa: TID251
    assert 2 == steps  # 20 films: 10 for each process, 2 batches of 4
    assert 1 == done.stdout.count("model: ")
    assert 1 == done.stderr.count("final: fitting on")
    assert "disc" == open_package(tmp_path / "run" / "model").manifest.name
