"""How a detector sees lesions: size of the picture, cells of the finest level, head, window.

All follow from the smallest box that must be seen, from time and from memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, prod
from typing import TYPE_CHECKING, Literal

from medrec.training.choice import Choice
from medrec.training.cost import FEWEST_EPOCHS, OVERHEAD, networks
from medrec.training.plan_picture import BOX_PX, SIZES_PX
from medrec.training.seen import SLICES_FOR_3D, depth_of

if TYPE_CHECKING:
    from medrec.data.box_facts import BoxFacts
    from medrec.data.fingerprint import DetectorSpeeds, Fingerprint, Scans, Truth
    from medrec.training.choice import Anatomy

DetectorKind = Literal["detector_2d", "detector_3d"]
Head = Literal["retina", "centre"]

PATIENTS_FOR_3D = 300
CELLS = 2.0
"""Cells of the finest level that the smallest box must span."""
STRIDES = (8, 4)
CENTRE_BELOW_PX = 4 * 4
"""Half of the boxes are smaller: then centre points, as anchors of four cells would be larger."""
SLICE_PX, FILM_PX, BREAST_PX = 320, 512, 768
SIZES = (*SIZES_PX, 1280, 1536, 2048)
VOLUME_SIZES = (32, 48, 64, 96, 128, 160, 192, 256, 320)
WINDOWS, WINDOWS_3D = (256, 384, 512, 768), (64, 96, 128, 160)
WINDOW_OVER_LESION = {"detector_2d": 4, "detector_3d": 2}
"""Neighbours share half. Four times: whichever window answers for a lesion sees it whole. Twice:
one of those that answer does, which is as much as memory allows in volumes."""
_WORTH_A_WINDOW = 1.5
_CROP_MARGIN = 1.04
MOST_EPOCHS = 40
_FEWEST_SHOWN, _FEWEST_VOLUMES_SHOWN = 4_000, 1_000
_GB_AT_192 = {8: 0.1, 4: 0.18}
_GB_OF_A_SLICE_IN_3D = 0.03
_FEWEST_IN_MEMORY = 4
_WATCHED = 1 / 8 / 3
"""One in eight patients who don't test is watched, by a pass that costs a third of a step."""
_WINDOWS_OVERLAP = 0.5


def boxes_of(fingerprint: Fingerprint) -> BoxFacts:
    """The facts of boxes.

    Raises:
        ValueError: The fingerprint is of classifiers.
    """
    if fingerprint.boxes is None:
        message = "no detector was asked for: the fingerprint has no boxes"
        raise ValueError(message)
    return fingerprint.boxes


def _speeds(fingerprint: Fingerprint) -> DetectorSpeeds:
    if fingerprint.machine.detectors is None:
        message = "no detector was measured"
        raise ValueError(message)
    return fingerprint.machine.detectors


def may_be_solid(truth: Truth, scans: Scans) -> bool:
    """Whether volumes are so many and so deep that a 3D detector may learn from solid boxes."""
    is_whole = scans.kind == "volume" and truth.granularity == "scan"
    return is_whole and truth.patients >= PATIENTS_FOR_3D and scans.slices.median >= SLICES_FOR_3D


