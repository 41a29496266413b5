"""Rules for how a detector learns: batch, epochs, optimiser, sampler, precision."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from medrec.training.choice import Choice
from medrec.training.detector_sight import (
    MOST_EPOCHS,
    boxes_of,
    gb_a_picture,
    kind_of_detector,
    pictures_an_epoch,
    pictures_per_second,
    seconds_an_epoch,
)
from medrec.training.plan_balance import are_patients_unequal
from medrec.training.plan_learning import choose_workers
from medrec.training.plan_transfer import choose_early_stop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medrec.data.fingerprint import Fingerprint
    from medrec.training.detector_sight import Sight

BATCHES, BATCHES_OF_VOLUMES = (4, 8, 16), (1, 2, 4)
RATE, RATE_SCRATCH, USUAL_BATCH = 5e-4, 1e-3, 16
_STEPS_AN_EPOCH = 20
_SHOWN_IN_ALL, _VOLUMES_SHOWN_IN_ALL = 24_000, 6_000
_EPOCHS = (8, MOST_EPOCHS)
_FEW_POSITIVE = 0.25
_FASTER = 1.1
_FEW_PICTURES = 5_000


def choose_detector_fit(
    fingerprint: Fingerprint, sight: Sight, *, has_weights: bool
) -> Mapping[str, Choice]:
    """The whole section `fit`, by dotted key below it."""
    from_scratch = not has_weights or kind_of_detector(fingerprint) == "detector_3d"
    batch = choose_batch(fingerprint, sight)
    epochs = choose_epochs(fingerprint, sight, from_scratch=from_scratch)
    size, count = int(str(batch.value)), int(str(epochs.value))
    optimiser = choose_optimiser(fingerprint, batch=size, epochs=count, from_scratch=from_scratch)
    return {
        "epochs": epochs,
        "batch_size": batch,
        "precision": choose_precision(fingerprint),
        "workers": choose_workers(fingerprint),
        "sampler": choose_sampler(fingerprint),
        "early_stop": choose_early_stop(fingerprint, epochs=count),
        **{f"optimiser.{key}": one for key, one in optimiser.items()},
    }


def noun(fingerprint: Fingerprint) -> str:
    """What batches are made of."""
    if kind_of_detector(fingerprint) == "detector_3d":
        return "volumes"
    return "films" if fingerprint.scans.kind == "film" else "slices"


def choose_batch(fingerprint: Fingerprint, sight: Sight) -> Choice:
    """A usual batch, smaller where an epoch would hold few steps or the memory too little."""
    rows, memory = pictures_an_epoch(fingerprint), fingerprint.machine.memory_gb
    batches = BATCHES_OF_VOLUMES if kind_of_detector(fingerprint) == "detector_3d" else BATCHES
    needed_gb = gb_a_picture(fingerprint, sight)
    largest = max((n for n in batches if n * needed_gb <= memory / 2), default=batches[0])
    stepping = [n for n in batches if n <= largest and rows / n >= _STEPS_AN_EPOCH]
    chosen, what = max(stepping, default=batches[0]), noun(fingerprint)
    if chosen < largest:
        return Choice(chosen, f"{rows} {what} an epoch: {_STEPS_AN_EPOCH} steps or more, if it can")
    if largest < batches[-1]:
        reason = f"as many {what} as half of {memory:.0f} GB holds at {sight.learned_px} px"
        return Choice(chosen, reason)
    return Choice(chosen, f"{what}, a usual number; {rows // chosen} steps an epoch")


def choose_epochs(fingerprint: Fingerprint, sight: Sight, *, from_scratch: bool) -> Choice:
    """So many that pictures are shown often enough, and no more than the budget holds."""
    rows, what = pictures_an_epoch(fingerprint), noun(fingerprint)
    shown = _VOLUMES_SHOWN_IN_ALL if what == "volumes" else _SHOWN_IN_ALL
    shown, most = (3 * shown, 2 * _EPOCHS[1]) if from_scratch else (shown, _EPOCHS[1])
    enough = min(max(round(shown / rows), _EPOCHS[0]), most)
    seconds = seconds_an_epoch(fingerprint, sight)
    fitting = int(fingerprint.budget_minutes * 60 / seconds)
    chosen = max(1, min(enough, fitting))
    speed = pictures_per_second(fingerprint, sight)
    took = (
        f"about {chosen * seconds / 60:.0f} of {fingerprint.budget_minutes:g} minutes: {rows} "
        f"{what} an epoch, {speed:.3g} a second by a detector measured on this machine"
    )
    if fingerprint.truth.mode == "cross_fit":
        took += ", as good as five networks (folds and the final one)"
    if fitting < 1:
        return Choice(1, f"one takes longer than the budget allows ({took})")
    start = "random weights" if from_scratch else "ImageNet's first weights"
    why = f"enough for {start}" if chosen == enough else "as many as the budget holds"
    return Choice(chosen, f"{why}; {took}")


def choose_optimiser(
    fingerprint: Fingerprint, *, batch: int, epochs: int, from_scratch: bool
) -> dict[str, Choice]:
    """AdamW, the rate by the batch, the average by the number of steps."""
    rows = pictures_an_epoch(fingerprint)
    steps = max(1, rows // batch * epochs)
    base = RATE_SCRATCH if from_scratch else RATE
    why = "random weights have far to go" if from_scratch else "as the shipped detector"
    decay = round(min(max(1 - 8 / steps, 0.9), 0.999), 4)
    few = rows < _FEW_PICTURES
    return {
        "learning_rate": Choice(
            float(f"{base * sqrt(batch / USUAL_BATCH):.2g}"),
            f"{base:g} at a batch of {USUAL_BATCH}, by the root of the batch: {why}",
        ),
        "weight_decay": Choice(
            0.05 if few else 0.02, f"{rows} {noun(fingerprint)} are {'few' if few else 'many'}"
        ),
        "warmup_fraction": Choice(0.1, "AdamW's first steps rest on few gradients"),
        "ema_decay": Choice(decay, f"averages about an eighth of the {steps} steps"),
        "gradient_clip": Choice(1.0, "one odd picture must not throw the weights"),
    }


def choose_precision(fingerprint: Fingerprint) -> Choice:
    """bf16 where a GPU has it, or where it was measured to be faster; never fp16: its range."""
    speeds = fingerprint.machine.detectors
    gain = speeds.half_gain if speeds else 1.0
    device = fingerprint.machine.device
    if device.startswith("cuda") and fingerprint.machine.has_bf16:
        return Choice("bf16", "the GPU computes it faster, and its range needs no scaling")
    if gain > _FASTER:
        return Choice("bf16", f"{gain:.2g} times as fast as 32 bits, measured on this {device}")
    return Choice("32", f"bf16 is {gain:.2g} times as fast on this {device}: not worth its digits")


def choose_sampler(fingerprint: Fingerprint) -> Choice:
    """Empty pictures teach where nothing is; where they are nearly all, fewer are drawn."""
    facts, what = boxes_of(fingerprint), noun(fingerprint)
    empty = 1 - facts.positive_share
    told = f"{empty:.0%} of the {facts.pictures} {what} hold nothing"
    unequal = are_patients_unequal(fingerprint)
    if facts.positive_share < _FEW_POSITIVE:
        value = "class_and_patient_balanced" if unequal else "class_balanced"
        reason = (
            f"{told}: they are drawn as often as those with boxes, half of all, as most batches "
            "would show no lesion; calibration brings the true frequency back"
        )
        return Choice(value, reason)
    if unequal:
        rows = fingerprint.truth.rows_a_patient
        return Choice(
            "patient_balanced",
            f"patients have {rows} rows: what a few of them look like would count most; {told}",
        )
    if empty == 0:
        told += (
            ": nothing teaches what an empty one looks like; its false alarms are not known either"
        )
    return Choice("uniform", f"{told}: every one once an epoch")
