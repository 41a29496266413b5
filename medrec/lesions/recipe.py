"""What lesions are drawn from: shapes, sizes and strengths, and how often each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from medrec.lesions.bodies import grow_body, path_length
from medrec.lesions.lesion import Lesion, Shape
from medrec.lesions.tumors import BrainTumor, Pattern

if TYPE_CHECKING:
    from medrec.lesions.zones import Zone

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Span:
    """From `low` to `high`; `skew` 1 draws evenly, more draws small values more often.

    A draw is low + (high - low) * u**skew with u even on 0 to 1.

    Raises:
        ValueError: Not 0 < low <= high, or a skew that isn't 1, 2 or 3.
    """

    low: float
    high: float
    skew: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high < float("inf") or self.skew not in (1, 2, 3):
            message = f"a span runs from above 0 upward with a skew of 1, 2 or 3, not {self}"
            raise ValueError(message)

    def draw(self, rng: np.random.Generator) -> float:
        """One value; products alone, which every platform rounds alike."""
        share = float(rng.random())
        power = share
        for _ in range(self.skew - 1):
            power *= share
        return self.low + (self.high - self.low) * power


@dataclass(frozen=True, slots=True)
class BrainRecipe:
    """Tumors of brain MRI.

    `size` is the enhancing part's diameter in brain widths, `strength` its enhancement and
    `oedema_strength` the oedema's rise on FLAIR, both in medians of the brain; `oedema` is its
    reach in radii of the tumor and `necrosis` that of a ring's dead middle. `with_oedema` is the
    share of tumors that have some.
    """

    name: str
    patterns: tuple[tuple[Pattern, float], ...]
    size: Span
    strength: Span
    oedema: Span
    oedema_strength: Span
    necrosis: Span
    with_oedema: float


@dataclass(frozen=True, slots=True)
class FilmRecipe:
    """Lesions of films.

    `size` is in widths of the chest or breast. `gain` is the rise, in the film's steps from loose
    to dense tissue, that a width of tumor would make in the place of loose tissue: a lesion of size
    s rises by about gain * s, and `most_strength` caps it. Shares of shapes and zones
    are relative to their sum.
    """

    name: str
    shapes: tuple[tuple[Shape, float], ...]
    zones: tuple[tuple[Zone, float], ...]
    size: Span
    gain: Span
    most_strength: float


def draw_lesion(recipe: FilmRecipe, rng: np.random.Generator) -> Lesion:
    """Draw shape, size and strength; how strong follows from how much tissue the body holds."""
    shape = pick(recipe.shapes, rng)
    size, gain = recipe.size.draw(rng), recipe.gain.draw(rng)
    seed = int(rng.integers(2**31))
    return make_lesion(shape, size, gain=gain, most=recipe.most_strength, seed=seed)


def make_lesion(shape: Shape, size: float, *, gain: float, most: float, seed: int) -> Lesion:
    """A lesion that rises by its gain times its thickness, by `most` at most: see `FilmRecipe`."""
    body = grow_body(Lesion(shape, size, 1.0, seed))
    grid = np.linspace(-0.5, 0.5, 17)
    thickest = float(path_length(body, grid[None, :], grid[:, None]).max())
    return Lesion(shape, size, min(gain * size * thickest, most), seed)


def draw_tumor(recipe: BrainRecipe, rng: np.random.Generator) -> BrainTumor:
    """Draw pattern, size, strength, oedema and necrosis; a solid tumor has no dead middle."""
    pattern = pick(recipe.patterns, rng)
    is_wet = float(rng.random()) < recipe.with_oedema
    oedema, necrosis = recipe.oedema.draw(rng), recipe.necrosis.draw(rng)
    return BrainTumor(
        pattern=pattern,
        size=recipe.size.draw(rng),
        strength=recipe.strength.draw(rng),
        oedema=oedema if is_wet else 0.0,
        oedema_strength=recipe.oedema_strength.draw(rng),
        necrosis=necrosis if pattern is Pattern.RING else 0.0,
        seed=int(rng.integers(2**31)),
    )


def pick(shares: tuple[tuple[T, float], ...], rng: np.random.Generator) -> T:
    """One of several things, each as often as its share says."""
    left = float(rng.random()) * sum(share for _, share in shares)
    for thing, share in shares:
        left -= share
        if left < 0:
            return thing
    return shares[-1][0]
