"""Many files at once, each decoded in a process of its own."""

import threading
import time

import pytest
from PIL import Image

from medrec.io.decoding_crew import work_on_each
from medrec.io.loading import load_file


def test_results_come_in_the_order_of_the_items():
    def work(item, _):
        time.sleep(0.02 * (3 - item))
        return item

    assert [0, 1, 2] == list(work_on_each(range(3), work, workers=3))


def test_two_items_are_under_way_at_once():
    met = threading.Barrier(2, timeout=20)

    assert 2 == len(list(work_on_each(range(2), lambda _, __: met.wait(), workers=2)))


def test_no_worker_is_lent_twice_at_a_time():
    busy, clashes = set(), []

    def work(_, worker):
        if id(worker) in busy:
            clashes.append(worker)
        busy.add(id(worker))
        time.sleep(0.005)
        busy.discard(id(worker))

    list(work_on_each(range(20), work, workers=3))

    assert [] == clashes


def test_files_are_decoded_in_other_processes_that_end_with_the_work(tmp_path):
    for number in range(4):
        picture = Image.new("L", (8, 8))
        picture.putpixel((2, 3), 40 * number + 10)
        picture.save(tmp_path / f"{number}.png")
    workers = set()

    def work(path, worker):
        volume = load_file(path, worker=worker)
        workers.add(worker)
        return volume.voxels.max()

    found = list(work_on_each(sorted(tmp_path.iterdir()), work, workers=2))

    assert [10, 50, 90, 130] == found
    assert {None} == {worker.process_id for worker in workers}


def test_what_the_work_raises_is_raised_and_the_rest_never_begins():
    begun = []

    def work(item, _):
        begun.append(item)
        message = "no"
        raise LookupError(message)

    with pytest.raises(LookupError):
        list(work_on_each(range(500), work, workers=1))

    assert len(begun) < 500


def test_no_items_are_no_work():
    assert [] == list(work_on_each([], lambda item, _: item))
