"""Films that lesions may be planted into, prepared once: greys, and where lesions may lie."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medrec.data.preparing import Prepared
from medrec.errors import ManifestError, PlantingError, RefusedScanError
from medrec.io.loading import load_file
from medrec.lesions.keeping import find_terrain, from_text, to_text
from medrec.preprocess.greys import GreyScale

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from medrec.data.cache import PictureCache
    from medrec.data.pictures import Pictures
    from medrec.io.selection import Rules
    from medrec.lesions.recipe import FilmRecipe
    from medrec.lesions.terrain import Terrain
    from medrec.preprocess.greys import GreyPreprocessor


@dataclass(frozen=True, slots=True)
class Ground:
    """A film that lesions may be planted into: the number of its greys, their scale, its terrain.

    The terrain is kept as text, see `medrec.lesions.keeping`.
    """

    item: int
    scale: GreyScale
    terrain: str

    def open(self) -> Terrain:
        """The terrain."""
        return from_text(self.terrain)


@dataclass(frozen=True, eq=False)
class Grounds:
    """What was found in films: a ground by path, or why there is none."""

    greys: Pictures | None
    found: Mapping[str, Ground]
    refused: Mapping[str, str]


def prepare_grounds(
    paths: Iterable[str],
    *,
    root: Path,
    prepare: GreyPreprocessor,
    recipe: FilmRecipe,
    rules: Rules | None,
    cache: PictureCache,
) -> Grounds:
    """Keep the greys of films and find where lesions may lie in them, once for each file.

    Raises:
        ManifestError: Files that can't be read; all are listed.
        OutputError: The cache's disk is too small, or can't be written.
    """
    wanted = list(dict.fromkeys(paths))
    filled = cache.fill(wanted, root=root, load=partial(_load, root, prepare, recipe, rules))
    if filled.problems:
        problems = [
            f"{path}: {filled.problems[path]}" for path in wanted if path in filled.problems
        ]
        raise ManifestError(str(root), problems)
    found: dict[str, Ground] = {}
    refused: dict[str, str] = {}
    items: list[int] = []
    for path, entry in filled.entries.items():
        facts = json.loads(entry.note or "{}")
        if "terrain" not in facts:
            refused[path] = facts.get("refused", "nothing is known of it")
            continue
        found[path] = Ground(len(items), GreyScale(**facts["scale"]), facts["terrain"])
        items.append(entry.first)
    return Grounds(filled.pictures(items) if items else None, found, refused)


def _load(
    root: Path, prepare: GreyPreprocessor, recipe: FilmRecipe, rules: Rules | None, path: str
) -> Prepared:
    """The greys of a film with what was found in it; none of a film into which nothing can go.

    Raises:
        ScanError: The file can't be read.
    """
    volume = load_file(root / path, rules=rules)
    try:
        greys = prepare(volume)
        packed = greys.images[0, 0].numpy()
        terrain = find_terrain(greys.scale.unpack(packed[film_in(packed)]), recipe)
    except (PlantingError, RefusedScanError) as error:
        note = json.dumps({"refused": str(error)})
        return Prepared(torch.empty(0), (), volume.slice_count, note=note)
    note = json.dumps({"scale": asdict(greys.scale), "terrain": to_text(terrain)})
    return Prepared(greys.images, greys.slices, volume.slice_count, greys.to_source, note)


def film_in(packed: NDArray[Any]) -> tuple[slice, slice]:
    """Rows and columns of a framed film (H, W) without what was padded beside it, which is 0."""
    rows, columns = np.flatnonzero(packed.any(axis=1)), np.flatnonzero(packed.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
