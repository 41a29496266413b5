"""Shams: everything that is done to plant a lesion, without a lesion.

What finds lesions by a seam, a rounding or a blur that planting leaves finds shams as well. A sham
has the place, sharpness, display curve, rounding and storage of the lesion that it stands for; the
rise is another, without a body.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np
from scipy import ndimage

from medrec.errors import PlantingError
from medrec.lesions.films import choose_place, project, zone_at
from medrec.lesions.greys import display_gain, store, upright

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.box import Box
    from medrec.domain.geometry import FloatArray
    from medrec.lesions.lesion import Lesion
    from medrec.lesions.profile import Profile
    from medrec.lesions.terrain import Terrain
    from medrec.lesions.zones import Zone

_GRAIN = 3
_WIDER = 2.5
# A relief with a lesion's energy on a lesion's area is a blot that anyone sees. Spread over six
# times the area, with three grains across, it is as weak and as coarse as what anatomy does.
_TEXTURE = 0.25
# Tissue finer than so much of the diameter is exchanged, the brightness below it stays.
_TRIES = 20


class ShamKind(StrEnum):
    """What stands in the place of the lesion's body."""

    BUMP = "bump"
    """A random relief of the lesion's energy (sum of squared rises) whose mean is zero, on an
    outline 2.5 times as wide."""
    TISSUE = "tissue"
    """The fine structure of another place in the same zone of the same film."""


@dataclass(frozen=True, eq=False)
class Sham:
    """A film (H, W) with a sham in it, and where it lies; `lesion` is what it stands for.

    `energy` is the sum of the squared changes of grey values.
    """

    pixels: NDArray[Any]
    kind: ShamKind
    lesion: Lesion
    zone: Zone
    box: Box
    margin_px: int
    energy: float


def plant_sham(
    pixels: NDArray[Any],
    lesion: Lesion,
    place: tuple[float, float],
    rng: np.random.Generator,
    *,
    kind: ShamKind,
    terrain: Terrain,
) -> Sham:
    """Do to a film all that planting a lesion does, but plant no lesion.

    Raises:
        PlantingError: As `films.plant`; or no other place of the zone is free for its tissue.
    """
    zone = zone_at(terrain, place)
    profile = project(lesion, place, terrain=terrain)
    match kind:
        case ShamKind.BUMP:
            body = _in_greys(pixels, lesion, profile, terrain)
            profile = project(_wider(lesion), place, terrain=terrain)
            relief = _relief(profile.rise.shape, _WIDER * lesion.size * terrain.width_px, rng)
            rise = _balanced(relief, _in_greys(pixels, lesion, profile, terrain), body)
        case ShamKind.TISSUE:
            donor = _donor(lesion, profile, zone, rng, terrain)
            rise = _tissue(
                pixels, profile, donor, _TEXTURE * lesion.size * terrain.width_px, terrain
            )
        case _:
            assert_never(kind)
    planted = store(pixels, terrain, profile, rise)
    change = planted[profile.window].astype(np.float64) - pixels[profile.window]
    energy = float((change**2).sum())
    return Sham(planted, kind, lesion, zone, profile.box, profile.margin_px, energy)


def _wider(lesion: Lesion) -> Lesion:
    return replace(lesion, size=min(_WIDER * lesion.size, 0.5))


def _in_greys(
    pixels: NDArray[Any], lesion: Lesion, profile: Profile, terrain: Terrain
) -> FloatArray:
    """The rise that the lesion would make, in grey values."""
    gain = display_gain(upright(pixels[profile.window], terrain), terrain)
    greys: FloatArray = profile.rise * gain * (lesion.strength * terrain.tone.step)
    return greys


def _relief(shape: tuple[int, ...], diameter_px: float, rng: np.random.Generator) -> FloatArray:
    """Random heights around 0, (h, w), joined smoothly from one grain to the next."""
    grain_px = max(diameter_px / _GRAIN, 1.0)
    count = [max(4, round(length / grain_px) + 1) for length in shape]
    heights = rng.random(count) - 0.5
    zoom = [length / number for length, number in zip(shape, count, strict=True)]
    relief: FloatArray = ndimage.zoom(heights, zoom, order=3, mode="nearest", grid_mode=True)
    return relief


def _balanced(relief: FloatArray, around: FloatArray, body: FloatArray) -> FloatArray:
    """A relief within an outline, both (h, w); its sum is 0 and its energy that of the body."""
    within = relief * around
    within -= around * (within.sum() / max(float(around.sum()), 1e-9))
    energy = max(float((within**2).sum()), 1e-9)
    balanced: FloatArray = within * np.sqrt(float((body**2).sum()) / energy)
    return balanced


def _donor(
    lesion: Lesion, profile: Profile, zone: Zone, rng: np.random.Generator, terrain: Terrain
) -> tuple[slice, slice]:
    """A window of the same size elsewhere in the zone, all of it on the film."""
    height, width = profile.rise.shape
    x, y = profile.box.centre
    apart = lesion.size * terrain.width_px / 2
    for _ in range(_TRIES):
        there_x, there_y = choose_place(terrain, lesion, rng, zone=zone)
        top, left = int(there_y) - height // 2, int(there_x) - width // 2
        fits = 0 <= top <= terrain.shape[0] - height and 0 <= left <= terrain.shape[1] - width
        if fits and (there_x - x) ** 2 + (there_y - y) ** 2 > apart**2:
            return slice(top, top + height), slice(left, left + width)
    message = f"no second place in the zone {zone} has tissue for a sham of {apart * 2:.0f} px"
    raise PlantingError(message)


def _tissue(
    pixels: NDArray[Any],
    profile: Profile,
    donor: tuple[slice, slice],
    scale: float,
    terrain: Terrain,
) -> FloatArray:
    """Exchange fine structure; two textures that know nothing of each other keep their variance.

    Shares w and 1 - w of it are added as square roots, for variances add where values don't.
    """
    here = upright(pixels[profile.window], terrain)
    there = upright(pixels[donor], terrain)
    fine = here - ndimage.gaussian_filter(here, scale, mode="nearest")
    other = there - ndimage.gaussian_filter(there, scale, mode="nearest")
    weight = np.clip(profile.rise, 0, 1)
    inside = weight > min(0.1, float(weight.max()) / 2)  # where it counts
    ratio = float(fine[inside].std()) / max(float(other[inside].std()), 1e-9)
    mixed = np.sqrt(1 - weight) * fine + np.sqrt(weight) * other * min(max(ratio, 0.5), 2.0)
    rise: FloatArray = np.where(weight > 0, mixed - fine, 0.0)
    return rise
