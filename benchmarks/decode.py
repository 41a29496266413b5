"""How long reading a DICOM film takes, by transfer syntax: against the fastest other decoder here.

A film of 2048 x 2048 pixels, 12 bits stored, smooth with noise. Three figures of medrec's: its
decoder alone (file to stored values), the whole of it in this process (to float32 levels, checked),
and the whole of it by the decoding process, as every command does it. The peers are pydicom's other
plugins, and imagecodecs called bare.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEGBaseline8Bit

from medrec.domain.series import Series
from medrec.io.decoding import decode_series
from medrec.io.decoding_worker import shared_worker
from medrec.io.dicom_decoders import DECODERS
from medrec.io.dicom_file import read_whole
from medrec.io.dicom_pixels import decode_frames
from medrec.io.discover import FoundFile
from medrec.io.header import read_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydicom.uid import UID

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from encoded_images import Kind, encoded, write

SIDE = 2048
ROUNDS = 7
BARE = {
    ".4.50": imagecodecs.jpeg8_decode,
    ".4.51": imagecodecs.jpeg8_decode,
    ".4.57": imagecodecs.ljpeg_decode,
    ".4.70": imagecodecs.ljpeg_decode,
    ".4.80": imagecodecs.jpegls_decode,
    ".4.81": imagecodecs.jpegls_decode,
    ".4.90": imagecodecs.jpeg2k_decode,
    ".4.91": imagecodecs.jpeg2k_decode,
    ".4.201": imagecodecs.htj2k_decode,
    ".4.202": imagecodecs.htj2k_decode,
    ".4.203": imagecodecs.htj2k_decode,
}


def film(kind: Kind) -> np.ndarray:
    """Smooth, with the noise of a detector."""
    values = kind.ramp(frames=1, rows=SIDE, columns=SIDE).astype(np.int64)
    noise = np.random.default_rng(0).normal(0, 2**kind.bits_stored / 250, values.shape)
    highest = 2**kind.bits_stored - 1
    return np.clip(values + noise, 0, highest).astype(f"u{kind.bits_allocated // 8}")


def peers(path: Path, syntax: UID) -> dict[str, Callable[[], object]]:
    """Every other decoder that is installed here, each from the file on."""
    found: dict[str, Callable[[], object]] = {}
    decoder = get_decoder(syntax)
    for plugin in decoder.available_plugins if syntax.is_encapsulated else ("",):
        if plugin != DECODERS[syntax].plugin or not plugin:
            found[f"pydicom {plugin}".strip()] = lambda plugin=plugin: decoder.as_array(
                dcmread(path), decoding_plugin=plugin
            )
    bare = BARE.get(syntax.removeprefix("1.2.840.10008.1.2"))
    if bare:
        found[f"imagecodecs {bare.__name__}"] = lambda: bare(
            next(generate_frames(dcmread(path).PixelData, number_of_frames=1))
        )
    return found


def medians(readers: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Milliseconds of each, taken in turns, so that a busy machine is unfair to none."""
    taken: dict[str, list[float]] = {}
    for number in range(ROUNDS + 1):
        for name, read in list(readers.items()):
            started = time.perf_counter()
            try:
                read()
            except (NotImplementedError, RuntimeError, ValueError):
                del readers[name]  # it can't read this kind of pixel
                continue
            if number:  # the first round loads libraries
                taken.setdefault(name, []).append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(times) for name, times in taken.items() if name in readers}


def main() -> None:
    """Print one line a syntax."""
    warnings.simplefilter("ignore")
    print(f"{'syntax':22} {'decoder':>9} {'here':>7} {'process':>8} ms {'fastest peer':>34} ratio")
    with tempfile.TemporaryDirectory() as folder:
        for syntax in DECODERS:
            kind = Kind(8, 8) if syntax == JPEGBaseline8Bit else Kind(12)
            path = write(encoded(film(kind), kind, syntax), Path(folder) / "film.dcm")
            series = Series((read_header(FoundFile(path=path, source="film.dcm")),))
            found = medians(
                {
                    "decoder": lambda path=path: decode_frames(read_whole(path)),
                    "here": lambda series=series: decode_series(series, lambda _: None),
                    "process": lambda series=series: shared_worker().load(series),
                    **peers(path, syntax),
                }
            )
            own = [found.pop(name) for name in ("decoder", "here", "process")]
            peer, fastest = min(found.items(), key=lambda item: item[1])
            print(
                f"{syntax.keyword[:22]:22} {own[0]:9.0f} {own[1]:7.0f} {own[2]:8.0f}    "
                f"{peer[:27]:>27} {fastest:6.0f} {own[0] / fastest:5.2f}"
            )


if __name__ == "__main__":
    main()