def kind_of_detector(fingerprint: Fingerprint) -> DetectorKind:
    """Slices, unless solid boxes of many patients can teach a 3D network."""
    is_3d = may_be_solid(fingerprint.truth, fingerprint.scans) and boxes_of(fingerprint).is_solid
    return "detector_3d" if is_3d else "detector_2d"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a detector would see, in pixels of the picture that it looks at (of a volume, voxels).

    `window_px` is None where pictures are seen whole; `stride` is that of the finest level.
    """

    size_px: int
    stride: int
    smallest_px: float
    middle_px: float
    largest_px: float
    window_px: int | None = None
    head: Head = "retina"
    deepest_voxels: float | None = None
    """Depth of the largest lesions in a volume; None in pictures."""

    @property
    def cells(self) -> float:
        """Cells that the smallest box spans."""
        return self.smallest_px / self.stride

    @property
    def is_seen(self) -> bool:
        """Whether the smallest box spans enough of them."""
        return self.cells >= CELLS - 1e-9

    @property
    def learned_px(self) -> int:
        """Side of what a step learns from."""
        return self.window_px or self.size_px


def native_px(fingerprint: Fingerprint, *, crop: str) -> float:
    """The longer side of what is resized, in pixels as stored."""
    scans, pixels = fingerprint.scans, fingerprint.pixels
    whole = max(scans.columns_px.median, scans.rows_px.median)
    return min(whole, _CROP_MARGIN * pixels.box_long_px.median) if crop == "foreground" else whole


def sight_at(
    fingerprint: Fingerprint, size_px: int, stride: int, *, crop: str, window_px: int | None = None
) -> Sight:
    """Boxes at a size."""
    facts = boxes_of(fingerprint)
    whole = max(fingerprint.scans.columns_px.median, fingerprint.scans.rows_px.median)
    scale = size_px * whole / native_px(fingerprint, crop=crop)
    seen = Sight(
        size_px=size_px,
        stride=stride,
        smallest_px=scale * facts.smallest_side,
        middle_px=scale * facts.middle_side,
        largest_px=scale * facts.largest_side,
        window_px=window_px,
    )
    is_flat = kind_of_detector(fingerprint) == "detector_2d"
    is_small = is_flat and stride == STRIDES[-1] and seen.middle_px < CENTRE_BELOW_PX
    if not is_flat:
        deepest = (facts.deepest_share or 0.0) * depth_of(fingerprint, size_px=size_px)
        return replace(seen, deepest_voxels=deepest)
    return replace(seen, head="centre") if is_small else seen


def window_of(fingerprint: Fingerprint, sight: Sight) -> tuple[int, int, int] | None:
    """Depth, height and width of a window in volumes; None where they are seen whole."""
    if sight.window_px is None:
        return None
    depth = min(sight.window_px, depth_of(fingerprint, size_px=sight.size_px))
    return depth, sight.window_px, sight.window_px


def spacing_of(fingerprint: Fingerprint, sight: Sight, *, crop: str) -> float | None:
    """Side of a voxel in mm at which bodies of the usual size span `size_px`; None: resized.

    For windows alone, in volumes whose voxels differ in size: there lesions keep theirs.
    """
    pixels = fingerprint.pixels
    if sight.window_px is None or pixels.body_mm is None or not _has_spacing(fingerprint):
        return None
    a_px = pixels.body_mm.median / pixels.box_long_px.median
    return round(a_px * native_px(fingerprint, crop=crop) / sight.size_px, 3)


def _has_spacing(fingerprint: Fingerprint) -> bool:
    """Whether volumes are to be prepared at a fixed spacing."""
    is_3d = kind_of_detector(fingerprint) == "detector_3d"
    return is_3d and fingerprint.pixels.body_mm is not None and fingerprint.pixels.voxels_differ


def _growth(fingerprint: Fingerprint) -> float:
    """How much larger than usual lesions may be in voxels where large bodies stay large."""
    body = fingerprint.pixels.body_mm
    return body.high / body.median if body and _has_spacing(fingerprint) else 1.0


def pictures_an_epoch(fingerprint: Fingerprint) -> int:
    """Films, slices or volumes that teach something."""
    return max(1, boxes_of(fingerprint).pictures)


def pictures_per_second(fingerprint: Fingerprint, sight: Sight) -> float:
    """The measured speed at another size: work grows with the pixels, or with the voxels."""
    machine, speeds = fingerprint.machine, _speeds(fingerprint)
    if kind_of_detector(fingerprint) == "detector_3d" and speeds.volumes is not None:
        depth, height, width = machine.measured_box
        return speeds.volumes * depth * height * width / _voxels_learned(fingerprint, sight)
    known = {("retina", 8): speeds.retina_8, ("retina", 4): speeds.retina_4}
    speed = known.get((sight.head, sight.stride), speeds.centre_4)
    return speed * (machine.measured_px / sight.learned_px) ** 2


def _voxels_learned(fingerprint: Fingerprint, sight: Sight) -> int:
    """Of a window, or of the whole volume."""
    whole = depth_of(fingerprint, size_px=sight.size_px), sight.size_px, sight.size_px
    return prod(window_of(fingerprint, sight) or whole)


def seconds_an_epoch(fingerprint: Fingerprint, sight: Sight) -> float:
    """Of all networks of the run, one epoch each; windows slide over whole pictures to watch."""
    shown = pictures_an_epoch(fingerprint) * networks(fingerprint)
    seconds = OVERHEAD * shown / pictures_per_second(fingerprint, sight)
    if sight.window_px is None:
        return seconds
    windows = _windows(sight.size_px, sight.window_px) ** 2
    if kind_of_detector(fingerprint) == "detector_3d":
        windows *= _windows(depth_of(fingerprint, size_px=sight.size_px), sight.window_px)
    return seconds * (1 + _WATCHED * windows)


def _windows(side: int, window: int) -> float:
    """Windows along a side, of which neighbours share half."""
    return 1 + -(-max(0, side - window) // (window * (1 - _WINDOWS_OVERLAP)))


def fewest_epochs(fingerprint: Fingerprint) -> int:
    """What a size must leave time for: of few pictures more, as steps teach and not epochs."""
    is_3d = kind_of_detector(fingerprint) == "detector_3d"
    shown = _FEWEST_VOLUMES_SHOWN if is_3d else _FEWEST_SHOWN
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, ceil(shown / pictures_an_epoch(fingerprint))))


def gb_a_picture(fingerprint: Fingerprint, sight: Sight) -> float:
    """Memory of one picture or volume in a step of training, roughly."""
    if kind_of_detector(fingerprint) == "detector_3d":
        return _GB_OF_A_SLICE_IN_3D * _voxels_learned(fingerprint, sight) / 192**2
    return _GB_AT_192[sight.stride] * (sight.learned_px / 192) ** 2


def choose_sight(fingerprint: Fingerprint, *, crop: str, anatomy: Anatomy) -> Sight:
    """The usual size or more, until the smallest box is seen; finer cells, then windows, if not.

    Where nothing that time and memory allow shows it, what shows most of it.
    """
    options = _options(fingerprint, crop=crop, anatomy=anatomy)
    fitting = [one for one in options if _fits(fingerprint, one)]
    seen = [one for one in fitting if one.is_seen]
    if seen:
        first = seen[0]
        alike = [
            one
            for one in seen
            if (one.stride, one.window_px is None) == (first.stride, first.window_px is None)
        ]
        return max(alike, key=lambda one: one.size_px)
    is_3d = kind_of_detector(fingerprint) == "detector_3d"
    whole = [one for one in fitting if is_3d or one.window_px is None] or fitting
    if whole:
        return max(whole, key=lambda one: (one.cells, -one.stride))
    return min(options, key=lambda one: (one.learned_px, -one.stride))


def _options(fingerprint: Fingerprint, *, crop: str, anatomy: Anatomy) -> list[Sight]:
    """Whole pictures by coarse and by fine cells, then parts of them, each at several sizes."""
    is_3d = kind_of_detector(fingerprint) == "detector_3d"
    strides = STRIDES[-1:] if is_3d else STRIDES
    whole = [
        sight_at(fingerprint, size, stride, crop=crop)
        for stride in strides
        for size in _sizes(fingerprint, stride, crop=crop, anatomy=anatomy)
    ]
    parts = []
    for one in whole:
        window = _window_of(fingerprint, one)
        if window is not None:
            parts.append(replace(one, window_px=window))
    return whole + parts


def _sizes(fingerprint: Fingerprint, stride: int, *, crop: str, anatomy: Anatomy) -> list[int]:
    """Sizes up to that which is usual or needed, none larger than the picture is."""
    is_3d = kind_of_detector(fingerprint) == "detector_3d"
    sizes = VOLUME_SIZES if is_3d else SIZES
    native = native_px(fingerprint, crop=crop)
    a_pixel = sight_at(fingerprint, 1000, stride, crop=crop).smallest_px / 1000
    wanted = max(usual_px(fingerprint, anatomy), CELLS * stride / a_pixel)
    enough = next((size for size in sizes if size >= wanted), sizes[-1])
    return [size for size in sizes if size <= min(enough, max(native, sizes[0]))]


def usual_px(fingerprint: Fingerprint, anatomy: Anatomy) -> int:
    """What is usual for such scans."""
    if kind_of_detector(fingerprint) == "detector_3d":
        return BOX_PX
    if fingerprint.scans.kind == "volume" or anatomy == "brain":  # no film shows a brain
        return SLICE_PX
    return BREAST_PX if anatomy == "breast" else FILM_PX


def _window_of(fingerprint: Fingerprint, sight: Sight) -> int | None:
    """The smallest window that shows the largest lesions whole, if it is worth its trouble."""
    kind = kind_of_detector(fingerprint)
    windows = WINDOWS_3D if kind == "detector_3d" else WINDOWS
    largest = max(sight.largest_px, sight.deepest_voxels or 0.0) * _growth(fingerprint)
    wanted = max(windows[0], WINDOW_OVER_LESION[kind] * largest)
    window = next((one for one in windows if one >= wanted), None)
    is_worth_it = window is not None and sight.size_px >= _WORTH_A_WINDOW * window
    return window if is_worth_it else None


def _fits(fingerprint: Fingerprint, sight: Sight) -> bool:
    epochs = fingerprint.budget_minutes * 60 / seconds_an_epoch(fingerprint, sight)
    memory = _FEWEST_IN_MEMORY * gb_a_picture(fingerprint, sight)
    return epochs >= fewest_epochs(fingerprint) and memory <= fingerprint.machine.memory_gb / 2


def say_smallest(fingerprint: Fingerprint, sight: Sight) -> str:
    """The smallest box that must be seen, as stored and as the network sees it."""
    whole = max(fingerprint.scans.columns_px.median, fingerprint.scans.rows_px.median)
    stored = boxes_of(fingerprint).smallest_side * whole
    return (
        f"the smallest box that must be seen (nine in ten are larger) is {stored:.1f} px of "
        f"{whole:.0f}, {sight.smallest_px:.1f} px at {sight.size_px} px: {sight.cells:.1f} cells "
        f"of the finest level's {sight.stride} px"
    )


def warn_unseen(fingerprint: Fingerprint, sight: Sight) -> str | None:
    """What to say where the smallest box is too small to be seen."""
    if sight.is_seen:
        return None
    return (
        f"{say_smallest(fingerprint, sight)}, and {CELLS:g} are wanted: such lesions will be "
        f"missed. {fingerprint.budget_minutes:g} minutes, the memory or the pictures allow no "
        "more: give a larger --budget-minutes or a GPU, or pictures of higher resolution"
    )


def choose_size(fingerprint: Fingerprint, sight: Sight, *, anatomy: Anatomy) -> Choice:
    """Side of the picture."""
    usual = usual_px(fingerprint, anatomy)
    if (warning := warn_unseen(fingerprint, sight)) is not None:
        return Choice(sight.size_px, f"WARNING: {warning}.")
    if sight.size_px > usual:
        why = f"more than the usual {usual} px, as {say_smallest(fingerprint, sight)}"
    elif sight.size_px < usual:
        why = (
            f"less than the usual {usual} px: the largest that the picture's own detail and "
            f"{fewest_epochs(fingerprint)} epochs in {fingerprint.budget_minutes:g} minutes allow; "
            f"{say_smallest(fingerprint, sight)}"
        )
    else:
        why = f"a usual size; {say_smallest(fingerprint, sight)}"
    return Choice(sight.size_px, f"{why}; {CELLS:g} are wanted.")
