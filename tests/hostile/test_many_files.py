"""A folder of many files: every one has its row, in bounded memory."""

from __future__ import annotations

import csv
import subprocess
import sys

import pytest
from hostile.dicom_inputs import image, put, stack

FILES_A_FOLDER = 1000
# Runs the command line, then says how large its process has grown (KiB, as Linux has it).
MEASURED = """
import resource, sys
from medrec.cli.app import app
try:
    app(sys.argv[1:])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def fill(folder, count):
    """Nine files in ten are junk; the tenth is a slice of a CT of 1,000 slices."""
    (slice_1,) = stack(1, Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")
    slice_1.StudyInstanceUID, slice_1.SOPInstanceUID = "1.2.3.100000", "1.2.4.1000000"
    slice_1.SeriesInstanceUID = "1.2.5.100000"
    put(slice_1, folder / "template.dcm")
    template = (folder / "template.dcm").read_bytes()
    (folder / "template.dcm").unlink()
    for number in range(count):
        path = folder / f"{number // FILES_A_FOLDER:03}" / f"IM{number:06}"
        path.parent.mkdir(exist_ok=True)
        if number % 10:
            path.write_bytes(b"junk %d\n" % number)
            continue
        study = 100000 + number // 10 // 1000
        content = template.replace(b"1.2.4.1000000", b"1.2.4.%07d" % (1000000 + number))
        for root in (b"1.2.3.", b"1.2.5."):
            content = content.replace(root + b"100000", root + b"%06d" % study)
        path.write_bytes(content)


def run(*words):
    """The exit code, what was printed, and the peak of memory in MiB."""
    outcome = subprocess.run(
        [sys.executable, "-c", MEASURED, *words], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in outcome.stderr
    return outcome.returncode, outcome.stdout, int(outcome.stderr.split()[-1]) / 1024


def statuses(path):
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len({row["path"] for row in rows}) == len(rows)
    return [row["status"] for row in rows]


def screened(tmp_path, model, count):
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    fill(scans, count)
    put(image(), scans / "good.dcm")
    command = ["screen", str(scans), "--model", str(model.folder), "--reports", "none"]
    code, _, mebibytes = run(*command, "--out", str(out))
    return code, statuses(out / "files.csv"), mebibytes


def test_a_folder_of_2_000_files_ends_with_a_row_for_each(tmp_path, brain_model):
    code, found, _ = screened(tmp_path, brain_model, 2_000)

    assert 3 == code
    assert (1_800, 200, 1) == tuple(map(found.count, ("skipped", "refused", "scored")))


@pytest.mark.slow
def test_a_folder_of_100_000_files_takes_little_more_memory_than_one_of_1_000(
    tmp_path, brain_model
):
    for name in ("few", "many"):
        (tmp_path / name).mkdir()

    _, few, few_mebibytes = screened(tmp_path / "few", brain_model, 1_000)
    code, many, many_mebibytes = screened(tmp_path / "many", brain_model, 100_000)

    assert 3 == code
    assert (1_001, 100_001) == (len(few), len(many))
    assert (90_000, 10_000, 1) == tuple(map(many.count, ("skipped", "refused", "scored")))
    assert many_mebibytes < few_mebibytes + 400
