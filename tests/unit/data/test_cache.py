"""Each file is prepared once."""

import os
import shutil
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import torch

from medrec.config.cache import CacheConfig
from medrec.config.selection import RulesConfig
from medrec.data import build as build_module
from medrec.data import cache as module
from medrec.data import dataset
from medrec.data.build import build_cache
from medrec.data.cache import file_key
from medrec.data.dataset import prepare_slices
from medrec.domain.reference import Reference
from medrec.errors import ConfigError, ManifestError, OutputError
from medrec.preprocess.pipeline import Preprocessor

PREPARE = Preprocessor(size_px=32)


def write(path, seed=0):
    voxels = np.zeros((20, 20, 6), np.uint8)
    voxels[4:16, 4:16, 1:] = np.random.default_rng(seed).integers(50, 200, (12, 12, 5))
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-1.0, -1.0, 4.0, 1.0])), path)


@pytest.fixture
def archive(tmp_path):
    (tmp_path / "scans").mkdir()
    for seed, name in enumerate(("a", "b")):
        write(tmp_path / "scans" / f"{name}.nii", seed)
    return tmp_path / "scans"


@pytest.fixture
def loaded(monkeypatch):
    """Names of the files that were decoded."""
    names, load = [], dataset.load_file
    monkeypatch.setattr(
        dataset, "load_file", lambda path, **kw: names.append(path.name) or load(path, **kw)
    )
    return names


def prepare(archive, *names, prepare=PREPARE, config=None, rules=None, say=None):
    rows = [Reference(path=name, patient=name, labels={}) for name in names or ("a.nii", "b.nii")]
    cache = build_cache(config, prepare, folder=archive.parent / "cache", rules=rules, say=say)
    return prepare_slices(rows, root=archive, prepare=prepare, labels=["tumor"], cache=cache)


def test_pictures_from_the_cache_are_those_in_memory_to_the_bit(archive):
    rows = [Reference(path=name, patient=name, labels={}, slice=n)
            for name in ("b.nii", "a.nii") for n in (4, 2)]  # fmt: skip
    options = {"root": archive, "prepare": PREPARE, "labels": ["tumor"]}
    expected = prepare_slices(rows, **options)
    prepare(archive)

    found = prepare_slices(
        rows, **options, cache=build_cache(None, PREPARE, folder=archive.parent / "cache")
    )

    assert torch.equal(expected.images[:], found.images[:])
    assert torch.float16 == found.images[0].dtype
    assert expected.references == found.references
    assert expected.digests() == found.digests()
    assert expected.blank == found.blank


def test_nothing_is_prepared_twice(archive, loaded):
    prepare(archive)
    prepare(archive)

    assert ["a.nii", "b.nii"] == loaded


def test_what_is_blank_is_known_without_preparing(archive, loaded):
    expected = prepare(archive).blank

    assert 2 == expected == prepare(archive).blank
    assert 2 == len(loaded)


def test_a_file_of_nothing_but_air_has_no_pictures_and_is_known_without_preparing(archive, loaded):
    black = nibabel.Nifti1Image(np.zeros((20, 20, 6), np.uint8), np.diag([-1.0, -1.0, 4.0, 1.0]))
    nibabel.save(black, archive / "black.nii")
    names = ("a.nii", "black.nii", "b.nii")
    expected = prepare(archive, *names)

    again = prepare(archive, *names)

    assert 8 == expected.blank == again.blank
    assert torch.equal(prepare(archive).images[:], again.images[:])
    assert 3 == len(loaded)


def test_a_renamed_file_is_the_same_file(archive, loaded):
    prepare(archive)
    (archive / "a.nii").rename(archive / "c.nii")

    prepare(archive, "c.nii")

    assert ["a.nii", "b.nii"] == loaded


