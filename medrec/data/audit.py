"""What is wrong with labelled data before a model learns from it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from medrec.data.audit_report import AuditReport, Kind, Problem
from medrec.data.balance import Share, lopsided, measure_balance
from medrec.data.duplicates import NearDuplicates, find_identical, find_near
from medrec.data.leakage import torn_patients
from medrec.data.probe import (
    ProbeResult,
    gather_features,
    intensity_statistics,
    probe_label,
)
from medrec.data.splits import Place
from medrec.data.thumbnails import to_thumbnail
from medrec.domain.counting import counted
from medrec.domain.reference import Split

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from medrec.data.description import Description
    from medrec.data.splits import SplitPlan
    from medrec.domain.reference import Reference
    from medrec.evaluation.estimate import Estimate

TELLING = 0.6
"""Lower end of the probe's interval above which metadata alone tell a label."""

_SHOWN = 5
_LESS_LIKELY = "less likely near-duplicate was", "less likely near-duplicates were"
_SIDES = ("width", "height", "depth")


@dataclass(frozen=True, eq=False)
class Pictures:
    """N pictures of labelled rows, and what an audit needs of them.

    `thumbnails` is (N, 2, 96, 96) uint8. `digests` holds one digest of the pixels each. `names` say
    how a message calls each row: its number in the manifest, never a path. `statistics` holds
    numbers (N,) by name.
    """

    references: tuple[Reference, ...]
    thumbnails: NDArray[np.uint8]
    digests: tuple[str, ...]
    names: tuple[str, ...]
    statistics: Mapping[str, NDArray[np.float64]]


def describe_pictures(
    pictures: Iterable[NDArray[np.floating]],
    references: Sequence[Reference],
    *,
    digests: Sequence[str],
    names: Sequence[str],
    sizes: Mapping[str, tuple[int, ...]] | None = None,
) -> Pictures:
    """Reduce pictures (H, W), one after the other, to what an audit needs of them.

    `sizes` holds what is known of the stored size by path: columns and rows first.
    """
    thumbnails, statistics = [], []
    for picture in pictures:
        thumbnails.append(to_thumbnail(picture))
        statistics.append(intensity_statistics(picture))
    columns = _to_columns(statistics)
    known = sizes or {}
    for place, name in enumerate(_SIDES):
        values = [known.get(row.path, ())[place : place + 1] for row in references]
        columns[name] = np.array([float(value[0]) if value else np.nan for value in values])
    return Pictures(tuple(references), np.stack(thumbnails), tuple(digests), tuple(names), columns)


def gather_pictures(described: Sequence[Description], name: Callable[[Reference], str]) -> Pictures:
    """Put together what is known of the slices of several files; `name` says what to call a row."""
    references = tuple(row for one in described for row in one.references)
    statistics = [numbers for one in described for numbers in one.statistics]
    columns = _to_columns(statistics)
    shapes = [one.shape for one in described for _ in one.references]
    for place, side in enumerate(_SIDES):
        columns[side] = np.array([float(shape[place]) for shape in shapes])
    return Pictures(
        references,
        np.concatenate([one.thumbnails for one in described]),
        tuple(digest for one in described for digest in one.digests),
        tuple(name(row) for row in references),
        columns,
    )


def _to_columns(rows: Sequence[Mapping[str, float]]) -> dict[str, NDArray[np.float64]]:
    return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def audit_pictures(
    pictures: Pictures,
    labels: Sequence[str],
    *,
    plan: SplitPlan | None,
    allow: Collection[Kind] = (),
    without: Collection[str] = (),
) -> AuditReport:
    """Look for what training may have seen of the test, and for what tells labels without a lesion.

    Without a plan, the rows' own `split` says who is tested. Where they have none, a picture under
    two patients' names is a problem itself: whatever split is made of the patients may tear it
    apart. The probe and the balance never look at the test's labels.

    Args:
        pictures: What to look at.
        labels: The label columns.
        plan: Who trains and who is tested; None as the rows' own column says.
        allow: Kinds of problems that a person overruled.
        without: Attributes that were made from the labels themselves.
    """
    references = pictures.references
    patients = [row.patient for row in references]
    identical = find_identical(pictures.digests)
    near = find_near(pictures.thumbnails, patients, digests=pictures.digests)
    problems = [
        *(Problem("patients", text) for text in _torn(pictures, plan)),
        *_shared(pictures, identical, plan),
        *_alike(pictures, near, plan),
    ]
    studied = [n for n, row in enumerate(references) if not _is_test(row, plan)]
    seen = [references[n] for n in studied]
    balance = measure_balance(seen, labels, without=without)
    probes = tuple(_probe(pictures, studied, labels, without))
    return AuditReport(
        pictures=len(references),
        patients=len(set(patients)),
        blocking=tuple(problem for problem in problems if problem.kind not in allow),
        overruled=tuple(problem for problem in problems if problem.kind in allow),
        warnings=tuple(_warnings(pictures, identical, near, plan, (balance, probes))),
        balance=balance,
        probes=probes,
        near=near,
        identical=len(identical),
        names=pictures.names,
    )


def _probe(
    pictures: Pictures, rows: Sequence[int], labels: Sequence[str], without: Collection[str]
) -> Iterator[ProbeResult]:
    references = [pictures.references[n] for n in rows]
    chosen = {name: values[list(rows)] for name, values in pictures.statistics.items()}
    features = gather_features(references, chosen, without=without)
    patients = [row.resampling_unit for row in references]
    for label in labels:
        truths = [_truth(row, label) for row in references]
        result = probe_label(label, truths, patients, features)
        left = f"; left out: {', '.join(features.left_out)}" if features.left_out else ""
        yield replace(result, note=(result.note + left).removeprefix("; "))


