from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution, requires

import pytest
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEGLosslessSV1, JPEGTransferSyntaxes, RLELossless

from medrec.errors import RefusedScanError
from medrec.io import dicom_decoders as module
from medrec.io.dicom_decoders import DECODERS, GPL_PACKAGES, PixelDecoder, decoder_of, gpl_decoders


def test_each_syntax_has_one_decoder_and_it_is_installed():
    assert len(DECODERS) == 16
    for syntax in DECODERS:
        assert decoder_of(syntax) is DECODERS[syntax]


def test_each_compressed_syntax_names_its_plugin_so_that_pydicom_never_chooses():
    compressed = [syntax for syntax in DECODERS if syntax.is_encapsulated]

    assert len(compressed) == 12
    assert [] == [syntax.name for syntax in compressed if not DECODERS[syntax].plugin]


@pytest.mark.parametrize("package", GPL_PACKAGES)
def test_no_gpl_decoder_is_installed(package):
    with pytest.raises(PackageNotFoundError):
        distribution(package)


def test_no_gpl_decoder_is_a_dependency():
    wanted = requires("medrec")

    assert len(wanted) > 20
    assert [] == [one for one in wanted if one.startswith(GPL_PACKAGES)]


def test_a_gpl_decoder_would_never_be_picked_if_it_were_installed():
    """In pydicom it goes by `pylibjpeg`, for the JPEG and JPEG-LS syntaxes."""
    gpl = [s for s in DECODERS if "pylibjpeg-libjpeg" in str(missing(s, "pylibjpeg"))]

    assert len(gpl) == 6
    assert set(JPEGTransferSyntaxes) <= set(gpl)
    assert [] == [syntax.name for syntax in gpl if DECODERS[syntax].plugin == "pylibjpeg"]


def missing(syntax, plugin):
    if not syntax.is_encapsulated:
        return ()
    return get_decoder(syntax).missing_dependencies


def test_gpl_decoders_are_found_where_they_are(monkeypatch):
    monkeypatch.setattr(module, "version", lambda package: "2.3.0")

    assert gpl_decoders() == ("pylibjpeg-libjpeg 2.3.0",)


def test_without_its_decoder_a_syntax_is_refused_by_name(monkeypatch):
    absent = PixelDecoder("medrec", "imagecodecs", "no_such_module")
    monkeypatch.setitem(DECODERS, JPEGLosslessSV1, absent)

    with pytest.raises(RefusedScanError, match=r"Process 14.*: install imagecodecs") as caught:
        decoder_of(JPEGLosslessSV1)

    assert caught.value.code == "unsupported_syntax"


def test_where_pydicom_does_not_take_the_decoder_the_syntax_is_refused(monkeypatch):
    monkeypatch.setitem(DECODERS, RLELossless, PixelDecoder("gdcm", "pydicom", "pydicom"))

    with pytest.raises(RefusedScanError, match="unsupported_syntax"):
        decoder_of(RLELossless)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.100", "1.2.3", "", "\n"])
def test_a_syntax_without_a_decoder_is_refused(syntax):
    with pytest.raises(RefusedScanError, match="unsupported_syntax: no decoder for") as caught:
        decoder_of(syntax)

    assert caught.value.detail.isprintable()
