"""All rules of a detector together: from a fingerprint to every key of its training config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.training.choice import Choice
from medrec.training.detector_sight import (
    boxes_of,
    choose_sight,
    choose_size,
    kind_of_detector,
    spacing_of,
)
from medrec.training.plan import SEED, below
from medrec.training.plan_card import choose_card
from medrec.training.plan_detector import choose_detector
from medrec.training.plan_detector_fit import choose_detector_fit
from medrec.training.plan_judging import (
    choose_operating_points,
    choose_scope,
    choose_splits,
    choose_substacks,
    needs_substacks,
)
from medrec.training.plan_network import choose_box
from medrec.training.plan_picture import (
    NOT_IN_3D,
    choose_augmentation,
    choose_background,
    choose_crop,
    choose_intensity,
    choose_polarity,
)
from medrec.training.plan_planting import choose_planting

if TYPE_CHECKING:
    from medrec.data.fingerprint import Fingerprint
    from medrec.training.choice import Asked
    from medrec.training.detector_sight import Sight
    from medrec.training.plan import Plan

_FLAT_IOU, _SOLID_IOU = 0.5, 0.1


def sight_of(fingerprint: Fingerprint, asked: Asked) -> Sight:
    """What the planned detector sees."""
    crop = str(choose_crop(fingerprint).value)
    return choose_sight(fingerprint, crop=crop, anatomy=asked.anatomy)


def plan_detection(  # noqa: PLR0913
    fingerprint: Fingerprint,
    asked: Asked,
    *,
    manifest: str,
    splits_file: str,
    has_weights: bool,
    has_torchio: bool = False,
    are_splits_given: bool = False,
) -> Plan:
    """Apply every rule; arguments as for `medrec.training.plan.plan_training`."""
    facts, crop = boxes_of(fingerprint), choose_crop(fingerprint)
    sight = sight_of(fingerprint, asked)
    splits = choose_splits(fingerprint, file=splits_file, seed=SEED, is_given=are_splits_given)
    model = choose_detector(
        fingerprint, asked, sight, crop=str(crop.value), has_weights=has_weights
    )
    return {
        "kind": Choice("train", "`medrec train` reads it"),
        "name": Choice(asked.name, "of the model; change it as you like"),
        "version": Choice("0.1.0", "the first"),
        "seed": Choice(SEED, "fixes order, augmentation and first weights"),
        "labels": Choice(
            list(asked.labels),
            f"what boxes show; {facts.boxes} boxes, {facts.learned_boxes} of them on "
            f"{facts.learned_patients} patients who train",
        ),
        "primary_label": Choice(asked.primary, "decides between flag and clear"),
        **choose_planting(fingerprint, asked, classes=_classes(model)),
        "data.kind": Choice("manifest", "rows with paths, labels and boxes"),
        "data.manifest": Choice(manifest, "relative to this file"),
        **below("splits", splits),
        **below("scope", choose_scope(fingerprint, asked)),
        **below("preprocess", _preprocess(fingerprint, asked, crop=crop, sight=sight)),
        **below("augment", _augment(fingerprint, asked, has_torchio=has_torchio)),
        **below("model", model),
        **below("fit", choose_detector_fit(fingerprint, sight, has_weights=has_weights)),
        **below("calibration", _calibration(fingerprint, asked, sight, model)),
        **below("test", choose_test(fingerprint)),
        **below("card", choose_card(fingerprint, asked, what="Boxes and probability")),
    }


def _classes(model: Plan) -> dict[str, str]:
    """The classes of boxes that were chosen, and the label of each; empty where labels are."""
    chosen = model["classes"].value
    return {str(key): str(of) for key, of in chosen.items()} if isinstance(chosen, dict) else {}


def _preprocess(
    fingerprint: Fingerprint, asked: Asked, *, crop: Choice, sight: Sight
) -> dict[str, Choice]:
    size = choose_size(fingerprint, sight, anatomy=asked.anatomy)
    is_3d = kind_of_detector(fingerprint) == "detector_3d"
    spacing_mm = spacing_of(fingerprint, sight, crop=str(crop.value))
    if spacing_mm is not None:
        seen = {"spacing_mm": choose_spacing(fingerprint, spacing_mm, size=size)}
    else:
        seen = {"volume_size": choose_box(fingerprint, size=size)} if is_3d else {"size_px": size}
    return {
        **seen,
        "crop": crop,
        "crop_margin": Choice(0.02, "skin and skull must not be cut by a threshold"),
        "intensity": choose_intensity(fingerprint),
        "polarity": choose_polarity(fingerprint, asked.anatomy),
        "background": choose_background(fingerprint, asked.anatomy),
    }


def choose_spacing(fingerprint: Fingerprint, spacing_mm: float, *, size: Choice) -> Choice:
    """One size of voxels for all scans."""
    pixels = fingerprint.pixels
    reason = (
        f"depth, height, width: scans have voxels of {pixels.plane_mm} mm in the plane and "
        f"{pixels.thickness_mm} mm between slices; at one spacing a lesion keeps its size in every "
        f"scan. A body of {pixels.body_mm} mm then spans {size.value} voxels: {size.reason}"
    )
    return Choice([spacing_mm] * 3, reason)


def _augment(fingerprint: Fingerprint, asked: Asked, *, has_torchio: bool) -> dict[str, Choice]:
    """As for classifiers; boxes move along, and nothing may hide one."""
    choices = choose_augmentation(fingerprint, asked, has_torchio=has_torchio)
    choices["dropout"] = Choice(0.0, "a black square could hide a lesion whose box stays")
    is_3d = kind_of_detector(fingerprint) == "detector_3d"
    return {name: one for name, one in choices.items() if not (is_3d and name in NOT_IN_3D)}


def _calibration(
    fingerprint: Fingerprint, asked: Asked, sight: Sight, model: dict[str, Choice]
) -> dict[str, Choice]:
    is_3d = kind_of_detector(fingerprint) == "detector_3d"
    is_joined = not is_3d and model["join_slices"].value is True
    return {
        "method": Choice(
            "auto", "of exams and pictures; where boxes have probabilities, none is below its boxes"
        ),
        "hit": choose_hit(fingerprint, sight, is_joined=is_joined),
        "operating_points": choose_operating_points(),
        "substacks": choose_runs(fingerprint, primary=asked.primary),
        "bootstrap_rounds": Choice(1000, "enough for 95 % intervals"),
    }


def choose_hit(fingerprint: Fingerprint, sight: Sight, *, is_joined: bool = False) -> Choice:
    """When a box is on a lesion: what calibrates boxes, and what `froc.hit` says of the test."""
    calibrated = "; boxes of patients held out are calibrated by it"
    if kind_of_detector(fingerprint) == "detector_3d":
        reason = f"an overlap in 3D falls with the third power of a shift{calibrated}"
        return Choice({"rule": "iou", "value": _SOLID_IOU}, reason)
    if fingerprint.scans.kind == "film" and sight.head == "centre":
        reason = f"small lesions on films: a shift of a few pixels undoes an overlap{calibrated}"
        return Choice({"rule": "centre_in_box"}, reason)
    if is_joined:
        reason = f"null: an IoU of 0.5 on slices, and of 0.1 where boxes are joined{calibrated}"
        return Choice(None, reason)
    return Choice({"rule": "iou", "value": _FLAT_IOU}, f"usual for boxes in a plane{calibrated}")


def choose_test(fingerprint: Fingerprint) -> dict[str, Choice]:
    """Figures within archives, where these differ in what they hold."""
    column = boxes_of(fingerprint).separating_column
    if column is None:
        return {}
    reason = (
        f"{column} tells pictures with boxes from those without: across its values figures would "
        "measure the archive"
    )
    return {"within": Choice(column, reason)}


def choose_runs(fingerprint: Fingerprint, *, primary: str) -> Choice:
    """Runs of slices as exams where none is negative; without rows of slices there can be none."""
    if needs_substacks(fingerprint, primary=primary):
        return choose_substacks(fingerprint, primary=primary)
    scans = fingerprint.scans
    if scans.kind == "volume" and fingerprint.truth.labels[primary].negative_patients == 0:
        reason = (
            f"every patient has {primary}: exams get scores and no probabilities. Rows that name "
            "slices (medrec dataset import masks --boxes slice) let runs of slices stand in"
        )
        return Choice(None, reason)
    return Choice(None, "not needed: there are exams of both kinds, or each picture is one")
