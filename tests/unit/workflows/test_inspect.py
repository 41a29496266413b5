from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from dicom_factory import a_stack, an_image, save, save_stack

from medrec.workflows.inspect import inspect, open_report

VOXELS = np.arange(7 * 9 * 5, dtype=np.uint16).reshape(7, 9, 5)


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """A stack, a scout of the same study, a copy and a text."""
    folder = tmp_path_factory.mktemp("scans")
    save_stack(a_stack(VOXELS), folder / "head")
    scout = an_image(VOXELS[..., 0], number=50, SeriesDescription="scout")
    for name in ("scout", "scout copy"):
        save(scout, folder / name)
    (folder / "junk.txt").write_bytes(b"x")
    return folder


def test_a_report_counts_cases_series_and_other_files(scans):
    report = inspect(scans)

    assert "1 case, 2 series; other files: 1 duplicate, 1 skipped" == report.summary()
    assert [
        "readable header",
        "skipped: localizer (a localizer is for planning, not for reading)",
    ] == [one.verdict for one in report.series]


def test_json_comes_in_lines_as_it_would_in_one_piece(scans, tmp_path):
    for folder in (scans, tmp_path):
        with open_report(folder) as report:
            assert json.dumps(report.to_json(), indent=2) == "\n".join(report.json_lines())


def test_a_report_on_disk_is_the_report_in_memory(scans):
    with open_report(scans, decode=True) as report:
        assert inspect(scans, decode=True).series == tuple(report.series) == tuple(report.series)


def test_inspecting_loads_no_torch(scans):
    code = "import sys, medrec; medrec.inspect(sys.argv[1]); sys.exit('torch' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", code, scans], check=False).returncode
