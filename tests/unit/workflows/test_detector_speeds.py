"""Detectors are timed as they learn: heads, strides, and volumes where they may be chosen."""

from __future__ import annotations

import pytest

from medrec.workflows import detector_speeds
from medrec.workflows.detector_speeds import read_detector_speeds


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector_speeds, "BACKBONE", "test_efficientnet")


def test_each_head_and_stride_is_measured():
    speeds = read_detector_speeds("cpu", size_px=64, box=(16, 32, 32), is_solid=False)

    assert min(speeds.retina_8, speeds.retina_4, speeds.centre_4, speeds.half_gain) > 0
    assert speeds.volumes is None


def test_volumes_are_measured_where_they_may_be_chosen(monkeypatch):
    monkeypatch.setattr(detector_speeds, "_speed", lambda *_, **__: 9.0)

    speeds = read_detector_speeds("cpu", size_px=64, box=(16, 32, 32), is_solid=True)

    assert 9.0 == speeds.retina_8
    assert speeds.volumes is not None
    assert speeds.volumes > 0


def test_the_faster_precision_is_that_of_all_speeds(monkeypatch):
    rates = {False: 10.0, True: 15.0}
    monkeypatch.setattr(detector_speeds, "_speed", lambda *_, is_half: rates[is_half])

    speeds = read_detector_speeds("cpu", size_px=64, box=(16, 32, 32), is_solid=False)

    assert (15.0, 15.0, 15.0, 1.5) == (
        speeds.retina_8, speeds.retina_4, speeds.centre_4, speeds.half_gain
    )  # fmt: skip
