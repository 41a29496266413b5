"""Rules for how a network learns: batch, epochs, optimiser, precision."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from medrec.training.choice import Choice
from medrec.training.cost import (
    networks,
    pictures_a_row,
    rows_an_epoch,
    rows_per_second,
    seconds_an_epoch,
)
from medrec.training.plan_transfer import choose_base_rate
from medrec.training.seen import depth_of, has_exam_labels, kind_of_network

if TYPE_CHECKING:
    from medrec.data.fingerprint import Fingerprint

BATCHES = (8, 16, 32, 64)
BATCHES_OF_EXAMS = (2, 4, 8)
_USUAL_BATCH = 32
_STEPS_AN_EPOCH = 20
_LARGE_BATCH_FROM = 10_000
_SHOWN_IN_ALL, _EXAMS_SHOWN_IN_ALL = 12_000, 3_000
_EPOCHS = (8, 30)
_GB_A_PICTURE_AT_192 = 0.08
_SLICES_LIKE_A_PICTURE = 4
"""Slices of a 3D network's box that need the memory of one picture of a 2D network."""
_FEW_ROWS = 5_000


def choose_batch(fingerprint: Fingerprint, *, size_px: int) -> Choice:
    """A usual batch, smaller where an epoch would hold few steps or the memory too little."""
    rows, machine = rows_an_epoch(fingerprint), fingerprint.machine
    batches = BATCHES_OF_EXAMS if has_exam_labels(fingerprint) else BATCHES
    is_large = machine.device.startswith("cuda") and rows >= _LARGE_BATCH_FROM
    usual = min(_USUAL_BATCH, batches[-1])
    most = batches[-1] if is_large else usual
    needed_gb = _gb_a_row(fingerprint, size_px=size_px)
    fitting = [n for n in batches if n <= most and n * needed_gb <= machine.memory_gb / 2]
    largest = max(fitting, default=batches[0])
    stepping = [n for n in batches if n <= largest and rows / n >= _STEPS_AN_EPOCH]
    chosen = max(stepping, default=batches[0])
    what = noun_of_rows(fingerprint)
    if chosen < largest:
        reason = f"{rows} {what} an epoch: {_STEPS_AN_EPOCH} steps or more, as far as they go"
    elif largest < most:
        reason = f"as many {what} as half of {machine.memory_gb:.0f} GB holds at {size_px} px"
    else:
        reason = f"{what}, a usual number; {rows // chosen} steps an epoch"
    return Choice(chosen, reason)


def _gb_a_row(fingerprint: Fingerprint, *, size_px: int) -> float:
    pictures: float = pictures_a_row(fingerprint)
    if kind_of_network(fingerprint) == "classifier_3d":
        pictures = depth_of(fingerprint, size_px=size_px) / _SLICES_LIKE_A_PICTURE
    return _GB_A_PICTURE_AT_192 * pictures * (size_px / 192) ** 2


def noun_of_rows(fingerprint: Fingerprint) -> str:
    """What batches are made of."""
    if has_exam_labels(fingerprint):
        return "volumes"
    return "films" if fingerprint.scans.kind == "film" else "slices"


def choose_epochs(fingerprint: Fingerprint, *, size_px: int, from_scratch: bool = False) -> Choice:
    """So many that rows are shown often enough, and no more than the budget holds."""
    rows, what = rows_an_epoch(fingerprint), noun_of_rows(fingerprint)
    shown = _EXAMS_SHOWN_IN_ALL if has_exam_labels(fingerprint) else _SHOWN_IN_ALL
    shown, most = (3 * shown, 2 * _EPOCHS[1]) if from_scratch else (shown, _EPOCHS[1])
    enough = min(max(round(shown / rows), _EPOCHS[0]), most)
    seconds = seconds_an_epoch(fingerprint, size_px=size_px)
    fitting = int(fingerprint.budget_minutes * 60 / seconds)
    chosen = max(1, min(enough, fitting))
    speed = rows_per_second(fingerprint, size_px=size_px)
    took = (
        f"about {chosen * seconds / 60:.0f} of {fingerprint.budget_minutes:g} minutes: "
        f"{rows} {what} an epoch, {_fits(fingerprint)}, {speed:.3g} {what} a second "
        f"measured on this machine"
    )
    if fitting < 1:
        return Choice(1, f"one takes longer than the budget allows ({took})")
    why = _enough(from_scratch=from_scratch) if chosen == enough else "as many as the budget holds"
    return Choice(chosen, f"{why}; {took}")


def _enough(*, from_scratch: bool) -> str:
    return f"enough for {'random weights' if from_scratch else 'a fine-tuning'}"


def _fits(fingerprint: Fingerprint) -> str:
    count = networks(fingerprint)
    return "one network" if count == 1 else f"as good as {count} networks (folds and the final one)"


def choose_optimiser(
    fingerprint: Fingerprint, *, batch: int, epochs: int, from_scratch: bool
) -> dict[str, Choice]:
    """AdamW, the rate by the batch, the average by the number of steps."""
    rows = rows_an_epoch(fingerprint)
    steps = max(1, rows // batch * epochs)
    base, why = choose_base_rate(fingerprint, from_scratch=from_scratch)
    rate = float(f"{base * sqrt(batch / _USUAL_BATCH):.2g}")
    few = rows < _FEW_ROWS
    decay = round(min(max(1 - 8 / steps, 0.9), 0.999), 4)
    return {
        "learning_rate": Choice(
            rate, f"{base:g} at a batch of {_USUAL_BATCH}, by the root of the batch: {why}"
        ),
        "weight_decay": Choice(
            0.05 if few else 0.02,
            f"{rows} {noun_of_rows(fingerprint)} are {'few' if few else 'many'}",
        ),
        "warmup_fraction": Choice(0.1, "AdamW's first steps rest on few gradients"),
        "ema_decay": Choice(decay, f"averages about an eighth of the {steps} steps"),
        "gradient_clip": Choice(1.0, "one odd picture must not throw the weights"),
    }


def choose_precision(fingerprint: Fingerprint) -> Choice:
    """bf16 where a GPU has it; a CPU is faster without."""
    machine = fingerprint.machine
    if machine.device.startswith("cuda") and machine.has_bf16:
        return Choice(
            "bf16", "the GPU computes it at twice the speed, and its range needs no scaling"
        )
    return Choice("32", f"on {machine.device} nothing smaller is both faster and as safe")


def choose_workers(fingerprint: Fingerprint) -> Choice:
    """Processes that augment while a GPU computes."""
    machine = fingerprint.machine
    if machine.device.startswith("cuda"):
        return Choice(min(8, max(1, machine.cores - 1)), f"{machine.cores} cores feed the GPU")
    return Choice(0, "the network needs all cores itself")
