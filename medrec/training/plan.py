"""All rules together: from a fingerprint to every key of a training config, each with its reason.

No rule reads a file or a clock: the same fingerprint gives the same config. The table of rules with
their sources is docs/explanation/configuration-rules.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.training.choice import Choice
from medrec.training.plan_judging import (
    choose_operating_points,
    choose_scope,
    choose_splits,
    choose_substacks,
)
from medrec.training.plan_learning import (
    choose_backbone,
    choose_batch,
    choose_epochs,
    choose_mirror,
    choose_optimiser,
    choose_positive_weight,
    choose_precision,
    choose_regularisation,
    choose_weights,
    choose_workers,
)
from medrec.training.plan_picture import (
    choose_augmentation,
    choose_background,
    choose_crop,
    choose_intensity,
    choose_polarity,
    choose_size,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medrec.data.fingerprint import Fingerprint
    from medrec.training.choice import Asked

Plan = dict[str, Choice]
"""Choices by dotted key, in the order in which they are written."""

SEED = 1


def plan_training(
    fingerprint: Fingerprint, asked: Asked, *, manifest: str, splits_file: str, has_weights: bool
) -> Plan:
    """Apply every rule.

    `manifest` and `splits_file` are written as given; `has_weights` says whether the package with
    ImageNet weights is installed.
    """
    labels = ", ".join(
        f"{name} {fingerprint.truth.labels[name].positive_patients} positive patients"
        for name in asked.labels
    )
    crop = choose_crop(fingerprint)
    size = choose_size(fingerprint, crop=str(crop.value))
    return {
        "kind": Choice("train", "`medrec train` reads it"),
        "name": Choice(asked.name, "of the model; change it as you like"),
        "version": Choice("0.1.0", "the first"),
        "seed": Choice(SEED, "fixes order, augmentation and first weights"),
        "labels": Choice(list(asked.labels), labels),
        "primary_label": Choice(asked.primary, "decides between flag and clear"),
        "data.kind": Choice("manifest", "rows with paths and labels"),
        "data.manifest": Choice(manifest, "relative to this file"),
        **_below("splits", choose_splits(fingerprint, file=splits_file, seed=SEED)),
        **_below("scope", choose_scope(fingerprint, asked)),
        **_below("preprocess", _preprocess(fingerprint, asked, crop=crop, size=size)),
        **_below("augment", choose_augmentation(fingerprint, asked)),
        **_below("model", _model(fingerprint, asked, has_weights=has_weights)),
        **_fit(fingerprint, asked, size_px=int(str(size.value)), has_weights=has_weights),
        **_below("calibration", _calibration(fingerprint, asked)),
        **_below("card", _card(fingerprint, asked)),
    }


def _below(section: str, choices: Mapping[str, Choice]) -> Plan:
    return {f"{section}.{key}": choice for key, choice in choices.items()}


def _preprocess(fingerprint: Fingerprint, asked: Asked, *, crop: Choice, size: Choice) -> Plan:
    return {
        "size_px": Choice(
            size.value, f"{size.reason} The whole picture, no patches: a label says not where"
        ),
        "crop": crop,
        "crop_margin": Choice(0.02, "skin and skull must not be cut by a threshold"),
        "intensity": choose_intensity(fingerprint),
        "polarity": choose_polarity(fingerprint, asked.anatomy),
        "background": choose_background(fingerprint, asked.anatomy),
    }


def _model(fingerprint: Fingerprint, asked: Asked, *, has_weights: bool) -> Plan:
    kind = "one judgement a film" if fingerprint.scans.kind == "film" else (
        "each slice is judged, as slices have labels; an exam pools its slices. A 3D network needs "
        "many volumes"
    )  # fmt: skip
    return {
        "kind": Choice("classifier_2d", kind),
        "backbone": choose_backbone(),
        **choose_regularisation(fingerprint),
        "mirror_average": choose_mirror(asked.anatomy),
        "weights": choose_weights(is_installed=has_weights),
        "pooling": Choice(
            {"positions": 8, "top": 2},
            "the mean of the two highest of eight positions; runs of slices choose top anew",
        ),
    }


def _fit(fingerprint: Fingerprint, asked: Asked, *, size_px: int, has_weights: bool) -> Plan:
    batch = choose_batch(fingerprint, size_px=size_px)
    epochs = choose_epochs(fingerprint, size_px=size_px, from_scratch=not has_weights)
    optimiser = choose_optimiser(
        fingerprint,
        batch=int(str(batch.value)),
        epochs=int(str(epochs.value)),
        from_scratch=not has_weights,
    )
    return {
        "fit.epochs": epochs,
        "fit.batch_size": batch,
        "fit.precision": choose_precision(fingerprint),
        "fit.workers": choose_workers(fingerprint),
        "fit.positive_weight_cap": choose_positive_weight(fingerprint, labels=asked.labels),
        **_below("fit.optimiser", optimiser),
    }


def _calibration(fingerprint: Fingerprint, asked: Asked) -> Plan:
    return {
        "method": Choice("auto", "the lower log-loss when cross-validated by patient"),
        "operating_points": choose_operating_points(),
        "substacks": choose_substacks(fingerprint, primary=asked.primary),
        "bootstrap_rounds": Choice(1000, "enough for 95 % intervals"),
    }


def _card(fingerprint: Fingerprint, asked: Asked) -> Plan:
    truth, scans = fingerprint.truth, fingerprint.scans
    counts = truth.labels[asked.primary]
    where = f"{'/'.join(asked.modality)} of {'/'.join(asked.body_part)}"
    facts = (
        f"{scans.count} scans of {truth.patients} patients, {counts.positive_patients} of them "
        f"with {asked.primary}"
    )
    todo = "TODO, by a person: no number tells it"
    return {
        "summary": Choice(f"Probability of {asked.primary} in {where}.", todo),
        "intended_use": Choice(
            "TODO: say for whom and beside which reader. Research only until that is stated.", todo
        ),
        "limits": Choice(
            [
                f"Trained on {facts}; nothing is known of other patients and scanners.",
                "TODO: say how the labels were made, and whom the archive leaves out.",
            ],
            "the facts are filled in; TODO: the rest",
        ),
        "training_data": Choice(
            f"{facts}. TODO: name the hospitals, the years and the terms of use.", todo
        ),
        "license": Choice(
            "LicenseRef-TODO", "TODO: an SPDX expression; the data's terms may bind the weights"
        ),
    }
