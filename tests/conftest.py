"""What every test may use."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is, not whether the claim holds.
settings.register_profile("medrec", deadline=None)
settings.load_profile("medrec")

# `factories` and `dicom_factory` beside this file are imported by name.
sys.path.insert(0, str(Path(__file__).parent))

_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_samples() -> Path:
    """The folder of shipped samples; the test is skipped where it wasn't checked out."""
    folder = _ROOT / "data_samples"
    if not (folder / "brain1").is_dir():
        pytest.skip("data_samples is not here")
    return folder


@pytest.fixture(autouse=True)
def _own_config_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """No test reads or makes the user's own patient key."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
