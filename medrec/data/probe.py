"""How well a label is told without looking at the lesion: by site, size, intensity and position.

A model whose AUROC is near that of this probe may have learned where a scan was made.
"""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medrec.data.expressions import UNKNOWN_WORDS
from medrec.domain.counting import counted
from medrec.evaluation.discrimination import auroc, auroc_rounds
from medrec.evaluation.intervals import bootstrap_units
from medrec.evaluation.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from medrec.domain.reference import Reference
    from medrec.evaluation.estimate import Estimate

FOLDS = 5
FEWEST_OF_A_CLASS = 10
"""Patients of either class below which nothing is fitted."""
MOST_ROWS = 20_000
"""More rows are thinned: they are slices of few patients, and teach no more."""

_MOST_VALUES = 50
_ROUNDS = 1000
_SEED = 1
_PERCENTILES = (5, 50, 95)
_TELLING = 3


@dataclass(frozen=True, eq=False)
class Features:
    """Facts of N pictures: `values` (N, F) float64, NaN where unknown; a word is a number."""

    names: tuple[str, ...]
    values: NDArray[np.float64]
    is_word: tuple[bool, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What metadata alone tell of a label.

    `estimate` is the AUROC of rows whose patient the probe has not seen, its interval from
    resampled patients; None where `note` says why. `telling` names the facts that tell most alone,
    with their AUROC, of numbers only.
    """

    label: str
    estimate: Estimate | None
    telling: tuple[tuple[str, float], ...] = ()
    note: str = ""
    facts: tuple[str, ...] = field(default=())


def gather_features(
    references: Sequence[Reference],
    statistics: Mapping[str, NDArray[np.float64]],
    *,
    without: Collection[str] = (),
) -> Features:
    """Put together what is known of each picture beside its pixels.

    Attributes of the manifest are numbers where all known cells are, else words, of which there are
    at most 50. The place of a slice among those of its file, from 0 to 1, is added.

    Args:
        references: N rows.
        statistics: Numbers (N,) by name: sizes and intensities.
        without: Attributes that were made from the labels themselves.
    """
    columns = {name: values for name, values in statistics.items() if np.isfinite(values).any()}
    positions = _positions(references)
    if np.isfinite(positions).any():
        columns["slice position"] = positions
    words: set[str] = set()
    left_out = []
    for name in dict.fromkeys(name for row in references for name in row.attributes):
        if name in without:
            continue
        cells = [row.attributes.get(name, "") for row in references]
        numbers = _to_numbers(cells)
        if numbers is not None:
            columns[name] = numbers
        elif len(set(cells)) <= _MOST_VALUES:
            columns[name] = _to_codes(cells)
            words.add(name)
        else:
            left_out.append(name)
    names = tuple(columns)
    values = np.column_stack([columns[name] for name in names]) if names else np.empty((0, 0))
    return Features(names, values, tuple(name in words for name in names), tuple(left_out))


def intensity_statistics(picture: NDArray[np.floating]) -> dict[str, float]:
    """Mean, spread and percentiles of a picture (H, W), and the share that is black."""
    values = np.asarray(picture, dtype=np.float32)
    shown = {f"intensity p{p}": float(v) for p, v in
             zip(_PERCENTILES, np.percentile(values, _PERCENTILES), strict=True)}  # fmt: skip
    return {
        "mean intensity": float(values.mean()),
        "spread of intensity": float(values.std()),
        **shown,
        "black share": float((values <= values.min()).mean()),
    }


def probe_label(
    label: str,
    truths: Sequence[bool | None],
    patients: Sequence[str],
    features: Features,
) -> ProbeResult:
    """Predict a label from facts by gradient boosting, cross-validated by patient."""
    known = [row for row, truth in enumerate(truths) if truth is not None]
    known = known[:: max(1, math.ceil(len(known) / MOST_ROWS))]
    truth = np.array([bool(truths[row]) for row in known], dtype=np.bool_)
    whose = np.array([patients[row] for row in known], dtype=np.str_)
    fewest = min((len(set(whose[truth == side])) for side in (True, False)), default=0)
    if fewest < FEWEST_OF_A_CLASS:
        few = counted(fewest, "patient", "patients")
        note = f"not probed: {few} of one class, {FEWEST_OF_A_CLASS} are needed"
        return ProbeResult(label, None, note=note)
    if not features.names:
        return ProbeResult(label, None, note="not probed: nothing is known beside the pixels")
    values = features.values[known]
    score = _scores_out_of_fold(values, truth, whose, features.is_word)
    samples = Samples.from_logits(truth, score, whose)
    rng = np.random.default_rng(_SEED)
    estimate = bootstrap_units(samples, auroc_rounds, rounds=_ROUNDS, rng=rng)
    return ProbeResult(label, estimate, _telling(features, values, truth), facts=features.names)


def _scores_out_of_fold(
    values: NDArray[np.float64],
    truth: NDArray[np.bool_],
    patients: NDArray[np.str_],
    is_word: Sequence[bool],
) -> NDArray[np.float64]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedGroupKFold

    score = np.full(len(truth), float(truth.mean()))
    folds = StratifiedGroupKFold(n_splits=FOLDS, shuffle=True, random_state=_SEED)
    for fitted, judged in folds.split(values, truth, patients):
        if len(set(truth[fitted])) < 2:  # noqa: PLR2004 (two classes)
            continue
        booster = HistGradientBoostingClassifier(
            max_iter=80,
            max_leaf_nodes=8,
            min_samples_leaf=max(5, len(fitted) // 100),
            l2_regularization=1.0,
            early_stopping=False,
            categorical_features=np.array(is_word),
            random_state=_SEED,
        )
        with warnings.catch_warnings():
            # A fact that one fold alone lacks is a column of NaN there: it tells nothing.
            warnings.simplefilter("ignore", RuntimeWarning)
            booster.fit(values[fitted], truth[fitted])
            score[judged] = booster.predict_proba(values[judged])[:, 1]
    return score


def _telling(
    features: Features, values: NDArray[np.float64], truth: NDArray[np.bool_]
) -> tuple[tuple[str, float], ...]:
    found = []
    for number, name in enumerate(features.names):
        column = values[:, number]
        is_known = np.isfinite(column)
        if features.is_word[number] or len(set(truth[is_known])) < 2:  # noqa: PLR2004
            continue
        alone = auroc(truth[is_known], column[is_known])
        found.append((name, round(max(alone, 1 - alone), 3)))
    return tuple(sorted(found, key=lambda pair: -pair[1])[:_TELLING])


def _positions(references: Sequence[Reference]) -> NDArray[np.float64]:
    last: dict[str, int] = defaultdict(int)
    for row in references:
        last[row.path] = max(last[row.path], row.slice or 0)
    return np.array(
        [
            row.slice / last[row.path] if row.slice is not None and last[row.path] else math.nan
            for row in references
        ]
    )


def _to_numbers(cells: Sequence[str]) -> NDArray[np.float64] | None:
    """The numbers of a column, or None where a cell is a word."""
    numbers = []
    for cell in cells:
        if cell.casefold() in UNKNOWN_WORDS:
            numbers.append(math.nan)
            continue
        try:
            number = float(cell)
        except ValueError:
            return None
        numbers.append(number if math.isfinite(number) else math.nan)
    return np.array(numbers)


def _to_codes(cells: Sequence[str]) -> NDArray[np.float64]:
    codes = {cell: float(code) for code, cell in enumerate(sorted(set(cells) - {""}))}
    return np.array([codes.get(cell, math.nan) for cell in cells])
