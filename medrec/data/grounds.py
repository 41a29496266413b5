"""Scans that lesions may be planted into, prepared once: greys, and where lesions may lie."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medrec.data.brain_ground import BrainGround
from medrec.data.film_ground import FilmGround
from medrec.data.preparing import Prepared
from medrec.errors import ManifestError, PlantingError, RefusedScanError
from medrec.io.loading import load_file
from medrec.lesions.brain import find_brain
from medrec.lesions.keeping import brain_to_text, find_terrain, to_text
from medrec.lesions.recipe import FilmRecipe
from medrec.preprocess.greys import GreyScale, scan_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from medrec.data.cache import PictureCache
    from medrec.data.pack import PackEntry
    from medrec.data.pictures import Pictures
    from medrec.io.selection import Rules
    from medrec.lesions.recipe import BrainRecipe
    from medrec.preprocess.greys import GreyInput, GreyPreprocessor

    Recipe = FilmRecipe | BrainRecipe
    Ground = FilmGround | BrainGround


@dataclass(frozen=True, eq=False)
class Grounds:
    """What was found in scans: a ground by path, or why there is none."""

    greys: Pictures | None
    found: Mapping[str, Ground]
    refused: Mapping[str, str]


def prepare_grounds(
    paths: Iterable[str],
    *,
    root: Path,
    prepare: GreyPreprocessor,
    recipe: Recipe,
    rules: Rules | None,
    cache: PictureCache,
) -> Grounds:
    """Keep the greys of scans and find where lesions may lie in them, once for each file.

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
        found[path] = _ground(len(items), entry, facts, recipe)
        items += range(entry.first, entry.end)
    return Grounds(filled.pictures(items) if items else None, found, refused)


def _ground(first: int, entry: PackEntry, facts: Mapping[str, Any], recipe: Recipe) -> Ground:
    scale = GreyScale(**facts["scale"])
    if isinstance(recipe, FilmRecipe):
        return FilmGround(first, scale, facts["terrain"])
    return BrainGround(first, scale, facts["terrain"], entry.slices)


def _load(
    root: Path, prepare: GreyPreprocessor, recipe: Recipe, rules: Rules | None, path: str
) -> Prepared:
    """The greys of a scan with what was found in it; none of one into which nothing can go.

    Raises:
        ScanError: The file can't be read.
    """
    volume = load_file(root / path, rules=rules)
    try:
        greys = prepare(volume)
        found = _find(greys, recipe)
    except (PlantingError, RefusedScanError) as error:
        note = json.dumps({"refused": str(error)})
        return Prepared(torch.empty(0), (), volume.slice_count, note=note)
    note = json.dumps({"scale": asdict(greys.scale), "terrain": found})
    return Prepared(greys.images, greys.slices, volume.slice_count, note=note)


def _find(greys: GreyInput, recipe: Recipe) -> str:
    """Where lesions may lie in the part of the greys that is no padding.

    Raises:
        PlantingError: Nowhere.
    """
    packed = greys.images[:, 0].numpy()  # (N, H, W), or (1, D, H, W) of a whole volume
    stack = packed[0] if packed.ndim > 3 else packed  # noqa: PLR2004
    if isinstance(recipe, FilmRecipe):
        return to_text(find_terrain(greys.scale.unpack(stack[0][scan_in(stack[0])]), recipe))
    if greys.spacing_mm is None:
        message = "a picture without slices is no volume of a brain"
        raise PlantingError(message)
    values = np.maximum(greys.scale.unpack(stack[scan_in(stack)]), np.float32(greys.scale.least))
    return brain_to_text(find_brain(values, spacing_mm=greys.spacing_mm, slice_axis=0))
