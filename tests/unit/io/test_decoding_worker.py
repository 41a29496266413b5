from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import a_stack, an_image, save, save_stack

from medrec.domain.ids import PatientKey
from medrec.domain.series import Series
from medrec.errors import FailedScanError, MedrecError, RefusedScanError
from medrec.io.decoding import decode_series
from medrec.io.decoding_worker import DecodingWorker
from medrec.io.discover import FoundFile
from medrec.io.header import read_header
from medrec.io.index import index_scans

RAMP = np.arange(48, dtype=np.uint16).reshape(6, 8)
VOXELS = np.random.default_rng(5).integers(0, 999, (7, 9, 4)).astype(np.uint16)


@pytest.fixture(scope="module")
def worker():
    """One for all: whatever a test did to it, the next one finds it in order."""
    shared = DecodingWorker(
        memory_bytes=200_000_000, seconds_a_file=2.0, module="misbehaving_decoder"
    )
    yield shared
    shared.close()


@pytest.fixture
def images(tmp_path):
    """A series of images, each with the name that says what decoding it does."""

    def make(*names):
        headers = []
        for name, image in zip(names, a_stack(np.resize(VOXELS, (7, 9, len(names)))), strict=True):
            path = save(image, tmp_path / f"{len(headers)}.dcm")
            headers.append(replace(read_header(FoundFile(path, "")), source=name))
        return Series(tuple(headers))

    return make


def order_of(voxels):
    return [stride for stride, side in zip(voxels.strides, voxels.shape, strict=True) if side > 1]


def is_there(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def interrupted(_):
    raise KeyboardInterrupt


def is_gone_within(process_id, *, seconds):
    end = time.monotonic() + seconds
    while is_there(process_id) and time.monotonic() < end:
        time.sleep(0.02)
    return not is_there(process_id)


@pytest.mark.parametrize("kind", ["stack", "film.nii", "film.nii.gz", "film.png"])
def test_a_volume_is_what_it_is_without_the_process(tmp_path, worker, kind):
    import nibabel as nib
    from PIL import Image

    if kind == "stack":
        save_stack(a_stack(VOXELS, WindowCenter="40", WindowWidth="80"), tmp_path / "in")
    else:
        (tmp_path / "in").mkdir()
        if kind == "film.png":
            Image.fromarray(RAMP.astype(np.uint8)).save(tmp_path / "in" / kind)
        else:
            nib.save(nib.Nifti1Image(VOXELS, np.diag([1, 2, 3, 1])), tmp_path / "in" / kind)
    series = index_scans(tmp_path / "in", patient_key=PatientKey).cases[0].series[0]

    wanted, found = decode_series(series, lambda _: None), worker.load(series)

    np.testing.assert_array_equal(wanted.voxels, found.voxels)
    assert order_of(wanted.voxels) == order_of(found.voxels)
    assert found.voxels.flags.writeable
    if wanted.geometry is None:
        assert found.geometry is None
    else:
        np.testing.assert_array_equal(wanted.geometry.affine_lps, found.geometry.affine_lps)
    for fact in ("slice_axis", "slice_sources", "window", "notes"):
        assert getattr(wanted, fact) == getattr(found, fact)


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text")
def test_a_name_that_is_no_text_is_found(tmp_path, worker):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n.dcm"))
    header = read_header(FoundFile(save(an_image(RAMP), path), path.name))

    assert (path.name,) == worker.load(Series((header,))).slice_sources


def test_one_process_serves_many_series(worker, images):
    worker.load(images("a"))
    first = worker.process_id

    worker.load(images("b"))

    assert first == worker.process_id


def test_nothing_is_started_before_a_series_is_decoded():
    assert DecodingWorker().process_id is None


def test_a_refusal_crosses_with_code_and_detail(tmp_path, worker):
    path = save(an_image(np.zeros((6, 8), np.uint16)), tmp_path / "image")
    series = Series((read_header(FoundFile(path, "image")),))

    with pytest.raises(RefusedScanError) as caught:
        worker.load(series)

    assert (caught.value.code, caught.value.detail) == ("blank_image", "every voxel is 0")
    assert caught.value.source == ""


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("abort", RefusedScanError, "decoder_crashed"),
        ("exit", RefusedScanError, "decoder_crashed"),
        ("bug", RefusedScanError, "decoder_crashed"),
        ("killed", FailedScanError, "io"),
        ("hang", FailedScanError, "timeout"),
        pytest.param(
            "hungry",
            RefusedScanError,
            "too_large",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS"),
        ),
        pytest.param(
            "greedy",
            RefusedScanError,
            "too_large",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS"),
        ),
    ],
)
def test_what_kills_a_decoder_costs_its_own_series_alone(worker, images, name, kind, code):
    with pytest.raises(kind) as caught:
        worker.load(images("a", name, "c"))

    assert caught.value.code == code
    assert caught.value.source == name
    assert caught.value.detail.startswith("file 2 of 3: ")
    assert worker.load(images("next")).slice_sources == ("next",)


