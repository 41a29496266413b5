"""What is known of a film, found once and kept small: about 3 kB beside 150."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from medrec.lesions.breast import find_breast
from medrec.lesions.chest import find_chest
from medrec.lesions.terrain import Terrain, Tone
from medrec.lesions.zones import BreastZone, ChestZone

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.lesions.recipe import FilmRecipe
    from medrec.lesions.zones import Zone

FINDING = 1
"""Raised whenever the same film gives another terrain than before: what was kept is found anew."""
_STEPS = 4
"""Room is kept in quarters of a cell, rounded down."""


def find_terrain(pixels: NDArray[Any], recipe: FilmRecipe) -> Terrain:
    """Find what a recipe's lesions lie in: a chest or a breast, by the zones that it names.

    Raises:
        PlantingError: It isn't found, see `find_chest` and `find_breast`.
    """
    return find_chest(pixels) if is_of_chests(recipe) else find_breast(pixels)


def is_of_chests(recipe: FilmRecipe) -> bool:
    """Whether a recipe is for films of chests; else it is for mammograms."""
    return any(isinstance(zone, ChestZone) for zone, _ in recipe.zones)


def to_text(terrain: Terrain) -> str:
    """A terrain as ASCII; its room is rounded down to quarters of a cell."""
    room = np.clip(np.floor(terrain.room_px / terrain.cell_px * _STEPS), 0, 255).astype(np.uint8)
    maps = zlib.compress(terrain.zones.tobytes() + room.tobytes(), 9)
    facts = {
        "shape": terrain.shape,
        "is_inverted": terrain.is_inverted,
        "score": terrain.score,
        "tone": asdict(terrain.tone),
        "width_px": terrain.width_px,
        "edge_px": terrain.edge_px,
        "names": [str(name) for name in terrain.names],
        "cell_px": terrain.cell_px,
        "ends": terrain.ends,
        "is_log": terrain.is_log,
        "cells": terrain.zones.shape,
        "maps": base64.b85encode(maps).decode(),
    }
    return json.dumps(facts)


def from_text(text: str) -> Terrain:
    """The way back."""
    facts = json.loads(text)
    cells = tuple(facts.pop("cells"))
    maps = np.frombuffer(zlib.decompress(base64.b85decode(facts.pop("maps"))), dtype=np.uint8)
    zones, room = maps.reshape(2, *cells)
    return Terrain(
        **{
            **facts,
            "shape": tuple(facts["shape"]),
            "ends": tuple(facts["ends"]),
            "tone": Tone(**facts["tone"]),
            "names": tuple(_zone(name) for name in facts["names"]),
        },
        zones=zones,
        room_px=room.astype(np.float64) * (facts["cell_px"] / _STEPS),
    )


def _zone(name: str) -> Zone:
    return ChestZone(name) if name in set(ChestZone) else BreastZone(name)
