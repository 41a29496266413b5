"""A fixed grid of sizes, strengths and zones, by which models are compared between sites.

    grid = grid_of(recipe)
    for number, cell in enumerate(deal(grid, scan=3, count=6, seed=1)):
        planted = plant_cell(pixels, recipe, cell, lesion_generator(1, 3, number), terrain=terrain)

Where a recipe draws evenly or by chance, the grid is dealt: after as many lesions as it has sizes
each size was planted once, and so on for each pair of strength and zone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from medrec.errors import PlantingError
from medrec.lesions.films import PlantedFilm, choose_place, least_rise, plant
from medrec.lesions.lesion import lesion_generator
from medrec.lesions.recipe import FilmRecipe, draw_tumor, make_lesion, pick
from medrec.lesions.zones import BrainZone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from medrec.lesions.brain import Brain
    from medrec.lesions.recipe import BrainRecipe, Span
    from medrec.lesions.terrain import Terrain
    from medrec.lesions.tumors import BrainTumor

SIZE_COUNT = 6
"""Sizes of a grid, each as many times the last: two are small, two medium, two large."""
STRENGTHS = (0.5, 1.0, 2.0)
"""Multiples of the middle of the recipe's range: 1 is what the recipe takes for usual."""
_TRIES = 4
_INNER = 0.5
# Of a brain's half width: what lies deeper is the inner zone.
_SIZES, _PAIRS = 1, 2


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of a grid: a size in widths of the chest, breast or brain, a strength, a zone."""

    size: float
    strength: float
    zone: str


@dataclass(frozen=True, slots=True)
class Grid:
    """What is planted: `sizes` rise, `strengths` are multiples of the recipe's middle one."""

    sizes: tuple[float, ...]
    strengths: tuple[float, ...]
    zones: tuple[str, ...]

    def group_of(self, size: float) -> str:
        """`small`, `medium` or `large`: a third of the sizes each."""
        return ("small", "medium", "large")[self.sizes.index(size) * 3 // len(self.sizes)]


def grid_of(recipe: FilmRecipe | BrainRecipe) -> Grid:
    """The grid of a recipe: its range of sizes in equal ratios, and the zones that it plants in."""
    sizes = np.geomspace(recipe.size.low, recipe.size.high, SIZE_COUNT)
    if isinstance(recipe, FilmRecipe):
        zones = tuple(str(zone) for zone, share in recipe.zones if share > 0)
    else:
        zones = tuple(map(str, BrainZone))
    return Grid(tuple(round(size, 4) for size in sizes.tolist()), STRENGTHS, zones)


def deal(grid: Grid, *, scan: int, count: int, seed: int) -> Iterator[Cell]:
    """The cells of scan number `scan` where each scan gets `count` lesions.

    Sizes, and pairs of strength and zone, are dealt like two packs of cards that are shuffled anew
    when they are used up.
    """
    pairs = [(strength, zone) for strength in grid.strengths for zone in grid.zones]
    for number in range(scan * count, (scan + 1) * count):
        size = grid.sizes[_card(number, len(grid.sizes), seed, _SIZES)]
        strength, zone = pairs[_card(number, len(pairs), seed, _PAIRS)]
        yield Cell(size, strength, zone)


def _card(number: int, count: int, seed: int, pack: int) -> int:
    rounds, place = divmod(number, count)
    return int(lesion_generator(seed, pack, rounds).permutation(count)[place])


def plant_cell(
    pixels: NDArray[Any],
    recipe: FilmRecipe,
    cell: Cell,
    rng: np.random.Generator,
    *,
    terrain: Terrain,
    spacing_mm: float | None = None,
) -> PlantedFilm:
    """Plant one lesion of a cell into a film (H, W); shape and place are drawn.

    A zone without room on this film gives way to any other; the lesion's record names where it is.
    Of several places the first is taken where the lesion shows, by half a grey value. Where it
    shows in none it is planted all the same: what a film can't show is missed on it.

    Raises:
        PlantingError: No room for a lesion of that size.
    """
    lesion = make_lesion(
        pick(recipe.shapes, rng),
        cell.size,
        gain=cell.strength * _middle(recipe.gain),
        most=recipe.most_strength,
        seed=int(rng.integers(2**31)),
    )
    zone = next((zone for zone in terrain.names if zone == cell.zone), None)
    planted = None
    for one in (zone, None):
        for _ in range(_TRIES):
            try:
                place = choose_place(terrain, lesion, rng, zone=one)
            except PlantingError:
                break
            planted = plant(pixels, lesion, place, terrain=terrain, spacing_mm=spacing_mm)
            if planted.lesions[0].rise >= least_rise(pixels, terrain):
                return planted
        if planted is not None:
            return planted
    message = f"no room for a lesion of {cell.size:.1%} of the width"
    raise PlantingError(message)


def tumor_of(recipe: BrainRecipe, cell: Cell, rng: np.random.Generator) -> BrainTumor:
    """A tumor of a cell's size and strength; pattern, necrosis and oedema are drawn."""
    return replace(
        draw_tumor(recipe, rng),
        size=cell.size,
        strength=cell.strength * _middle(recipe.strength),
        oedema_strength=cell.strength * _middle(recipe.oedema_strength),
    )


def within_zone(brain: Brain, zone: str) -> Brain:
    """The brain with one zone of its tissue alone as a place for tumors."""
    is_inner = brain.deep_mm > _INNER * brain.width_mm / 2
    return replace(brain, tissue=brain.tissue & (is_inner == (zone == BrainZone.INNER)))


def zone_of(brain: Brain, place: tuple[float, float, float]) -> BrainZone:
    """The zone of a place (i, j, k) in voxels."""
    i, j, k = (int(value) for value in place)
    is_inner = brain.deep_mm[i, j, k] > _INNER * brain.width_mm / 2
    return BrainZone.INNER if is_inner else BrainZone.OUTER


def _middle(span: Span) -> float:
    return (span.low + span.high) / 2
