"""Rules for who judges: splits, scope, exams, thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.data.splits import FEW_OF_A_CLASS, FEW_PATIENTS
from medrec.training.choice import Choice
from medrec.training.cost import FOLDS

if TYPE_CHECKING:
    from medrec.data.fingerprint import Fingerprint
    from medrec.training.choice import Asked

_FEWEST_OF_A_CLASS = 2
_LONGEST_RUN = 40
_SHORTEST_RUN = 8


def choose_splits(
    fingerprint: Fingerprint, *, file: str, seed: int, is_given: bool = False
) -> dict[str, Choice]:
    """By patient, as the rule for few patients says; frozen beside the config."""
    truth = fingerprint.truth
    if is_given:
        frozen = Choice(file, "given by --splits: the test stays the test")
    elif truth.has_splits:
        frozen = Choice(None, "the manifest's column split says it")
    else:
        frozen = Choice(file, "planned at the first run and frozen: the test stays the test")
    mode = (
        f"used, as there are under {FEW_PATIENTS} patients, or under {FEW_OF_A_CLASS} of a class: "
        "who calibrates is judged by a network that never saw them"
        if truth.mode == "cross_fit"
        else f"not used: {FEW_PATIENTS} patients or more, {FEW_OF_A_CLASS} of each class; a tenth "
        "tunes, a tenth calibrates"
    )
    named = ", ".join(truth.strata)
    strata = (
        f"{named}: few values, alike in all splits" if named else "no attribute with few values"
    )
    return {
        "file": frozen,
        "test_fraction": Choice(0.2, "patients, ten at least; the test is scored once"),
        "folds": Choice(FOLDS, mode),
        "stratify_by": Choice(list(truth.strata[:2]), strata),
        "seed": Choice(seed, "the same patients are always split alike"),
    }


def needs_substacks(fingerprint: Fingerprint, *, primary: str) -> bool:
    """Whether exams must be stood in for: slices have labels, no patient is free of lesions."""
    truth = fingerprint.truth
    is_sliced = fingerprint.scans.kind == "volume" and truth.granularity == "slice"
    if truth.exclusive:
        return False
    return is_sliced and truth.labels[primary].negative_patients < _FEWEST_OF_A_CLASS


def choose_exclusive(fingerprint: Fingerprint, *, labels: tuple[str, ...]) -> Choice:
    """A softmax, where every row has exactly one of the labels."""
    group = fingerprint.truth.exclusive
    if len(labels) == 1:
        return Choice(None, "one label excludes no other")
    if set(group) != set(labels):
        return Choice(None, "some rows have two of the labels or none: each has a probability")
    reason = "every row has exactly one of them: their probabilities sum to 1 (a softmax)"
    return Choice([list(labels)], reason)


def choose_substacks(fingerprint: Fingerprint, *, primary: str) -> Choice:
    """Runs of slices as exams, where whole exams are all positive."""
    if fingerprint.truth.exclusive:
        return Choice(None, "none for classes that exclude each other")
    if not needs_substacks(fingerprint, primary=primary):
        return Choice(None, "not needed: there are exams of both kinds, or each picture is one")
    slices = fingerprint.scans.slices
    longest = int(max(3, min(_LONGEST_RUN, slices.high)))
    shortest = int(max(2, min(_SHORTEST_RUN, slices.low // 3)))
    reason = (
        f"every patient has {primary}: free runs of slices stand in for negative exams. Scans have "
        f"{slices} slices"
    )
    value = {"shortest": shortest, "longest": longest, "per_patient": 32, "tops": [1, 2, 3]}
    return Choice(value, reason)


def choose_scope(fingerprint: Fingerprint, asked: Asked) -> dict[str, Choice]:
    """What the model may be asked about: what it was shown, and nothing else."""
    scans = fingerprint.scans
    surrogate = needs_substacks(fingerprint, primary=asked.primary)
    views = list(scans.views) or None
    return {
        "modality": Choice(list(asked.modality), _source(scans.modalities, "--modality")),
        "body_part": Choice(list(asked.body_part), _source(scans.body_parts, "--body-part")),
        "sequence": Choice(
            list(asked.sequence), _source(scans.sequences, "--sequence, empty: any")
        ),
        "view_position": Choice(
            views, "as the headers say" if views else "the headers say none: any view is accepted"
        ),
        "dimensionality": Choice(
            "image" if scans.kind == "film" else "volume",
            f"{scans.count} films"
            if scans.kind == "film"
            else f"{scans.count} stacks of {scans.slices} slices",
        ),
        "domain": Choice("clinical", "TODO: set surrogate if these are projections or simulations"),
        "lesions": Choice("real", "TODO: set planted if lesions were painted in"),
        "exam_level_surrogate": Choice(
            surrogate,
            "exams are stood in for by runs of slices"
            if surrogate
            else "exams are whole scans, as in use",
        ),
    }


def _source(found: tuple[str, ...], option: str) -> str:
    return "as the headers say" if found else f"by {option}: the headers don't say"


def choose_operating_points() -> Choice:
    """The three that reports name."""
    points = {
        "rule_out": {"sensitivity": 0.95},
        "screening": {"sensitivity": 0.9},
        "rule_in": {"specificity": 0.95},
    }
    return Choice(
        points, "usual targets; TODO: state what a missed lesion and a false alarm cost here"
    )
