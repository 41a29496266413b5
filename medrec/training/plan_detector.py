"""Rules for the detector: kind, head, levels, anchors, window, which boxes are kept."""

from __future__ import annotations

from math import ceil, log2, prod
from typing import TYPE_CHECKING

import numpy as np

from medrec.models.anchors import fit_anchors
from medrec.training.choice import Choice
from medrec.training.detector_sight import (
    CELLS,
    CENTRE_BELOW_PX,
    PATIENTS_FOR_3D,
    WINDOW_OVER_LESION,
    boxes_of,
    gb_a_picture,
    kind_of_detector,
    native_px,
    window_of,
)
from medrec.training.plan_network import (
    ARCHITECTURE_3D,
    choose_backbone,
    choose_mirror,
    choose_weights,
)
from medrec.training.seen import SLICES_FOR_3D, depth_of

if TYPE_CHECKING:
    from medrec.data.fingerprint import Fingerprint
    from medrec.training.choice import Asked
    from medrec.training.detector_sight import Sight

FEWEST_FOR_IMAGE_HEAD = 10
_DEEPEST_STRIDE = 32
_CELLS_OF_LARGEST = 8
_MOST_LEVELS, _MOST_LEVELS_3D = 6, 4
_MANY_LONG = 0.1
_CROWDED = 0.01


def choose_detector(
    fingerprint: Fingerprint, asked: Asked, sight: Sight, *, crop: str, has_weights: bool
) -> dict[str, Choice]:
    """The whole section `model`."""
    is_3d = kind_of_detector(fingerprint) == "detector_3d"
    first = {"kind": choose_kind(fingerprint)}
    shared = {
        "head": choose_head(sight, is_3d=is_3d),
        "classes": choose_classes(fingerprint),
        **(_cells_3d(fingerprint, sight) if is_3d else {"finest_stride": choose_stride(sight)}),
        "levels": choose_levels(sight, is_3d=is_3d),
        "channels": Choice(
            128, "half of RetinaNet's 256: a quarter of its weights and time, and enough here"
        ),
        "per_place": choose_per_place(fingerprint, sight),
    }
    shared["anchors"] = choose_anchors(fingerprint, sight, shared, crop=crop)
    shared["class_loss"] = Choice(
        "focal", "most places hold nothing, and it lets them weigh little (Lin et al., ICCV 2017)"
    )
    head = choose_image_head(fingerprint)
    rest = {
        "image_head": head,
        "dropout": Choice(0.2, "before the image head, where there is one"),
        **{f"boxes.{key}": one for key, one in choose_boxes(fingerprint, asked, sight).items()},
    }
    if is_3d:
        network = {
            "architecture": Choice(ARCHITECTURE_3D, "the smallest 3D network: volumes are few"),
            "weights": Choice({"kind": "none"}, "random: no 3D weights are shipped"),
        }
        return {**first, **network, **shared, **choose_window_3d(fingerprint, sight), **rest}
    network = {
        "backbone": choose_backbone(),
        "weights": choose_weights(is_installed=has_weights),
        "drop_path": Choice(0.1, "a tenth of the blocks are left out at random: convention"),
    }
    window = choose_window(sight)
    return {**first, **network, **shared, **window,
            "join_slices": choose_join(fingerprint), **rest}  # fmt: skip


def choose_kind(fingerprint: Fingerprint) -> Choice:
    """A detector of pictures, or of volumes where solid boxes of many patients teach it."""
    patients, kind = fingerprint.truth.patients, kind_of_detector(fingerprint)
    if kind == "detector_3d":
        reason = (
            f"solid boxes in volumes of {patients} patients: from {PATIENTS_FOR_3D} on a 3D "
            "network may learn from random weights"
        )
    elif fingerprint.scans.kind == "film":
        reason = "films: boxes in a plane"
    elif fingerprint.truth.granularity == "slice":
        reason = "rows name slices: each is looked at by itself, with ImageNet's first weights"
    elif patients < PATIENTS_FOR_3D:
        reason = (
            f"{patients} patients are fewer than {PATIENTS_FOR_3D}: a network that looks at "
            "slices has ImageNet's first weights, and many slices of each patient to learn from"
        )
    else:
        reason = (
            f"a network that looks at slices: boxes have no depth of their own, or scans fewer "
            f"than {SLICES_FOR_3D} slices"
        )
    return Choice(kind, reason)


def choose_head(sight: Sight, *, is_3d: bool = False) -> Choice:
    """Anchors, or centre points where lesions are small."""
    if sight.head == "centre":
        reason = (
            f"half of the boxes are under {sight.middle_px:.0f} px, less than {CENTRE_BELOW_PX}: "
            "centre points on fine cells, as few anchors overlap so small a box enough (Zhou et "
            "al., arXiv:1904.07850)"
        )
        return Choice("centre", reason)
    what = "voxels" if is_3d else "px"
    reason = f"half of the boxes are {sight.middle_px:.0f} {what} or larger: anchors on all levels"
    return Choice("retina", reason)