def _truth(row: Reference, label: str) -> bool | None:
    return next((truth for name, truth in row.labels.items() if name == label), None)


def _is_test(row: Reference, plan: SplitPlan | None) -> bool:
    place = _place_of(row, plan)
    return place is not None and place.split is Split.TEST


def _place_of(row: Reference, plan: SplitPlan | None) -> Place | None:
    """Where the plan puts a row; without a plan, where its own column does."""
    if plan is None:
        return Place(row.split) if row.split else None
    return plan.place_of(row)


def _is_torn(pictures: Pictures, rows: Iterable[int], plan: SplitPlan | None) -> bool:
    """Whether pictures that are one stand apart: in two places, or unplaced and in two names."""
    found = [pictures.references[n] for n in rows]
    places = {_place_of(row, plan) for row in found}
    return len(places) > 1 or (None in places and len({row.patient for row in found}) > 1)


def _are_placed(pictures: Pictures, plan: SplitPlan | None) -> bool:
    return plan is not None or any(row.split for row in pictures.references)


def _torn(pictures: Pictures, plan: SplitPlan | None) -> list[str]:
    if plan:
        return torn_patients(pictures.references, plan)
    splits: dict[str, set[Split | None]] = defaultdict(set)
    for row in pictures.references:
        splits[row.patient].add(row.split)
    torn = {patient for patient, found in splits.items() if len(found - {None}) > 1}
    rows = [n for n, row in enumerate(pictures.references) if row.patient in torn]
    named = list(dict.fromkeys(pictures.names[n] for n in rows))
    shown = ", ".join(named[:_SHOWN]) + (", ..." if len(named) > _SHOWN else "")
    patients = counted(len(torn), "patient has", "patients have")
    text = f"{patients} rows in several splits: rows {shown}; give each one split"
    return [text] if torn else []


def _shared(
    pictures: Pictures, identical: Sequence[tuple[int, ...]], plan: SplitPlan | None
) -> Iterator[Problem]:
    torn = [rows for rows in identical if _is_torn(pictures, rows, plan)]
    if torn:
        is_placed = _are_placed(pictures, plan)
        where = "in several splits or folds" if is_placed else "under several patients' names"
        text = (
            f"{counted(len(torn), 'picture stands', 'pictures stand')} {where}, "
            f"{_examples(pictures, torn)}: the same scan under two patients; give both one "
            "patient, or remove one"
        )
        yield Problem("duplicates", text)


def _alike(pictures: Pictures, near: NearDuplicates, plan: SplitPlan | None) -> Iterator[Problem]:
    torn = [pair[:2] for pair in near.confirmed if _is_torn(pictures, pair[:2], plan)]
    if torn:
        is_placed = _are_placed(pictures, plan)
        where = "in several splits or folds" if is_placed else "under two patients' names"
        text = (
            f"{_pairs(torn)} {where}, "
            f"{_examples(pictures, torn)}: look at them; give both one patient, or remove one"
        )
        yield Problem("near_duplicates", text)


def _pairs(pairs: Sequence[Sequence[int]]) -> str:
    of = "of nearly the same picture"
    return counted(len(pairs), f"pair {of} stands", f"pairs {of} stand")


def _examples(pictures: Pictures, groups: Sequence[Sequence[int]]) -> str:
    shown = ["rows " + " and ".join(pictures.names[n] for n in rows) for rows in groups[:_SHOWN]]
    return "; ".join(shown) + ("; ..." if len(groups) > _SHOWN else "")


def _warnings(
    pictures: Pictures,
    identical: Sequence[tuple[int, ...]],
    near: NearDuplicates,
    plan: SplitPlan | None,
    measured: tuple[Sequence[Share], Sequence[ProbeResult]],
) -> Iterator[str]:
    together = [rows for rows in identical if not _is_torn(pictures, rows, plan)]
    if together:
        yield (
            f"{counted(len(together), 'picture stands', 'pictures stand')} there more than once, "
            f"{_examples(pictures, together)}: copies count more than others"
        )
    torn = [rows for rows in identical if _disagree(pictures, rows)]
    if torn:
        yield (
            f"{counted(len(torn), 'identical picture has', 'identical pictures have')} labels that "
            "contradict each other, "
            f"{_examples(pictures, torn)}"
        )
    beside = [pair[:2] for pair in near.confirmed if not _is_torn(pictures, pair[:2], plan)]
    if beside:
        yield (
            f"{_pairs(beside)} within one split, "
            f"{_examples(pictures, beside)}: perhaps one patient under two names"
        )
    if near.dropped:
        yield (
            f"{counted(near.dropped, *_LESS_LIKELY)} not compared: "
            "so many pictures are alike that a perceptual hash does not tell them apart"
        )
    balance, probes = measured
    yield from lopsided(balance)
    for probe in probes:
        if probe.estimate and _least(probe.estimate) > TELLING:
            yield (
                f"{probe.label} can be told without the lesion: compare the model's AUROC with the "
                "probe's, and stratify by what tells it"
            )


def _least(estimate: Estimate) -> float:
    """The lower end; of an AUROC of 1, which has no interval, the value itself."""
    return estimate.value if estimate.low is None else estimate.low


def _disagree(pictures: Pictures, rows: Sequence[int]) -> bool:
    found = [pictures.references[n].labels for n in rows]
    return any({True, False} <= {labels.get(label) for labels in found} for label in found[0])
