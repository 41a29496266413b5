"""Planting lesions into films of chests and breasts: the public face of the package for X-ray.

    terrain = find_chest(pixels)                     # once a film; find_breast for a mammogram
    rng = lesion_generator(seed, row, epoch)
    planted = plant_film(pixels, recipe, rng, terrain=terrain, count=2)

plants what a recipe draws;

    place = choose_place(terrain, lesion, rng, zone=ChestZone.HEART)
    planted = plant(pixels, lesion, place, terrain=terrain)

plants a lesion of the caller's own size and strength. `pixels` are (H, W) as the file stores them,
rows downward: of a `Volume` of a film that is `voxels[0, :, :, 0].T`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medrec.errors import PlantingError
from medrec.lesions.greys import display_gain, store, upright
from medrec.lesions.profile import Profile, profile_of
from medrec.lesions.recipe import FilmRecipe, draw_lesion, pick
from medrec.lesions.zones import NO_ZONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medrec.domain.box import Box
    from medrec.lesions.lesion import Lesion
    from medrec.lesions.terrain import Terrain
    from medrec.lesions.zones import Zone

_TRIES = 12
LEAST_RISE = 0.5
"""A lesion that raises its place by less, in grey values, is none that anybody could see."""
_LEAST_SHARE = 0.02
# Of a film of floats, which may run from 0 to 1: such a share of its step from loose to dense.
_LEAST_ROOM = 0.3
# So much of the diameter lies between a lesion's middle and the wall: it may touch the pleura.


@dataclass(frozen=True, eq=False)
class PlantedLesion:
    """What was planted, where, and how it can be told from its surroundings.

    `box` is in pixels of the film, half-open. `mask` (h, w) covers the box alone. `rise` is the
    mean rise of grey values in the mask, after rounding; `contrast_to_noise` is that rise over the
    standard deviation of the untouched film around the mask, anatomy included: measured, never set.
    Pixels further than `margin_px` from the mask are the film's own. `diameter_mm` is None where
    the spacing is unknown.
    """

    lesion: Lesion
    zone: Zone
    box: Box
    mask: NDArray[np.bool_]
    diameter_px: float
    rise: float
    contrast_to_noise: float
    margin_px: int
    diameter_mm: float | None = None

    def full_mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Its mask on the whole film (H, W)."""
        whole = np.zeros(shape, dtype=bool)
        top, left = int(self.box.y0), int(self.box.x0)
        whole[top : top + self.mask.shape[0], left : left + self.mask.shape[1]] = self.mask
        return whole


@dataclass(frozen=True, eq=False)
class PlantedFilm:
    """A film (H, W) of the same dtype as the one it was made of, and the lesions in it."""

    pixels: NDArray[Any]
    lesions: tuple[PlantedLesion, ...]


def plant_film(
    pixels: NDArray[Any],
    recipe: FilmRecipe,
    rng: np.random.Generator,
    *,
    count: int = 1,
    terrain: Terrain,
) -> PlantedFilm:
    """Plant `count` lesions that a recipe draws, apart from each other; fewer where none fits.

    A lesion that rises by less than half a grey value (behind a white diaphragm), or that lies on
    no pixel of a tiny film, is drawn anew.

    Raises:
        PlantingError: No terrain, or no room for a single lesion.
    """
    film = PlantedFilm(pixels, ())
    for _ in range(count):
        film = _plant_drawn(film, recipe, rng, terrain)
    if count and not film.lesions:
        message = f"no room for a lesion of the recipe {recipe.name} in {_TRIES} tries"
        raise PlantingError(message)
    return film


def _plant_drawn(
    film: PlantedFilm, recipe: FilmRecipe, rng: np.random.Generator, terrain: Terrain
) -> PlantedFilm:
    for _ in range(_TRIES):
        lesion, zone = draw_lesion(recipe, rng), pick(recipe.zones, rng)
        try:
            place = choose_place(terrain, lesion, rng, zone=zone, taken=film.lesions)
            planted = plant(film.pixels, lesion, place, terrain=terrain)
        except PlantingError:
            continue
        if planted.lesions[0].rise >= least_rise(film.pixels, terrain):
            return PlantedFilm(planted.pixels, (*film.lesions, *planted.lesions))
    return film


def least_rise(pixels: NDArray[Any], terrain: Terrain) -> float:
    """The rise of grey values below which nobody could see a lesion on a film of such a dtype."""
    if np.issubdtype(pixels.dtype, np.integer):
        return LEAST_RISE
    return min(LEAST_RISE, _LEAST_SHARE * terrain.tone.step)