def test_a_changed_file_is_prepared_anew_though_its_size_and_time_are_the_same(archive, loaded):
    before = prepare(archive).images[:]
    stat = (archive / "a.nii").stat()
    write(archive / "a.nii", seed=7)
    os.utime(archive / "a.nii", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert stat.st_size == (archive / "a.nii").stat().st_size

    after = prepare(archive).images[:]

    assert ["a.nii", "b.nii", "a.nii"] == loaded
    assert not torch.equal(before[:5], after[:5])
    assert torch.equal(before[5:], after[5:])


def test_another_config_prepares_anew(archive, loaded):
    prepare(archive, "a.nii")

    prepare(archive, "a.nii", prepare=replace(PREPARE, upper=98.0))

    assert ["a.nii", "a.nii"] == loaded


def test_other_arithmetic_prepares_anew(archive, loaded, monkeypatch):
    prepare(archive, "a.nii")

    monkeypatch.setattr(build_module, "ARITHMETIC", 0)
    prepare(archive, "a.nii")

    assert ["a.nii", "a.nii"] == loaded


def test_another_version_of_a_library_prepares_anew(archive, loaded, monkeypatch):
    prepare(archive, "a.nii")

    monkeypatch.setattr(build_module, "version", lambda name: f"{name} of tomorrow")
    prepare(archive, "a.nii")

    assert ["a.nii", "a.nii"] == loaded


def test_equal_files_lie_there_once(archive, loaded):
    shutil.copy(archive / "a.nii", archive / "copy.nii")

    data = prepare(archive, "a.nii", "copy.nii")

    assert ["a.nii"] == loaded
    assert torch.equal(data.images[:5], data.images[5:])


def test_a_folder_is_its_files_and_the_rules(archive):
    key = file_key(archive, rules="T1")

    assert key == file_key(archive, rules="T1")
    assert key != file_key(archive, rules="T2")
    write(archive / "a.nii", seed=9)
    assert key != file_key(archive, rules="T1")


def test_rules_do_not_matter_to_a_file(archive, loaded):
    prepare(archive, "a.nii")

    prepare(archive, "a.nii", rules=RulesConfig(kind="rules", rules=[]))

    assert ["a.nii"] == loaded


def test_the_size_is_said_before_anything_is_prepared(archive, loaded):
    said = []

    prepare(archive, say=lambda text: said.append((text, len(loaded))))
    prepare(archive, say=lambda text: said.append((text, len(loaded))))

    ((text, before),) = said
    assert 0 == before
    assert "up to 0.00 GB for 2 files" in text
    assert "GB free" in text


def test_a_disk_too_small_is_refused_before_anything_is_prepared(archive, loaded, monkeypatch):
    usage = shutil.disk_usage(archive)._replace(free=1000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)

    with pytest.raises(OutputError) as refused:
        prepare(archive)

    assert [] == loaded
    assert "--set cache.folder=FOLDER" in str(refused.value)
    assert "0.00 GB are free" in str(refused.value)


def test_a_folder_that_can_not_be_made_is_one_error(archive):
    (archive.parent / "cache").write_text("a file")

    with pytest.raises(OutputError, match="can't be written"):
        prepare(archive)


def test_good_files_are_kept_when_others_are_refused(archive, loaded):
    (archive / "junk.nii").write_bytes(b"junk")

    with pytest.raises(ManifestError) as refused:
        prepare(archive, "junk.nii", "a.nii", "gone.nii")
    prepare(archive, "a.nii")

    assert ["junk.nii", "gone.nii"] == [text.split(":")[0] for text in refused.value.problems]
    assert 1 == loaded.count("a.nii")


def test_a_file_that_changes_while_it_is_read_is_not_kept(archive, monkeypatch):
    load = dataset.load_file

    def slow(path, **options):
        volume = load(path, **options)
        write(path, seed=5)
        return volume

    monkeypatch.setattr(dataset, "load_file", slow)
    with pytest.raises(ManifestError, match=r"a\.nii: io: the file changed while it was read"):
        prepare(archive, "a.nii")

    monkeypatch.setattr(dataset, "load_file", load)
    expected = prepare_slices(
        [Reference(path="a.nii", patient="a", labels={})],
        root=archive, prepare=PREPARE, labels=["tumor"],
    )  # fmt: skip
    assert torch.equal(expected.images[:], prepare(archive, "a.nii").images[:])


def test_bytes_are_refused_for_values_beyond_0_and_1(archive):
    with pytest.raises(ConfigError, match="clip"):
        prepare(archive, config=CacheConfig(dtype="uint8"), prepare=replace(PREPARE, clip=False))


def test_bytes_give_nearly_the_same_pictures(archive):
    expected = prepare(archive).images[:].float()

    found = prepare(archive, config=CacheConfig(dtype="uint8")).images[:]

    assert (expected - found).abs().max() < 0.6 / 255
