"""All rules together: from a fingerprint to every key of a training config, each with its reason.

No rule reads a file or a clock: the same fingerprint gives the same config. The table of rules with
their sources is docs/explanation/configuration-rules.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.training.choice import Choice
from medrec.training.plan_balance import choose_balance
from medrec.training.plan_card import choose_card
from medrec.training.plan_judging import (
    choose_exclusive,
    choose_operating_points,
    choose_scope,
    choose_splits,
    choose_substacks,
)
from medrec.training.plan_learning import (
    choose_batch,
    choose_epochs,
    choose_optimiser,
    choose_precision,
    choose_workers,
)
from medrec.training.plan_network import choose_box, choose_model
from medrec.training.plan_picture import (
    choose_augmentation,
    choose_background,
    choose_crop,
    choose_intensity,
    choose_polarity,
    choose_size,
)
from medrec.training.plan_planting import choose_planting
from medrec.training.plan_transfer import choose_transfer
from medrec.training.seen import has_exam_labels, kind_of_network

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medrec.data.fingerprint import Fingerprint
    from medrec.training.choice import Asked

Plan = dict[str, Choice]
"""Choices by dotted key, in the order in which they are written."""

SEED = 1


def plan_training(  # noqa: PLR0913
    fingerprint: Fingerprint,
    asked: Asked,
    *,
    manifest: str,
    splits_file: str,
    has_weights: bool,
    has_torchio: bool = False,
    are_splits_given: bool = False,
) -> Plan:
    """Apply every rule.

    `manifest` and `splits_file` are written as given; `has_weights` says whether the package with
    ImageNet weights is installed, `has_torchio` the one that makes artefacts of MRI;
    `are_splits_given`, that
    `splits_file` is there already.
    """
    labels = ", ".join(
        f"{name}: {fingerprint.truth.labels[name].positive_patients} positive patients"
        for name in asked.labels
    )
    crop = choose_crop(fingerprint)
    size = choose_size(fingerprint, crop=str(crop.value), anatomy=asked.anatomy)
    splits = choose_splits(fingerprint, file=splits_file, seed=SEED, is_given=are_splits_given)
    augment = choose_augmentation(fingerprint, asked, has_torchio=has_torchio)
    return {
        "kind": Choice("train", "`medrec train` reads it"),
        "name": Choice(asked.name, "of the model; change it as you like"),
        "version": Choice("0.1.0", "the first"),
        "seed": Choice(SEED, "fixes order, augmentation and first weights"),
        "labels": Choice(list(asked.labels), labels),
        "primary_label": Choice(asked.primary, "decides between flag and clear"),
        "exclusive": choose_exclusive(fingerprint, labels=asked.labels),
        **choose_planting(fingerprint, asked),
        "data.kind": Choice("manifest", "rows with paths and labels"),
        "data.manifest": Choice(manifest, "relative to this file"),
        **below("splits", splits),
        **below("scope", choose_scope(fingerprint, asked)),
        **below("preprocess", _preprocess(fingerprint, asked, crop=crop, size=size)),
        **below("augment", augment),
        **below("model", choose_model(fingerprint, asked, has_weights=has_weights)),
        **_fit(fingerprint, asked, size_px=int(str(size.value)), has_weights=has_weights),
        **below("calibration", _calibration(fingerprint, asked)),
        **below("card", choose_card(fingerprint, asked)),
    }


def below(section: str, choices: Mapping[str, Choice]) -> Plan:
    """The choices of a section, by dotted key."""
    return {f"{section}.{key}": choice for key, choice in choices.items()}


def _preprocess(fingerprint: Fingerprint, asked: Asked, *, crop: Choice, size: Choice) -> Plan:
    if kind_of_network(fingerprint) == "classifier_3d":
        seen = {"volume_size": choose_box(fingerprint, size=size)}
    else:
        whole = "The whole picture, no patches: a label says not where"
        seen = {"size_px": Choice(size.value, f"{size.reason} {whole}")}
    return {
        **seen,
        "crop": crop,
        "crop_margin": Choice(0.02, "skin and skull must not be cut by a threshold"),
        "intensity": choose_intensity(fingerprint),
        "polarity": choose_polarity(fingerprint, asked.anatomy),
        "background": choose_background(fingerprint, asked.anatomy),
    }


def _fit(fingerprint: Fingerprint, asked: Asked, *, size_px: int, has_weights: bool) -> Plan:
    from_scratch = not has_weights or kind_of_network(fingerprint) == "classifier_3d"
    batch = choose_batch(fingerprint, size_px=size_px)
    epochs = choose_epochs(fingerprint, size_px=size_px, from_scratch=from_scratch)
    count = int(str(epochs.value))
    optimiser = choose_optimiser(
        fingerprint, batch=int(str(batch.value)), epochs=count, from_scratch=from_scratch
    )
    return {
        "fit.epochs": epochs,
        "fit.batch_size": batch,
        "fit.precision": choose_precision(fingerprint),
        "fit.workers": choose_workers(fingerprint),
        **below("fit", choose_balance(fingerprint, labels=asked.labels)),
        **below("fit", choose_transfer(fingerprint, epochs=count, from_scratch=from_scratch)),
        **below("fit.optimiser", optimiser),
    }


def _calibration(fingerprint: Fingerprint, asked: Asked) -> Plan:
    substacks = (
        Choice(None, "not needed: the network learns from whole exams and is calibrated on them")
        if has_exam_labels(fingerprint)
        else choose_substacks(fingerprint, primary=asked.primary)
    )
    return {
        "method": Choice("auto", "the lower log-loss when cross-validated by patient"),
        "operating_points": choose_operating_points(),
        "substacks": substacks,
        "bootstrap_rounds": Choice(1000, "enough for 95 % intervals"),
    }
