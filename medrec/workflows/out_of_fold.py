"""What pictures that calibrate would be told by a calibrator that had not seen their patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medrec.calibration.fit import hold_out
from medrec.io.tables import write_rows

if TYPE_CHECKING:
    from medrec.calibration.entry import CalibrationEntry
    from medrec.workflows.scored import ScoredSlices

OUT_OF_FOLD = "out-of-fold.csv"
_COLUMNS = ("path", "slice", "label", "truth", "weight", "logit", "fold", "probability")


def write_out_of_fold(
    out: Path, scored: ScoredSlices, calibrations: Sequence[CalibrationEntry], *, seed: int
) -> None:
    """Write `out-of-fold.csv`: a row for each picture of known truth and each label of its own.

    Patients are dealt to folds by `seed`. Where few scans have a label, those that calibrate can so
    be looked at once as if they had been held out. Classes that exclude each other have no rows:
    their calibrator is one.

    Raises:
        OSError: The folder can't be written.
    """
    own = [e for e in calibrations if e.level == "image" and e.classes is None]
    rows = [row for entry in own for row in _rows(scored, entry, seed)]
    if rows:
        write_rows(out / OUT_OF_FOLD, _COLUMNS, rows)


def _rows(scored: ScoredSlices, entry: CalibrationEntry, seed: int) -> Iterator[dict[str, object]]:
    samples = scored.samples(entry.label)
    fold, probability = hold_out(samples, entry.method, rng=np.random.default_rng(seed))
    for at, number in enumerate(scored.known_rows(entry.label)):
        reference = scored.references[number]
        yield {
            "path": reference.path,
            "slice": reference.slice,
            "label": str(entry.label),
            "truth": int(samples.truth[at]),
            "weight": round(float(samples.weight[at]), 6),
            "logit": round(float(samples.logit[at]), 6),
            "fold": int(fold[at]),
            "probability": round(float(probability[at]), 6),
        }
