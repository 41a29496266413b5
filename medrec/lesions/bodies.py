"""Bodies of lesions in three dimensions, and the tissue that a ray passes on its way through them.

A body is a union of ellipsoids of one density, ellipsoids of other densities within it, and spikes.
The length of a ray in a union of ellipsoids is exact: each gives an interval, and the intervals are
joined. Only sums, products and square roots are taken, which every platform rounds alike; no
logarithm and no sine, which they don't.

Lengths are in units of the lesion's diameter, so that its outline spans -0.5 to 0.5; x runs along
the film's columns, y along its rows, z toward the reader. Density 1 is solid soft tissue in lung.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

import numpy as np

from medrec.lesions.lesion import Lesion, Shape, lesion_generator

if TYPE_CHECKING:
    from medrec.domain.geometry import FloatArray

_RADIUS = 0.5
_GROUND_GLASS = (0.25, 0.45)
# Ground glass of a part-solid nodule lies about -650 to -450 HU where lung is -800 and tissue 40.
_CALCIUM = (0.8, 2.0)
# What calcium adds to soft tissue: two to three times its attenuation at 80 to 120 kV (NIST).


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """{p: (p - centre) in the ball of `radius`, after `matrix`}; centre (3,), matrix (3, 3)."""

    centre: FloatArray
    matrix: FloatArray


@dataclass(frozen=True, slots=True)
class Spike:
    """A strand from the body outward, as it lies on the film: thick at `start`, thin at `end`."""

    start: tuple[float, float]
    end: tuple[float, float]
    width: float


@dataclass(frozen=True, eq=False)
class Body:
    """`parts` are unions of ellipsoids with their densities, added to each other.

    `softness` is the standard deviation of the blur of an ill-defined edge, in diameters.
    """

    parts: tuple[tuple[float, tuple[Ellipsoid, ...]], ...]
    spikes: tuple[Spike, ...] = ()
    softness: float = 0.0

    @property
    def reach(self) -> float:
        """How far from its middle it may change the film, in diameters, its softness included."""
        ends = [abs(value) for spike in self.spikes for value in spike.end]
        return max([0.62, *ends]) + 3 * self.softness


def grow_body(lesion: Lesion) -> Body:
    """The body of a lesion: the same for the same seed and shape."""
    rng = lesion_generator(lesion.seed, list(Shape).index(lesion.shape))
    match lesion.shape:
        case Shape.ROUND:
            return Body(parts=((1.0, draw_lobes(rng, count=2, spread=0.06)),))
        case Shape.LOBULATED:
            return Body(parts=((1.0, draw_lobes(rng, count=int(rng.integers(4, 8)), spread=0.24)),))
        case Shape.SPICULATED:
            return _spiculated(rng)
        case Shape.ILL_DEFINED:
            lobes = draw_lobes(rng, count=int(rng.integers(3, 6)), spread=0.2)
            return Body(parts=((1.0, lobes),), softness=_uniform(rng, 0.10, 0.22))
        case Shape.CALCIFIED:
            return _calcified(rng)
        case Shape.PART_SOLID:
            return _part_solid(rng)
        case _:
            assert_never(lesion.shape)


def path_length(body: Body, x: FloatArray, y: FloatArray) -> FloatArray:
    """Tissue along the ray through each point, in diameters times density.

    Args:
        body: The body, before its edge is softened.
        x: (1, W), in diameters from the lesion's middle.
        y: (H, 1).
    """
    total: FloatArray = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    for density, lobes in body.parts:
        total += density * _through(lobes, x, y)
    for spike in body.spikes:
        total = np.maximum(total, _strand(spike, x, y))
    return total


def _through(lobes: tuple[Ellipsoid, ...], x: FloatArray, y: FloatArray) -> FloatArray:
    """Length of the union of the intervals in which a ray along z lies in an ellipsoid."""
    ends = [_interval(lobe, x, y) for lobe in lobes]
    low, high = np.stack([low for low, _ in ends]), np.stack([high for _, high in ends])
    order = np.argsort(low, axis=0, kind="stable")
    low, high = np.take_along_axis(low, order, 0), np.take_along_axis(high, order, 0)
    reached = np.maximum.accumulate(high, axis=0)
    begin = low.copy()
    begin[1:] = np.maximum(low[1:], reached[:-1])
    length: FloatArray = np.maximum(high - begin, 0).sum(axis=0)
    return length


def _interval(lobe: Ellipsoid, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Where a ray enters and leaves; both at the end of nowhere (-9) where it misses."""
    across, down = x - lobe.centre[0], y - lobe.centre[1]
    shape = lobe.matrix
    a = shape[0, 2] * shape[0, 2] + shape[1, 2] * shape[1, 2] + shape[2, 2] * shape[2, 2]
    rows = [shape[k, 0] * across + shape[k, 1] * down for k in range(3)]
    b = shape[0, 2] * rows[0] + shape[1, 2] * rows[1] + shape[2, 2] * rows[2]
    c = rows[0] * rows[0] + rows[1] * rows[1] + rows[2] * rows[2] - 1
    root = b * b - a * c
    half = np.sqrt(np.maximum(root, 0)) / a
    middle = lobe.centre[2] - b / a
    hits = root > 0
    return np.where(hits, middle - half, -9.0), np.where(hits, middle + half, -9.0)


