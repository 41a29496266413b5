"""Rules for learning from little: which layers learn, how fast, and when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.training.choice import Choice
from medrec.training.seen import FEW_PATIENTS, kind_of_network, learns_from_little

if TYPE_CHECKING:
    from medrec.data.fingerprint import Fingerprint

RATE, RATE_FEW, RATE_SCRATCH = 7e-4, 2e-4, 1e-3
"""At a batch of 32."""
_LAYER_DECAY = 0.9
_MIXUP = 0.2
_FEWEST_EPOCHS_TO_FREEZE = 4
_EPOCHS_TO_FREEZE_TWO = 12
_EPOCHS_TO_STOP_EARLY = 12
_KNOWN_SHARE = 0.9


def is_careful(fingerprint: Fingerprint, *, from_scratch: bool) -> bool:
    """Whether a backbone with first weights is to be changed with care."""
    is_3d = kind_of_network(fingerprint) == "classifier_3d"
    return learns_from_little(fingerprint) and not from_scratch and not is_3d


def choose_base_rate(fingerprint: Fingerprint, *, from_scratch: bool) -> tuple[float, str]:
    """The rate at a batch of 32, and why."""
    if from_scratch:
        return RATE_SCRATCH, "random weights have far to go"
    if is_careful(fingerprint, from_scratch=from_scratch):
        return RATE_FEW, (
            f"labels of whole scans of {fingerprint.truth.patients} patients: on mammograms of "
            "372, 7e-4 overfitted after the first epoch, and 2e-4 went on to learn"
        )
    return RATE, "as the shipped models"


def choose_transfer(
    fingerprint: Fingerprint, *, epochs: int, from_scratch: bool
) -> dict[str, Choice]:
    """Which layers learn when and how fast, mixtures of scans, and an early end."""
    careful = is_careful(fingerprint, from_scratch=from_scratch)
    return {
        "layer_decay": choose_layer_decay(fingerprint, careful=careful),
        "unfreeze": choose_unfreeze(fingerprint, epochs=epochs, careful=careful),
        "mixup": choose_mixup(fingerprint, careful=careful),
        "early_stop": choose_early_stop(fingerprint, epochs=epochs),
    }


def choose_layer_decay(fingerprint: Fingerprint, *, careful: bool) -> Choice:
    """Edges and textures are ImageNet's already: the first layers learn slowest."""
    if not careful:
        return Choice(None, _carefree(fingerprint))
    reason = (
        "each layer learns 0.9 times as fast as the one above it, the first of 18 a sixth of the "
        "last (Howard & Ruder, ACL 2018, for text; of mammograms, Adedigba et al., Bioengineering "
        "2022): edges and textures need no other weights than ImageNet's"
    )
    return Choice(_LAYER_DECAY, reason)


def choose_unfreeze(fingerprint: Fingerprint, *, epochs: int, careful: bool) -> Choice:
    """A random last layer would first pull good features apart."""
    if not careful:
        return Choice(None, _carefree(fingerprint))
    if epochs < _FEWEST_EPOCHS_TO_FREEZE:
        return Choice(None, f"{epochs} epochs are too few to keep one for the last layer")
    head = 2 if epochs >= _EPOCHS_TO_FREEZE_TWO else 1
    reason = (
        "the last layer is random and would first pull good features apart (Kumar et al., ICLR "
        "2022): it learns alone before the rest. Not on several devices: leave it out there"
    )
    return Choice({"head_epochs": head}, reason)


def choose_mixup(fingerprint: Fingerprint, *, careful: bool) -> Choice:
    """Mixtures of films keep a network from learning patients by heart."""
    counts = fingerprint.truth.labels.values()
    rows = max(1, fingerprint.truth.rows)
    known = min((one.positive_rows + one.negative_rows) / rows for one in counts)
    if not careful:
        return Choice(None, _carefree(fingerprint))
    if fingerprint.scans.kind != "film":
        return Choice(None, "not for stacks: a mixture of slices at other heights shows no body")
    if known < _KNOWN_SHARE:
        reason = f"{1 - known:.0%} of a label is unknown, and so would be most of its mixtures"
        return Choice(None, reason)
    reason = (
        f"{fingerprint.truth.patients} patients could be learned by heart: mixtures of two can't "
        "(Zhang et al., ICLR 2018, with 0.1 to 0.4 for ImageNet)"
    )
    return Choice(_MIXUP, reason)


def choose_early_stop(fingerprint: Fingerprint, *, epochs: int) -> Choice:
    """Where the best epoch is chosen anyway, what comes long after it is waste."""
    if fingerprint.truth.mode == "cross_fit":
        return Choice(
            None, "no patients are kept apart to stop by: folds judge and must not choose"
        )
    if epochs < _EPOCHS_TO_STOP_EARLY:
        reason = f"{epochs} epochs are few; the best on the tune patients is kept in any case"
        return Choice(None, reason)
    patience = max(4, epochs // 3)
    reason = (
        f"ends when the tune patients' log-loss has not fallen for a third of the {epochs} epochs; "
        "the best one is kept in any case"
    )
    return Choice({"patience": patience}, reason)


def _carefree(fingerprint: Fingerprint) -> str:
    if not learns_from_little(fingerprint):
        what = (
            "slices have labels of their own"
            if fingerprint.truth.granularity == "slice"
            else f"{FEW_PATIENTS} patients or more"
        )
        return f"not needed: {what}"
    return "not for random weights: all have to learn"
