"""Copies of films with lesions planted into them, as files beside their truth."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from medrec.domain.counting import counted
from medrec.domain.reference import LabelledBox, Reference
from medrec.errors import PlantingError, ScanError
from medrec.io.raster import read_stored_raster, write_grey_levels
from medrec.lesions.films import plant_film
from medrec.lesions.keeping import find_terrain
from medrec.lesions.lesion import lesion_generator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medrec.domain.finding import Label
    from medrec.lesions.films import PlantedLesion
    from medrec.lesions.recipe import FilmRecipe

PLANTED = "planted"
"""The column that says yes of a copy and no of its untouched original."""
SOURCE = "planted_from"
"""The column that names a copy's original by its path in the copies' manifest."""
SIZE_GROUP, STRENGTH_GROUP = "lesion_size_group", "lesion_strength_group"
_SIZES = ("small", "medium", "large")
_STRENGTHS = ("weak", "medium", "strong")
_THIRDS = (1 / 3, 2 / 3)


@dataclass(frozen=True, slots=True)
class PlantingOrder:
    """What is asked for: `copies` of each film, each with `lesions` of a recipe."""

    recipe: FilmRecipe
    label: Label
    seed: int = 1
    lesions: int = 1
    copies: int = 1


@dataclass(frozen=True, slots=True)
class PlantedCopy:
    """A copy's row, whose path is relative to the folder of the copies' manifest, and its boxes."""

    row: Reference
    boxes: tuple[LabelledBox, ...]


def why_not(row: Reference, label: Label) -> str | None:
    """Why nothing can be planted into a row, if so, before its file is opened."""
    if row.slice is not None:
        return "a slice of a volume; films alone are planted into yet"
    if row.labels.get(label) is None:
        return f"whether it has {label} is unknown"
    return f"it has {label}" if row.labels[label] else None


def plant_copies(
    row: Reference, order: PlantingOrder, *, out: Path, name: str
) -> list[PlantedCopy]:
    """Plant into copies of a film and write them as PNG: `films/NAME-1.png` below `out`, and so on.

    The row's path is relative to `out`, as are those of the copies.

    The lesions of a copy follow from the seed, the film's pixels and the copy's number alone, so
    that they stay the same when rows come and go.

    Raises:
        PlantingError: No chest or breast, no room, or a file of the film that can't be read.
        OSError: The folder can't be written.
    """
    pixels = _read(out / row.path)
    terrain = find_terrain(pixels, order.recipe)
    key = int.from_bytes(hashlib.sha256(_bytes_of(pixels)).digest()[:8], "big")
    copies = []
    for number in range(order.copies):
        rng = lesion_generator(order.seed, key, number)
        film = plant_film(pixels, order.recipe, rng, terrain=terrain, count=order.lesions)
        path = f"films/{name}-{number + 1}.png"
        write_grey_levels(out / path, film.pixels)
        copies.append(_copy(row, path, film.lesions, order))
    return copies


def group_strengths(copies: Sequence[PlantedCopy]) -> list[PlantedCopy]:
    """Copies of one lesion get the group of its strength: thirds of all of theirs."""
    strengths = [float(own) for own in map(_strength_of, copies) if own is not None]
    if not strengths:
        return list(copies)
    edges = np.quantile(strengths, _THIRDS)

    def grouped(copy: PlantedCopy) -> PlantedCopy:
        own = _strength_of(copy)
        if own is None:
            return copy
        group = _STRENGTHS[int(np.searchsorted(edges, float(own), side="right"))]
        attributes = {**copy.row.attributes, STRENGTH_GROUP: group}
        return replace(copy, row=replace(copy.row, attributes=attributes))

    return [grouped(copy) for copy in copies]


def _strength_of(copy: PlantedCopy) -> str | None:
    return copy.row.attributes.get("lesion_strength")


def _read(file: Path) -> NDArray[Any]:
    try:
        return read_stored_raster(file)
    except ScanError as error:
        message = f"{error.code}: {error.detail}"
        raise PlantingError(message) from error
    except OSError as error:
        message = f"can't be read: {error.strerror or type(error).__name__}"
        raise PlantingError(message) from error


def _bytes_of(pixels: NDArray[Any]) -> bytes:
    """The same of the same grey levels on every platform."""
    return repr(pixels.shape).encode() + pixels.astype("<u2").tobytes()


def _copy(
    row: Reference, path: str, lesions: Sequence[PlantedLesion], order: PlantingOrder
) -> PlantedCopy:
    facts = [_facts(lesion, order.recipe) for lesion in lesions]
    boxes = tuple(
        LabelledBox(lesion.box, order.label, own)
        for lesion, own in zip(lesions, facts, strict=True)
    )
    attributes = {**row.attributes, PLANTED: "yes", SOURCE: row.path}
    if order.lesions == 1:  # of several lesions no one value can stand in a column
        attributes |= facts[0]
    planted = replace(
        row,
        path=path,
        labels={**row.labels, order.label: True},
        case=None,  # another file, another case
        mask=None,
        boxes=None,
        attributes=attributes,
    )
    return PlantedCopy(planted, boxes)


def _facts(lesion: PlantedLesion, recipe: FilmRecipe) -> Mapping[str, str]:
    own = lesion.lesion
    return {
        "lesion_shape": str(own.shape),
        "lesion_zone": str(lesion.zone),
        "lesion_size": f"{own.size:.4f}",
        SIZE_GROUP: _size_group(own.size, recipe),
        "lesion_diameter_px": f"{lesion.diameter_px:.1f}",
        "lesion_strength": f"{own.strength:.4f}",
        "lesion_contrast_to_noise": f"{lesion.contrast_to_noise:.3f}",
    }


def _size_group(size: float, recipe: FilmRecipe) -> str:
    """By thirds of the recipe's range in equal ratios."""
    low, high = recipe.size.low, recipe.size.high
    return next(
        (
            group
            for group, share in zip(_SIZES, _THIRDS, strict=False)
            if size < low * (high / low) ** share
        ),
        _SIZES[-1],
    )


def say_missing(copies: Sequence[PlantedCopy], order: PlantingOrder) -> list[str]:
    """That copies have fewer lesions than were asked for, where some have."""
    fewer = sum(len(copy.boxes) < order.lesions for copy in copies)
    films = counted(fewer, "copy has", "copies have")
    return [f"{films} fewer than {order.lesions} lesions: no more found room"] if fewer else []
