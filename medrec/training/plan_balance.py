"""Rules for counts that are unequal: what is drawn equally often, and what weighs more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.data.splits import FEW_OF_A_CLASS
from medrec.training.choice import Choice

if TYPE_CHECKING:
    from medrec.data.fingerprint import Fingerprint

_RARE = 0.05
_UNEQUAL_PATIENTS = 4
_WEIGHT = 5.0


def choose_balance(fingerprint: Fingerprint, *, labels: tuple[str, ...]) -> dict[str, Choice]:
    """Sampler and weight: never both for the same class."""
    sampler = choose_sampler(fingerprint, labels=labels)
    by_class = str(sampler.value).startswith("class")
    return {
        "sampler": sampler,
        "positive_weight_cap": choose_positive_weight(fingerprint, labels=labels)
        if not by_class
        else Choice(
            1.0, "the sampler draws both classes equally often: a weight would count twice"
        ),
    }


def choose_sampler(fingerprint: Fingerprint, *, labels: tuple[str, ...]) -> Choice:
    """Draw classes equally often where one is rare, patients where a few have most rows."""
    truth = fingerprint.truth
    name, share = _rarest(fingerprint, labels)
    is_single = len(labels) == 1 or set(truth.exclusive) == set(labels)
    by_class = is_single and share < _RARE and _has_enough(fingerprint, name)
    by_patient = are_patients_unequal(fingerprint)
    rows = truth.rows_a_patient
    told = {
        "class": (
            f"{name} has {share:.1%} positive rows: most batches would teach nothing of it. It is "
            "drawn as often as the rest, and calibration brings its true frequency back"
        ),
        "patient": (
            f"patients have {rows} rows: without it, what a few of them look like would count most"
        ),
    }
    if by_class:
        value = "class_and_patient_balanced" if by_patient else "class_balanced"
        return Choice(value, "; ".join([told["class"]] + [told["patient"]] * by_patient))
    if by_patient:
        return Choice("patient_balanced", told["patient"])
    reason = f"patients have {rows} rows, and the rarest label {share:.0%} positive ones"
    if share < _RARE:
        reason = f"patients have {rows} rows; a rare class gets a weight instead"
    return Choice("uniform", f"{reason}: every row once an epoch")


def are_patients_unequal(fingerprint: Fingerprint) -> bool:
    """Whether some patients have many times the rows of others; slices of a scan don't count."""
    rows = fingerprint.truth.rows_a_patient
    is_by_scan = fingerprint.truth.granularity == "scan"
    return is_by_scan and rows.high >= _UNEQUAL_PATIENTS * rows.median


def choose_positive_weight(fingerprint: Fingerprint, *, labels: tuple[str, ...]) -> Choice:
    """Plain cross-entropy, unless a label is so rare that batches hold none."""
    name, share = _rarest(fingerprint, labels)
    if share >= _RARE:
        reason = (
            f"plain cross-entropy: the rarest label has {share:.0%} positive rows, and a weight "
            "would have to be calibrated away"
        )
        return Choice(1.0, reason)
    positive = fingerprint.truth.labels[name].positive_patients
    reason = (
        f"{name} has {share:.1%} positive rows: most batches would teach nothing of it; its "
        f"{positive} positive patients, drawn again and again, would be learned by heart"
        if not _has_enough(fingerprint, name)
        else f"{name} has {share:.1%} positive rows: most batches would teach nothing of it; a "
        "sampler can't balance several labels at once"
    )
    return Choice(_WEIGHT, reason)


def _rarest(fingerprint: Fingerprint, labels: tuple[str, ...]) -> tuple[str, float]:
    shares = {name: fingerprint.truth.labels[name].positive_share for name in labels}
    name = min(shares, key=lambda one: shares[one])
    return name, shares[name]


def _has_enough(fingerprint: Fingerprint, name: str) -> bool:
    return fingerprint.truth.labels[name].positive_patients >= FEW_OF_A_CLASS
