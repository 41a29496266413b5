"""What an audit keeps of a file."""

import numpy as np
import pytest
from factories import a_volume

from medrec.data.audit import gather_pictures
from medrec.data.description import describe_volume
from medrec.domain.reference import Reference
from medrec.errors import RefusedScanError


def a_stack(blank=(), seed=0):
    """Four slices of 32 x 24, some of them air."""
    voxels = np.random.default_rng(seed).uniform(50, 200, (1, 32, 24, 4)).astype(np.float32)
    voxels[..., list(blank)] = 0
    return a_volume(voxels=voxels)


def described(volume, *slices, labels=None):
    rows = [Reference("a.nii", "P", labels or {}, slice=number) for number in slices or (None,)]
    return describe_volume(volume, rows)


def test_each_slice_of_a_file_is_described():
    found = described(a_stack())

    assert [0, 1, 2, 3] == [row.slice for row in found.references]
    assert (4, 2, 96, 96) == found.thumbnails.shape
    assert 4 == len(set(found.digests)) == len(found.statistics)
    assert (32, 24, 4) == found.shape


def test_only_slices_that_rows_name_are_described():
    assert [1, 3] == [row.slice for row in described(a_stack(), 3, 1).references]


def test_blank_slices_are_left_out_and_counted():
    found = described(a_stack(blank=(0, 3)))

    assert [1, 2] == [row.slice for row in found.references]
    assert 2 == found.blank


def test_slices_of_a_positive_file_are_unknown_and_those_of_a_negative_one_negative():
    positive = described(a_stack(), labels={"x": True}).references
    negative = described(a_stack(), labels={"x": False}).references

    assert {None} == {row.labels["x"] for row in positive}
    assert {False} == {row.labels["x"] for row in negative}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda voxels: voxels * np.nan, "non_finite"),
        (lambda voxels: voxels * 0, "blank_image"),
    ],
)
def test_what_shows_nothing_is_refused(change, code):
    with pytest.raises(RefusedScanError) as refused:
        described(a_volume(voxels=change(a_stack().voxels)))

    assert code == refused.value.code


def test_a_slice_that_does_not_exist_is_refused():
    with pytest.raises(RefusedScanError, match="there is no slice 4"):
        described(a_stack(), 4)


def test_files_are_put_together_with_their_sizes():
    pictures = gather_pictures([described(a_stack()), described(a_stack(seed=1), 2)], repr)

    assert 5 == len(pictures.references) == len(pictures.thumbnails) == len(pictures.names)
    assert [32] * 5 == pictures.statistics["width"].tolist()
    assert [4] * 5 == pictures.statistics["depth"].tolist()


def test_what_is_kept_does_not_grow_with_the_pixels():
    small, large = (
        described(a_volume(voxels=np.random.default_rng(0).random((1, side, side, 1), np.float32)
                           , slice_sources=("a",)))
        for side in (64, 1024)
    )  # fmt: skip

    assert small.thumbnails.nbytes == large.thumbnails.nbytes
