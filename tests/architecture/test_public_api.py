"""What `import medrec` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import medrec

ROOT = Path(__file__).parents[2]

HEAVY = {"torch", "monai", "timm", "lightning", "captum", "torchvision", "matplotlib", "sklearn"}
FORMATS = {"pydicom", "nibabel", "highdicom"}

WITHOUT_TORCH = [
    "medrec.calibration",
    "medrec.config",
    "medrec.domain",
    "medrec.evaluation",
    "medrec.io",
    "medrec.lesions",
    "medrec.reporting",
]


def modules_loaded_by(code: str) -> set[str]:
    """Top-level modules in a fresh interpreter after running some code."""
    listing = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert result.returncode == 0, result.stderr
    return {name.partition(".")[0] for name in result.stdout.split()}


def modules_below(package: str) -> list[str]:
    folder = ROOT / package.replace(".", "/")
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in folder.rglob("*.py")
        if path.stem != "__init__"
    )


def test_the_public_names_are_sorted():
    assert sorted(medrec.__all__) == medrec.__all__
    assert len(medrec.__all__) >= 7


@pytest.mark.parametrize("name", medrec.__all__)
def test_a_public_name_can_be_imported_and_is_documented(name):
    assert getattr(medrec, name).__doc__


def test_an_unknown_name_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match="'screan'"):
        medrec.screan  # noqa: B018 (looking it up is the test)


def test_importing_medrec_loads_nothing_heavy():
    assert set() == modules_loaded_by("import medrec") & (HEAVY | FORMATS | {"numpy", "pydantic"})


def test_the_command_line_loads_nothing_heavy():
    assert set() == modules_loaded_by("import medrec.cli.app") & (HEAVY | FORMATS)


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom medrec.cli.app import main\n"
        "sys.argv = ['medrec', 'screen', '--help']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code"
    )

    assert set() == modules_loaded_by(code) & (HEAVY | FORMATS)


@pytest.mark.parametrize("package", WITHOUT_TORCH)
def test_a_package_below_the_line_runs_without_torch(package):
    modules = modules_below(package)
    assert modules, f"{package} holds no module"

    code = "\n".join(f"import {module}" for module in modules)

    assert set() == modules_loaded_by(code) & {"torch", "monai", "timm", "lightning"}
