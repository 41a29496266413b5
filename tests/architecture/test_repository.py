"""What must not be in the repository: machine paths, hosts, pickles, large files, patients."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import medrec

ROOT = Path(__file__).parents[2]
BYTES_OF_A_FILE = 15_000_000  # the most that the weights of a shipped model may have

# Put together here, so that this file does not hold what it looks for.
FORBIDDEN = [
    "index" + "-url",
    "extra-" + "index",
    "\\bC" + "EO\\b",
    "/wo" + "rk/",
    "/ro" + "ot/",
    "/ho" + "me/[a-z]",
    "sha" + "red/data",
    "\\.lib" + "rary/",
    "sub-?age" + "nts?\\b",
    "pypi" + "-more",
]
UNSAFE = re.compile(
    r"weights_only\s*=\s*False|yaml\.load\(|pickle\.loads?\(|allow_pickle\s*=\s*True|shell\s*=\s*True"
)
PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".npy", ".npz"}


def tracked() -> list[Path]:
    """The files of the repository that exist."""
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listing.split("\0") if name]
    assert len(files) >= 20
    return [path for path in files if path.is_file()]


def texts() -> dict[Path, str]:
    found = {}
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content[:8192]:
            found[path] = content.decode("utf-8", errors="replace")
    assert len(found) >= 20
    return found


def test_no_text_names_a_machine_a_host_or_a_workplace():
    pattern = re.compile("|".join(FORBIDDEN))

    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path, text in texts().items()
        if (match := pattern.search(text))
    ]

    assert [] == found


def test_no_file_is_too_large_to_clone():
    assert [] == [str(path) for path in tracked() if path.stat().st_size > BYTES_OF_A_FILE]


def test_no_artefact_is_a_pickle():
    assert [] == [str(path) for path in tracked() if path.suffix.lower() in PICKLES]


def test_dicom_files_lie_in_data_samples_alone():
    dicom = [path for path in tracked() if path.suffix.lower() in {".dcm", ".ima", ".dicom"}]

    assert dicom
    assert [] == [str(path) for path in dicom if ROOT / "data_samples" not in path.parents]


def test_no_code_reads_what_could_run_code():
    code = {path: text for path, text in texts().items() if (ROOT / "medrec") in path.parents}

    assert [] == [str(path) for path, text in code.items() if UNSAFE.search(text)]


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert project["version"] == medrec.__version__
    assert f"## [{medrec.__version__}]" in changelog


def test_every_dependency_says_what_it_is_for():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text.partition("\ndependencies = [\n")[2].partition("\n]\n")[0].splitlines()

    # What everyone who installs medrec knows the use of.
    silent = {line.split('"')[1] for line in block if "#" not in line}

    assert len(block) >= 20
    assert {"numpy>=2", "torch>=2.11"} >= silent


def test_every_dependency_is_pinned_in_the_constraints():
    def names(requirements: list[str]) -> set[str]:
        return {
            re.split(r"[\[<>=!~; ]", text)[0].lower().replace("_", "-") for text in requirements
        }

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = names(
        [*project["dependencies"], *extras["test"], *extras["docs"], *extras["imagenet"]]
    )
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()

    pinned = names([line for line in lines if "==" in line])

    assert set() == wanted - pinned