def _strand(spike: Spike, x: FloatArray, y: FloatArray) -> FloatArray:
    """A cone seen from the side: the chord of its round section, thinner toward its end."""
    (x0, y0), (x1, y1) = spike.start, spike.end
    length = (x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0)
    along = np.clip(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length, 0, 1)
    off_x, off_y = x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0)
    radius = spike.width * (1 - along)
    chord: FloatArray = 2 * np.sqrt(np.maximum(radius * radius - off_x * off_x - off_y * off_y, 0))
    return chord


def _spiculated(rng: np.random.Generator) -> Body:
    """A lobulated core of 0.8 diameters, and strands that reach up to 0.35 beyond the outline."""
    core = draw_lobes(rng, count=int(rng.integers(3, 6)), spread=0.2, radius=0.40)
    spikes = []
    for _ in range(int(rng.integers(9, 20))):
        x, y = _direction(rng, axes=2).tolist()
        reach, start = _uniform(rng, 0.42, 0.85), 0.22
        bend_x, bend_y = _uniform(rng, -0.08, 0.08), _uniform(rng, -0.08, 0.08)
        end = (reach * x + bend_x, reach * y + bend_y)
        spikes.append(Spike((start * x, start * y), end, _uniform(rng, 0.07, 0.15)))
    return Body(parts=((1.0, core),), spikes=tuple(spikes))


def _calcified(rng: np.random.Generator) -> Body:
    """Benign calcium: the whole, a central piece, or several grains."""
    outer = draw_lobes(rng, count=2, spread=0.06)
    added = _uniform(rng, *_CALCIUM)
    pattern = int(rng.integers(3))
    if pattern == 0:
        return Body(parts=((1.0 + added, outer),))
    if pattern == 1:
        core = draw_lobes(rng, count=2, spread=0.05, radius=_uniform(rng, 0.2, 0.4))
        return Body(parts=((1.0, outer), (added, core)))
    grains = tuple(
        _ellipsoid(rng, _direction(rng) * _uniform(rng, 0.0, 0.3), _uniform(rng, 0.08, 0.18))
        for _ in range(int(rng.integers(3, 7)))
    )
    return Body(parts=((1.0, outer), (added, grains)))


def _part_solid(rng: np.random.Generator) -> Body:
    glass = _uniform(rng, *_GROUND_GLASS)
    outer = draw_lobes(rng, count=int(rng.integers(3, 6)), spread=0.2)
    core = draw_lobes(rng, count=3, spread=0.12, radius=_uniform(rng, 0.15, 0.32), drift=0.12)
    return Body(parts=((glass, outer), (1.0 - glass, core)), softness=_uniform(rng, 0.03, 0.07))


def draw_lobes(
    rng: np.random.Generator, *, count: int, spread: float, radius: float = _RADIUS,
    drift: float = 0.0,
) -> tuple[Ellipsoid, ...]:  # fmt: skip
    """Ellipsoids around a common middle that together span about the radius.

    `spread` is how far they lie from it, as a share of the diameter; `drift` moves all of them.
    """
    middle = _direction(rng) * _uniform(rng, 0, drift)
    scale = radius / _RADIUS
    lobes = [_ellipsoid(rng, middle, radius - 0.7 * spread * scale)]
    for _ in range(count - 1):
        away = spread * scale * _uniform(rng, 0.7, 1.1)
        lobe_radius = (radius - away) * _uniform(rng, 0.75, 1.0)
        lobes.append(_ellipsoid(rng, middle + _direction(rng) * away, lobe_radius))
    return tuple(lobes)


def _ellipsoid(rng: np.random.Generator, centre: FloatArray, radius: float) -> Ellipsoid:
    """A ball stretched by up to a fifth along one direction and pressed along another."""
    long, short = _direction(rng), _direction(rng)
    stretch, press = _uniform(rng, 0, 0.18), _uniform(rng, 0, 0.18)
    matrix = np.eye(3) - stretch * np.outer(long, long) + press * np.outer(short, short)
    return Ellipsoid(centre, matrix / radius)


def _direction(rng: np.random.Generator, axes: int = 3) -> FloatArray:
    """A unit vector, every direction as likely: points of a cube until one lies in the ball."""
    while True:
        point = 2 * rng.random(axes) - 1
        squares = [value * value for value in point.tolist()]
        length = sum(squares)
        if 0.01 < length <= 1:  # noqa: PLR2004 (too near the middle to have a direction)
            unit: FloatArray = point / np.sqrt(length)
            return unit


def _uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(rng.random())
