from __future__ import annotations

import stat

import pytest

from medrec.domain.ids import to_patient_key
from medrec.errors import InputError
from medrec.io.patient_key import load_key


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "medrec"


def test_the_key_is_made_once_and_kept(folder):
    key = load_key()

    assert len(key) == 32
    assert key == load_key()
    assert to_patient_key("PAT-1", key=key).startswith("p-")
    assert [path.name for path in folder.iterdir()] == ["patient.key"]


def test_only_the_user_may_read_the_key(folder):
    load_key()

    assert stat.S_IMODE((folder / "patient.key").stat().st_mode) == 0o600


def test_a_damaged_key_is_not_replaced(folder):
    load_key()
    (folder / "patient.key").write_bytes(b"short")

    with pytest.raises(InputError, match="5 bytes, wanted 32"):
        load_key()