def choose_classes(fingerprint: Fingerprint) -> Choice:
    """Types of boxes, where each has one."""
    classes = boxes_of(fingerprint).classes
    if classes is None:
        return Choice(None, "boxes are called by their label alone, or types have too few boxes")
    reason = "the type that each box has is told too: one lesion, one box, whatever its type"
    return Choice(dict(classes), reason)


def choose_stride(sight: Sight) -> Choice:
    """Cells of the finest level."""
    reason = (
        f"the smallest box spans {sight.cells:.1f} cells of {sight.stride} px; {CELLS:g} are wanted"
    )
    if sight.stride == 8 and sight.is_seen:  # noqa: PLR2004 (of the coarser of both)
        reason += ", and finer cells would cost more time"
    return Choice(sight.stride, reason)


def _cells_3d(fingerprint: Fingerprint, sight: Sight) -> dict[str, Choice]:
    slices = fingerprint.scans.slices.median
    depth = depth_of(fingerprint, size_px=sight.size_px)
    is_deep = slices >= depth
    is_large = sight.cells >= 2 * CELLS
    return {
        "depth_stride": Choice(
            2 if is_deep else 1,
            f"{slices:.0f} slices become a depth of {depth}: "
            + ("as fine as pixels are" if is_deep else "thicker than pixels are wide"),
        ),
        "first_stage": Choice(
            2 if is_large else 1,
            f"the smallest box spans {sight.cells:.1f} cells of 4 voxels"
            + (": cells of 8 suffice" if is_large else ""),
        ),
    }


def choose_levels(sight: Sight, *, is_3d: bool) -> Choice:
    """Until the largest lesions span few cells, and all of the backbone serves."""
    stride = 2 * sight.stride if is_3d and sight.cells >= 2 * CELLS else sight.stride
    for_largest = 1 + ceil(log2(max(1.0, sight.largest_px / (_CELLS_OF_LARGEST * stride))))
    if is_3d:
        most = _MOST_LEVELS_3D - (1 if stride > sight.stride else 0)
        levels = min(max(2, for_largest), most)
    else:
        for_backbone = 1 + int(log2(_DEEPEST_STRIDE / stride))
        levels = min(max(for_backbone, for_largest), _MOST_LEVELS)
    reason = (
        f"cells of {stride} to {stride * 2 ** (levels - 1)} px: the largest lesions (19 in 20 are "
        f"smaller) span {sight.largest_px:.0f} px, and the backbone's coarsest stage tells what is "
        "around"
    )
    return Choice(levels, reason)


def choose_per_place(fingerprint: Fingerprint, sight: Sight) -> Choice:
    """One anchor a place, or three where shapes differ."""
    share = boxes_of(fingerprint).long_share
    if sight.head == "centre":
        return Choice(1, "centre points have one")
    if share > _MANY_LONG:
        return Choice(3, f"{share:.0%} of the boxes are twice as long as wide: three shapes")
    reason = (
        f"{share:.0%} of the boxes are twice as long as wide; ATSS finds as much with one anchor "
        "as with nine (Zhang et al., CVPR 2020)"
    )
    return Choice(1, reason)


def choose_anchors(
    fingerprint: Fingerprint, sight: Sight, chosen: dict[str, Choice], *, crop: str
) -> Choice:
    """Fitted again when training begins, to the pictures as prepared; here said for this size."""
    facts = boxes_of(fingerprint)
    whole = max(fingerprint.scans.columns_px.median, fingerprint.scans.rows_px.median)
    scale = sight.size_px * whole / native_px(fingerprint, crop=crop)
    x, y, z = np.array(facts.sides).T
    in_plane = np.stack([y * scale, x * scale], axis=1)
    if kind_of_detector(fingerprint) == "detector_3d":
        slices = max(1.0, fingerprint.scans.slices.median)
        deep = z * depth_of(fingerprint, size_px=sight.size_px) / slices
        in_plane = np.concatenate([deep[:, None], in_plane], axis=1)
    is_centre = sight.head == "centre"
    levels = 1 if is_centre else int(str(chosen["levels"].value))
    places = 1 if is_centre else int(str(chosen["per_place"].value))
    fitted = fit_anchors(in_plane, levels=levels, per_place=places)
    told = "; ".join(
        ", ".join(" x ".join(f"{side:.0f}" for side in sides) for sides in level)
        for level in fitted
    )
    axes = "depth x height x width" if in_plane.shape[1] > 2 else "height x width"  # noqa: PLR2004
    reason = (
        "null: fitted when training begins, by k-means over the boxes of those from whom a network "
        f"learns, at whatever size is set. To {facts.learned_boxes} boxes at {sight.size_px} px, "
        f"level by level: {told} px ({axes})"
    )
    return Choice(None, reason)


