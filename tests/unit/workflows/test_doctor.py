from __future__ import annotations

import pytest
from pydicom.uid import JPEGLosslessSV1

from medrec.io.dicom_decoders import DECODERS, PixelDecoder
from medrec.workflows import doctor as module


def test_each_compressed_syntax_is_listed_with_the_package_that_decodes_it():
    found = {check.name: (check.state, check.detail) for check in module._decoders()}

    assert len(found) == 12
    assert found["decoder RLELossless"] == ("ok", "pylibjpeg-rle")
    assert found["decoder HTJ2K"] == ("ok", "imagecodecs")


def test_a_decoder_that_is_not_installed_comes_with_its_fix(monkeypatch):
    monkeypatch.setitem(DECODERS, JPEGLosslessSV1, PixelDecoder("medrec", "imagecodecs", "absent_"))

    missing = [check for check in module._decoders() if check.state == "missing"]

    assert [("decoder JPEGLosslessSV1", "pip install imagecodecs")] == [
        (check.name, check.fix) for check in missing
    ]


def test_a_gpl_decoder_is_named_and_never_used(monkeypatch):
    monkeypatch.setattr(module, "gpl_decoders", lambda: ("pylibjpeg-libjpeg 2.3.0",))

    check = module._gpl_decoders()

    assert check.detail == "pylibjpeg-libjpeg 2.3.0: installed, never used by medrec"


@pytest.mark.parametrize(
    ("is_limited", "state", "detail"),
    [
        (True, "ok", "own process, 60 s a file, 8 GiB (RLIMIT_AS)"),
        (False, "absent", "own process, 60 s a file, memory unlimited"),
    ],
)
def test_whether_memory_is_limited_is_said(monkeypatch, is_limited, state, detail):
    monkeypatch.setattr(module, "has_memory_limit", lambda: is_limited)

    check = module._decoding_process()

    assert (check.state, check.detail) == (state, detail)