def test_a_bug_is_named_by_its_place_and_not_by_its_message(worker, images):
    with pytest.raises(RefusedScanError, match=r"KeyError at misbehaving_decoder.py:\d+") as caught:
        worker.load(images("bug"))

    assert "Planted" not in str(caught.value)


def test_what_a_decoder_prints_is_not_heard(worker, images, capfd):
    assert worker.load(images("noisy")).slice_sources == ("noisy",)

    assert capfd.readouterr() == ("", "")


def test_the_time_limit_is_that_of_a_file_and_not_of_a_series(worker, images):
    assert worker.load(images(*["slow"] * 5)).slice_sources == ("slow",) * 5


def test_a_process_that_died_between_two_series_is_replaced(worker, images):
    worker.load(images("a"))
    first = worker.process_id
    os.kill(first, signal.SIGKILL)
    time.sleep(0.1)

    assert worker.load(images("b")).slice_sources == ("b",)
    assert first != worker.process_id


def test_an_interrupt_ends_the_process_and_the_next_series_is_decoded(worker, images, monkeypatch):
    from medrec.io import decoding_worker as module

    worker.load(images("a"))
    first = worker.process_id
    monkeypatch.setattr(module, "receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        worker.load(images("b"))
    monkeypatch.undo()

    assert not is_there(first)
    assert worker.load(images("c")).slice_sources == ("c",)


def test_after_closing_no_process_is_left(worker, images):
    worker.load(images("a"))
    process_id = worker.process_id

    worker.close()

    assert not is_there(process_id)


@pytest.mark.parametrize("name", ["a", "hang"])
def test_the_process_ends_when_its_parent_is_killed(tmp_path, name):
    path = save(an_image(RAMP), tmp_path / "image")
    program = f"""
import sys, time, threading
from dataclasses import replace
from pathlib import Path
from medrec.domain.series import Series
from medrec.io.decoding_worker import DecodingWorker
from medrec.io.discover import FoundFile
from medrec.io.header import read_header
worker = DecodingWorker(seconds_a_file=1.0, module="misbehaving_decoder")
header = replace(read_header(FoundFile(Path({str(path)!r}), "")), source={name!r})
started = threading.Timer(0.0, lambda: worker.load(Series((header,))))
started.start()
while worker.process_id is None:
    time.sleep(0.01)
print(worker.process_id, flush=True)
time.sleep(1000)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment, text=True
    )
    with parent:
        process_id = int(parent.stdout.readline())
        parent.kill()

    assert is_gone_within(process_id, seconds=10)


def test_a_process_that_cannot_be_started_says_how_to_see_why(images):
    absent = DecodingWorker(module="no_such_module")

    with pytest.raises(MedrecError, match=r"to see why, run: .* -m no_such_module"):
        absent.load(images("a"))


def test_the_process_never_loads_torch():
    program = "import sys, medrec.io.decoding_child as m; sys.exit('torch' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", program], check=False).returncode
