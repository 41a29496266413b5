"""Prepared volumes, in memory or in a cache."""

import nibabel
import numpy as np
import pytest
import torch

from medrec.config.cache import CacheConfig
from medrec.data import cache as cache_module
from medrec.data import pieces
from medrec.data import volumes as module
from medrec.data.build import build_cache
from medrec.data.dataset import prepare_slices
from medrec.data.pictures import PixelFile
from medrec.data.volumes import prepare_volumes
from medrec.domain.reference import Reference
from medrec.errors import ManifestError, OutputError
from medrec.preprocess.pipeline import Preprocessor
from medrec.preprocess.volumes import VolumePreprocessor
from medrec.training.sampling import watching_loader

STACKS = Preprocessor(size_px=32)
BOXES = VolumePreprocessor(size=(8, 32, 32))
SPACED = VolumePreprocessor(size=(8, 16, 16), crop="none", spacing_mm=(4.0, 0.5, 0.25))
KINDS = pytest.mark.parametrize(
    "prepare", [STACKS, BOXES, SPACED], ids=["stacks", "boxes", "spaced"]
)
SLICES = {"a.nii": 6, "b.nii": 9}


def write(path, slices, seed=0):
    voxels = np.zeros((20, 20, slices), np.uint8)
    voxels[4:16, 4:16] = np.random.default_rng(seed).integers(50, 200, (12, 12, slices))
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-1.0, -1.0, 4.0, 1.0])), path)


@pytest.fixture
def archive(tmp_path):
    root = tmp_path / "scans"
    root.mkdir()
    for seed, (name, slices) in enumerate(SLICES.items()):
        write(root / name, slices, seed)
    return root


@pytest.fixture
def loaded(monkeypatch):
    """Names of the files that were decoded."""
    names, load = [], module.load_file
    monkeypatch.setattr(
        module, "load_file", lambda path, **kw: names.append(path.name) or load(path, **kw)
    )
    return names


def volumes_of(archive, prepare, *names, cached=True, config=None, say=None):
    rows = [Reference(path=name, patient=name, labels={}) for name in names or SLICES]
    folder = archive.parent / "cache"
    cache = build_cache(config, prepare, folder=folder, say=say) if cached else None
    return prepare_volumes(rows, root=archive, prepare=prepare, labels=["tumor"], cache=cache)


@KINDS
def test_volumes_from_the_cache_are_those_in_memory_to_the_bit(archive, prepare):
    expected = volumes_of(archive, prepare, "b.nii", "a.nii", cached=False)

    for _ in ("filled", "found"):
        found = volumes_of(archive, prepare, "b.nii", "a.nii")
        assert expected.digests() == found.digests()
        assert all(map(torch.equal, expected.items, found.items))
        assert ["b.nii", "a.nii"] == [row.path for row in found.references]


@KINDS
def test_what_the_cache_holds_is_not_decoded_again(archive, prepare, loaded):
    volumes_of(archive, prepare, "a.nii")
    volumes_of(archive, prepare)

    assert ["a.nii", "b.nii"] == loaded


def test_a_stack_has_a_picture_a_slice_and_a_box_one_shape(archive):
    stacks, boxes = (volumes_of(archive, prepare) for prepare in (STACKS, BOXES))

    assert [(6, 1, 32, 32), (9, 1, 32, 32)] == [tuple(item.shape) for item in stacks.items]
    assert [(1, 8, 32, 32)] * 2 == [tuple(item.shape) for item in boxes.items]


def test_boxes_of_one_spacing_have_the_shapes_that_follow_and_places_without_them(archive):
    found = volumes_of(archive, SPACED)

    # 6 and 9 slices of 4 mm, padded to 8; 20 mm in 0.5 and in 0.25 mm.
    assert [(1, 8, 40, 80), (1, 9, 40, 80)] == [tuple(item.shape) for item in found.items]
    assert found.differ_in_shape
    assert [17, 17] == [len(place) for place in found.places]
    load = SPACED(module.load_file(archive / "b.nii"))
    assert torch.equal(load.voxels.half(), found.items[1])
    assert load.to_source.ravel().tolist() == list(found.places[1][:16])


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_watched_volumes_that_differ_in_shape_come_one_by_one(archive, dtype):
    found = volumes_of(archive, SPACED, config=CacheConfig(dtype=dtype))

    shapes = [tuple(batch[0].shape) for batch in watching_loader(found, batch_size=4)]
    assert [(1, 1, 8, 40, 80), (1, 1, 9, 40, 80)] == shapes


@KINDS
def test_a_subset_keeps_its_order_and_maps_the_same_file(archive, prepare):
    everything = volumes_of(archive, prepare)
    turned = everything.subset([1, 0]).subset([0])

    assert torch.equal(everything.items[1], turned.items[0])
    assert ["b.nii"] == [row.path for row in turned.references]
    assert isinstance(turned.items.pictures.source, PixelFile)


def test_networks_of_slices_find_what_a_network_of_pictures_prepared(archive, loaded):
    cache = build_cache(None, STACKS, folder=archive.parent / "cache")
    rows = [Reference(path=name, patient=name, labels={}) for name in SLICES]
    prepare_slices(rows, root=archive, prepare=STACKS, labels=["tumor"], cache=cache)

    volumes_of(archive, STACKS)

    assert [] == loaded


@pytest.mark.parametrize(
    ("prepare", "items"),
    [
        (STACKS, sum(SLICES.values()) * 32 * 32),
        (BOXES, 2 * 8 * 32 * 32),
        (SPACED, 2 * pieces.VOXELS),  # 19200 and 28800 voxels: a piece each
    ],
)
def test_the_size_that_is_said_counts_slices_or_boxes(archive, prepare, items, monkeypatch):
    monkeypatch.setattr(cache_module, "_GIGABYTE", 1)
    said = []

    volumes_of(archive, prepare, say=said.append)

    assert 1 == len(said)
    assert f"up to {items * 2:.2f} GB for 2 files" in said[0]


@KINDS
def test_a_disk_that_is_too_small_is_said_before_a_volume_is_prepared(
    archive, prepare, loaded, monkeypatch
):
    monkeypatch.setattr(cache_module, "_KEPT_FREE_BYTES", 1 << 60)

    with pytest.raises(OutputError, match="make room"):
        volumes_of(archive, prepare)
    assert [] == loaded


def test_bytes_are_within_half_a_step_of_the_volume(archive):
    exact = volumes_of(archive, BOXES, cached=False).items[0].float()

    found = volumes_of(archive, BOXES, config=CacheConfig(dtype="uint8")).items[0]

    assert torch.float32 == found.dtype
    torch.testing.assert_close(exact, found, atol=0.5 / 255 + 5e-4, rtol=0)


@KINDS
@pytest.mark.parametrize("cached", [True, False])
def test_all_files_that_hold_one_slice_or_are_gone_are_listed(archive, prepare, cached):
    write(archive / "flat.nii", 1)

    with pytest.raises(ManifestError) as caught:
        volumes_of(archive, prepare, "a.nii", "flat.nii", "gone.nii", cached=cached)

    assert "flat.nii: holds one slice" in str(caught.value)
    assert "gone.nii" in str(caught.value)
