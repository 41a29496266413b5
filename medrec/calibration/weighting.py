"""Weights that make calibration data hold as many positives as were asked for, in each stratum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medrec.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.samples import BoolArray


def weights_to_prevalence(
    truth: BoolArray, strata: Sequence[str], *, prevalence: float
) -> FloatArray:
    """Weights (N,) under which a share `prevalence` of each stratum's rows is positive.

    A stratum keeps its number of rows as its total weight: of n rows, p of them positive, each
    positive weighs prevalence * n / p, each negative (1 - prevalence) * n / (n - p). So a stratum
    in which all rows are of one class, beside one in which all are of the other, can't be told from
    the class by its name alone.

    Args:
        truth: (N,) of each row.
        strata: (N,) of each row the name of its stratum.
        prevalence: Above 0 and below 1.

    Raises:
        CalibrationError: A stratum without a row of either class; all are named.
    """
    of = np.asarray(strata, dtype=str)
    weight = np.ones(len(truth))
    lacking = []
    for name in np.unique(of):
        rows = of == name
        positive, negative = rows & truth, rows & ~truth
        count, positives = int(rows.sum()), int(positive.sum())
        if not 0 < positives < count:
            lacking.append(f"{name or 'no value'} ({positives} of {count} rows positive)")
            continue
        weight[positive] = prevalence * count / positives
        weight[negative] = (1 - prevalence) * count / (count - positives)
    if lacking:
        message = (
            f"no weights give these a prevalence of {prevalence:g}: {', '.join(lacking)}. Both "
            "classes are needed in each: add rows of the missing one, or name another column in "
            "calibration.prevalence.within"
        )
        raise CalibrationError(message)
    return weight
