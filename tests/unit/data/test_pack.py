"""Prepared pictures on disk."""

import multiprocessing
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from pack_writers import FORMAT, SHAPE, add_for_ever, add_some, fill, images

from medrec.data.pack import PicturePack


@pytest.fixture
def pack(tmp_path):
    return PicturePack(tmp_path, FORMAT)


def pictures_of(pack, key):
    entry = pack.entries()[key]
    return pack.pictures(range(entry.first, entry.end))[:]


def expected(key, count=3):
    return images(count, sum(key.encode())).half()


def test_what_was_added_is_found_again_as_it_was(pack, tmp_path):
    fill(pack, "a", "b")

    again = PicturePack(tmp_path, FORMAT)

    assert ["a", "b"] == list(again.entries())
    assert (3, (0, 1, 2), 4) == (
        again.entries()["b"].first,
        again.entries()["b"].slices,
        again.entries()["b"].slice_count,
    )
    assert torch.equal(expected("b"), pictures_of(again, "b"))


def test_a_pack_that_nobody_wrote_is_empty(pack):
    assert {} == pack.entries()
    assert not pack.folder.exists()


@pytest.mark.parametrize(
    "other",
    [
        replace(FORMAT, recipe={"prepare": {"size_px": 5}}),
        replace(FORMAT, shape=(1, 2, 8)),
        replace(FORMAT, dtype="uint8"),
    ],
)
def test_another_format_has_another_folder(pack, tmp_path, other):
    fill(pack, "a")

    assert {} == PicturePack(tmp_path, other).entries()


@pytest.mark.parametrize("kept", [0, 1, 40, -1, -2])
def test_a_line_that_was_cut_is_passed_over_and_written_anew(pack, kept):
    fill(pack, "a", "b")
    index = pack.folder / "index.jsonl"
    first, second = index.read_bytes().splitlines(keepends=True)
    index.write_bytes(first + second[:kept])

    assert ["a"] == list(pack.entries())
    fill(pack, "c", "b")

    assert ["a", "c", "b"] == list(pack.entries())
    assert all(torch.equal(expected(key), pictures_of(pack, key)) for key in "abc")
    assert 9 * FORMAT.item_bytes == (pack.folder / "pictures.bin").stat().st_size


def test_a_line_whose_pixels_are_missing_does_not_count(pack):
    fill(pack, "a", "b")
    pixels = pack.folder / "pictures.bin"
    pixels.write_bytes(pixels.read_bytes()[:-1])

    assert ["a"] == list(pack.entries())
    fill(pack, "b")

    assert torch.equal(expected("b"), pictures_of(pack, "b"))


def test_pixels_that_no_line_names_are_overwritten(pack):
    fill(pack, "a")
    with (pack.folder / "pictures.bin").open("ab") as file:
        file.write(b"left behind by one who was killed")

    fill(pack, "b")

    assert torch.equal(expected("b"), pictures_of(pack, "b"))


def test_what_came_before_an_error_is_kept(pack):
    def stumble():
        with pack.writing() as writer:
            writer.add("a", images(3, ord("a")), slices=range(3), slice_count=3)
            writer.add("b", torch.zeros(1, 1, 5, 5), slices=[0], slice_count=1)

    with pytest.raises(ValueError, match="shape"):
        stumble()

    assert torch.equal(expected("a"), pictures_of(pack, "a"))


def test_two_processes_that_write_at_once_spoil_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=add_some, args=(tmp_path, start)) for start in (0, 5)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    pack = PicturePack(tmp_path, FORMAT)
    assert [0, 0] == [writer.exitcode for writer in writers]
    assert {f"key {number}" for number in range(10)} == set(pack.entries())
    assert all(torch.equal(expected(key), pictures_of(pack, key)) for key in pack.entries())


def test_bytes_are_within_half_a_step(tmp_path):
    pack = PicturePack(tmp_path, replace(FORMAT, dtype="uint8"))
    fill(pack, "a")

    found = pictures_of(pack, "a")

    assert torch.float32 == found.dtype
    assert (found - images(3, ord("a"))).abs().max() <= 0.5 / 255 + 1e-7
    assert 3 * 16 == (pack.folder / "pictures.bin").stat().st_size


def test_rows_are_read_by_number_slice_and_list(pack):
    fill(pack, "a", "b")
    pictures = pack.pictures([5, 0, 3])
    whole = torch.cat([expected("a"), expected("b")])

    assert (3, *SHAPE) == pictures.shape
    assert torch.equal(whole[0], pictures[1])
    assert torch.equal(whole[[5, 0]], pictures[:2])
    assert torch.equal(whole[[3, 5]], pictures[[2, 0]])
    assert torch.equal(whole[[3, 5]], pictures[torch.tensor([2, 0])])


def test_a_subset_and_a_pickle_hold_row_numbers_alone(pack):
    fill(pack, "a", count=500)
    pictures = pack.pictures(range(500))
    pictures[0]

    part = pictures.subset([7, 3])
    travelled = ForkingPickler.loads(ForkingPickler.dumps(part))

    assert part.source is pictures.source
    assert len(ForkingPickler.dumps(part)) < 1000
    assert torch.equal(pictures[[7, 3]], travelled[:])


def test_what_was_read_is_a_copy(pack):
    fill(pack, "a")
    pictures = pack.pictures([0])

    pictures[0].fill_(7)

    assert torch.equal(expected("a")[0], pictures[0])
    assert np.float16 == pictures.source.items.dtype


def test_a_killed_writer_leaves_whole_entries_and_no_lock(tmp_path):
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    writer = context.Process(target=add_for_ever, args=(tmp_path, begun))
    writer.start()
    assert begun.wait(60)
    writer.kill()
    writer.join()

    pack = PicturePack(tmp_path, FORMAT)
    kept = pack.entries()
    fill(pack, "after")

    assert len(kept) >= 50
    assert all(torch.equal(expected(key), pictures_of(pack, key)) for key in [*kept, "after"])