def choose_window(sight: Sight) -> dict[str, Choice]:
    """Parts of large pictures."""
    if sight.window_px is None:
        reason = f"pictures of {sight.size_px} px are seen whole: time and memory allow it"
        return {"window_px": Choice(None, reason)}
    shared = f"the largest lesions span {sight.largest_px:.0f} px, a quarter of it or less"
    return {
        "window_px": Choice(
            sight.window_px,
            f"pictures of {sight.size_px} px are too large for time or memory: parts are learned, "
            f"and the window slides over the whole when screening; {shared}",
        ),
        "window_overlap": Choice(0.5, "what neighbours share is twice the largest lesion or more"),
        "lesion_share": Choice(0.5, "half of the parts are cut around a lesion, else few hold one"),
    }


def choose_window_3d(fingerprint: Fingerprint, sight: Sight) -> dict[str, Choice]:
    """Parts of volumes, where a lesion that fills two cells asks for more than memory holds."""
    window, deepest = window_of(fingerprint, sight), sight.deepest_voxels or 0.0
    lesions = (
        f"the smallest lesion spans {sight.smallest_px:.0f} voxels, the largest "
        f"{sight.largest_px:.0f} in the plane and {deepest:.0f} in depth"
    )
    if window is None:
        reason = f"null: whole volumes fit time and memory; {lesions}"
        return {"window_size": Choice(None, reason)}
    whole = prod((depth_of(fingerprint, size_px=sight.size_px), sight.size_px, sight.size_px))
    gb = gb_a_picture(fingerprint, sight)
    return {
        "window_size": Choice(
            list(window),
            f"depth, height, width: whole volumes are too large for time or memory; {lesions}. The "
            f"window is at least {WINDOW_OVER_LESION['detector_3d']} times the largest, or as deep "
            f"as the volume. It holds {prod(window) / whole:.0%} of the voxels, about {gb:.2g} GB "
            f"each in training of {fingerprint.machine.memory_gb:g} GB",
        ),
        "window_overlap": Choice(
            0.5, "neighbours share half, so that one of them sees the largest lesion whole"
        ),
        "lesion_share": Choice(0.5, "half of the parts are cut around a lesion, else few hold one"),
    }


def choose_join(fingerprint: Fingerprint) -> Choice:
    """One box through slices, where the truth is so."""
    facts = boxes_of(fingerprint)
    if fingerprint.scans.kind == "film":
        return Choice(False, "films have no neighbours")  # noqa: FBT003
    if fingerprint.truth.granularity == "scan" and facts.is_solid:
        return Choice(True, "the truth is solid: boxes of neighbouring slices become one")  # noqa: FBT003
    reason = (
        "the truth is drawn slice by slice, and so is judged; true gives one box a lesion, with "
        "z0 and z1, for readers"
    )
    return Choice(False, reason)  # noqa: FBT003


def choose_image_head(fingerprint: Fingerprint) -> Choice:
    """Judge the picture too, where both kinds of pictures come from the same archives."""
    facts = boxes_of(fingerprint)
    with_box = f"{facts.positive_patients} patients have pictures with boxes"
    without = f"{facts.empty_patients} such without"
    if facts.separated_by is not None:
        reason = (
            f"pictures with and without boxes differ in {facts.separated_by}: it would learn that"
        )
    elif min(facts.positive_patients, facts.empty_patients) < FEWEST_FOR_IMAGE_HEAD:
        reason = f"{with_box}, {without}: {FEWEST_FOR_IMAGE_HEAD} of each are wanted"
    else:
        reason = f"{with_box}, {without}, from the same archives: it tells one from the other"
        return Choice(True, reason)  # noqa: FBT003
    return Choice(False, f"{reason}. A picture is as likely as its likeliest box")  # noqa: FBT003


def choose_overlap(fingerprint: Fingerprint, sight: Sight) -> Choice:
    """Above which overlap a box is of the same lesion as a likelier one."""
    crowded = boxes_of(fingerprint).crowded_share
    shared = f"{crowded:.1%} of the boxes overlap another with an IoU above 0.3"
    if crowded > _CROWDED:
        return Choice(0.5, f"{shared}: a stricter suppression would drop true ones")
    same = f"{shared}: a box that overlaps a likelier one more is of the same lesion"
    if kind_of_detector(fingerprint) == "detector_3d":
        return Choice(0.2, f"{same}, and boxes in 3D overlap less")
    if sight.head == "centre":
        return Choice(0.3, same)
    return Choice(
        0.5, "a hit is an IoU of 0.5: a stricter suppression drops second boxes, some of which fit"
    )


def choose_boxes(fingerprint: Fingerprint, asked: Asked, sight: Sight) -> dict[str, Choice]:
    """Which boxes are kept: scores, overlap, how many."""
    facts = boxes_of(fingerprint)
    overlap = choose_overlap(fingerprint, sight)
    return {
        "lowest_score": Choice(
            0.01,
            "FROC up to 8 false positives an image needs unlikely boxes too; reports show less",
        ),
        "candidates": Choice(1000, "held against each other; more hold no further lesion"),
        "overlap": overlap,
        "most": Choice(
            max(50, facts.most_a_picture), f"a picture has {facts.most_a_picture} boxes at most"
        ),
        "mirror": choose_mirror(asked.anatomy),
        "fusion_overlap": Choice(overlap.value, "as overlap"),
    }