def choose_place(
    terrain: Terrain,
    lesion: Lesion,
    rng: np.random.Generator,
    *,
    zone: Zone | None = None,
    taken: Sequence[PlantedLesion] = (),
) -> tuple[float, float]:
    """Draw a place (x, y) in pixels for a lesion's middle; None: any zone, by its area.

    Raises:
        PlantingError: The zone has no room for a lesion of that size beside those `taken`.
    """
    where = terrain.zones != NO_ZONE if zone is None else terrain.zones == _number_of(zone, terrain)
    diameter = lesion.size * terrain.width_px
    where = where & (
        terrain.room_px >= min(_LEAST_ROOM * diameter, float(terrain.room_px.max()) / 2)
    )
    rows, columns = np.nonzero(where)
    for other in taken:
        x, y = other.box.centre
        apart = 0.6 * (diameter + other.diameter_px) + terrain.cell_px
        off_x, off_y = columns * terrain.cell_px - x, rows * terrain.cell_px - y
        free = off_x * off_x + off_y * off_y > apart * apart
        rows, columns = rows[free], columns[free]
    if rows.size == 0:
        message = f"no room for a lesion of {diameter:.0f} px in the zone {zone or 'any'}"
        raise PlantingError(message)
    number = int(rng.integers(rows.size))
    x, y = (columns[number] + rng.random()), (rows[number] + rng.random())
    return float(x * terrain.cell_px), float(y * terrain.cell_px)


def plant(
    pixels: NDArray[Any],
    lesion: Lesion,
    place: tuple[float, float],
    *,
    terrain: Terrain,
    spacing_mm: float | None = None,
) -> PlantedFilm:
    """Plant one lesion with its middle at a place (x, y) of a film (H, W).

    `spacing_mm` is the side of a pixel where it is known to be true.

    Raises:
        PlantingError: The film isn't the terrain's, or lesions don't lie in that place.
    """
    if pixels.shape != terrain.shape:
        message = f"terrain of another film: {terrain.shape} px, this one has {pixels.shape}"
        raise PlantingError(message)
    zone = zone_at(terrain, place)
    profile = project(lesion, place, terrain=terrain)
    film = upright(pixels[profile.window], terrain)
    rise = profile.rise * display_gain(film, terrain) * (lesion.strength * terrain.tone.step)
    planted = store(pixels, terrain, profile, rise)
    found = describe(pixels, planted, profile, terrain=terrain)
    diameter = lesion.size * terrain.width_px
    record = PlantedLesion(
        lesion=lesion,
        zone=zone,
        box=profile.box,
        mask=_cropped(profile),
        diameter_px=diameter,
        rise=found[0],
        contrast_to_noise=found[1],
        margin_px=profile.margin_px,
        diameter_mm=None if spacing_mm is None else diameter * spacing_mm,
    )
    return PlantedFilm(planted, (record,))


def _number_of(zone: Zone, terrain: Terrain) -> int:
    if zone not in terrain.names:
        message = f"no zone {zone} here: wanted one of {', '.join(terrain.names)}"
        raise PlantingError(message)
    return terrain.names.index(zone)


def project(lesion: Lesion, place: tuple[float, float], *, terrain: Terrain) -> Profile:
    """A lesion's rise on the film of a terrain, before its strength.

    Raises:
        PlantingError: Nothing of it lies on the film.
    """
    profile = profile_of(
        lesion,
        place=place,
        diameter_px=lesion.size * terrain.width_px,
        edge_px=terrain.edge_px,
        shape=terrain.shape,
    )
    if not profile.mask.any():
        message = f"nothing of a lesion at ({place[0]:.0f}, {place[1]:.0f}) px lies on the film"
        raise PlantingError(message)
    return profile


def zone_at(terrain: Terrain, place: tuple[float, float]) -> Zone:
    """The zone of a place (x, y) in pixels.

    Raises:
        PlantingError: It lies outside the terrain.
    """
    row, column = int(place[1] // terrain.cell_px), int(place[0] // terrain.cell_px)
    height, width = terrain.zones.shape
    inside = 0 <= row < height and 0 <= column < width
    number = int(terrain.zones[row, column]) if inside else NO_ZONE
    if number == NO_ZONE:
        message = f"({place[0]:.0f}, {place[1]:.0f}) px lies where no lesion may"
        raise PlantingError(message)
    return terrain.names[number]


def describe(
    before: NDArray[Any], after: NDArray[Any], profile: Profile, *, terrain: Terrain
) -> tuple[float, float]:
    """Mean rise in the mask and contrast to noise of what was done to a film."""
    was, now = upright(before[profile.window], terrain), upright(after[profile.window], terrain)
    rise = float((now - was)[profile.mask].mean())
    around = was[~profile.mask]
    noise = float(around.std()) if around.size else 0.0
    return rise, rise / noise if noise > 0 else float("inf")


def _cropped(profile: Profile) -> NDArray[np.bool_]:
    rows, columns = np.flatnonzero(profile.mask.any(1)), np.flatnonzero(profile.mask.any(0))
    return profile.mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
