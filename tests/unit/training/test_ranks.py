"""Processes that torchrun started."""

import pytest

from medrec.errors import TrainingError
from medrec.training.ranks import Ranks, check_ranks, find_ranks, meet, refuse_ranks


@pytest.fixture
def torchrun(monkeypatch):
    def start(**told):
        for name, value in {"TORCHELASTIC_RUN_ID": "x", **told}.items():
            monkeypatch.setenv(name, str(value))

    return start


def test_without_torchrun_a_process_is_alone_and_waits_for_nobody(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)

    meet("cpu")

    assert Ranks(0, 1, 1, 0) == find_ranks()


def test_torchrun_tells_each_process_its_place(torchrun):
    torchrun(RANK=5, WORLD_SIZE=8, LOCAL_WORLD_SIZE=4, LOCAL_RANK=1)

    found = find_ranks()

    assert Ranks(5, 8, 4, 1) == found
    assert (False, 2) == (found.is_main, found.nodes)


def test_machines_with_unequal_numbers_of_processes_are_refused(torchrun):
    torchrun(RANK=0, WORLD_SIZE=3, LOCAL_WORLD_SIZE=2, LOCAL_RANK=0)

    with pytest.raises(TrainingError, match="--nproc-per-node"):
        find_ranks()


def test_other_processes_than_asked_for_are_named_with_the_command():
    with pytest.raises(TrainingError, match="torchrun --nnodes 1 --nproc-per-node 2"):
        refuse_ranks(Ranks(), devices=2, nodes=None)


def test_several_processes_on_one_named_gpu_are_refused():
    (problem,) = check_ranks(Ranks(0, 2, 2, 0), devices=2, nodes=1, device="cuda:1")

    assert "give cuda" in problem
