"""The contracts between layers, in pyproject.toml, are kept."""

from __future__ import annotations

import logging.config
import tomllib
from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[2]


def test_every_import_points_the_way_that_the_contracts_allow(monkeypatch):
    monkeypatch.chdir(ROOT)
    # The linter silences all loggers that exist, and later tests read what they say.
    monkeypatch.setattr(logging.config, "dictConfig", lambda _: None)

    assert EXIT_STATUS_SUCCESS == lint_imports(config_filename="pyproject.toml", no_cache=True)


def layers_contract() -> dict:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    return next(contract for contract in contracts if contract["type"] == "layers")


def test_the_layers_are_exhaustive_so_that_a_new_folder_must_be_placed():
    assert layers_contract()["exhaustive"] is True


def test_every_package_is_in_a_layer():
    placed = {name.strip() for layer in layers_contract()["layers"] for name in layer.split("|")}

    packages = {path.parent.name for path in (ROOT / "medrec").glob("*/__init__.py")}

    assert len(packages) >= 10
    assert set() == packages - placed
