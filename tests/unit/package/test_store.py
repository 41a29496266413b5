from __future__ import annotations

import pytest

from medrec.errors import PackageError
from medrec.package import store
from medrec.package.store import find_model, shipped_models


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """Two shipped models, and a folder that is none."""
    for name in ("knee", "brain"):
        (tmp_path / "zoo" / name).mkdir(parents=True)
        (tmp_path / "zoo" / name / "package.yaml").touch()
    (tmp_path / "zoo" / "notes").mkdir()
    monkeypatch.setattr(store, "_ZOO", tmp_path / "zoo")
    return tmp_path / "zoo"


def test_shipped_models_are_listed_by_name(zoo):
    assert {"brain": zoo / "brain", "knee": zoo / "knee"} == shipped_models()
    assert ["brain", "knee"] == list(shipped_models())


def test_a_shipped_name_is_found(zoo):
    assert zoo / "knee" == find_model("knee")


def test_a_folder_is_found(zoo, tmp_path):
    assert tmp_path == find_model(tmp_path)
    assert tmp_path == find_model(str(tmp_path))


def test_a_shipped_name_wins_over_a_folder_of_that_name(zoo, tmp_path, monkeypatch):
    (tmp_path / "knee").mkdir()
    monkeypatch.chdir(tmp_path)

    assert zoo / "knee" == find_model("knee")


def test_an_unknown_name_lists_the_shipped_ones(zoo):
    with pytest.raises(PackageError, match=r"hip is neither .* \(shipped: brain, knee\)"):
        find_model("hip")


def test_a_file_is_no_model(zoo, tmp_path):
    (tmp_path / "weights.pth").touch()

    with pytest.raises(PackageError, match="neither a folder"):
        find_model(tmp_path / "weights.pth")
