"""Recipes from configs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.config.base import read_config
from medrec.config.lesions import LesionsConfig
from medrec.errors import ConfigError
from medrec.lesions.lesion import Shape
from medrec.lesions.recipe import BrainRecipe, FilmRecipe, Span
from medrec.lesions.tumors import Pattern
from medrec.lesions.zones import BreastZone, ChestZone, Zone

if TYPE_CHECKING:
    from pathlib import Path

    from medrec.config.lesions import (
        BrainLesionsConfig,
        BreastLesionsConfig,
        FilmLesionsConfig,
        SpanConfig,
    )


def read_recipe(path: Path) -> FilmRecipe | BrainRecipe:
    """Read a recipe from a YAML file of the kind `lesions`.

    Raises:
        ConfigError: With all problems of the file at once.
    """
    return build_recipe(read_config(path, LesionsConfig))


def read_film_recipe(path: Path) -> FilmRecipe:
    """Read a recipe that must be one for films, of chests or of breasts.

    Raises:
        ConfigError: With all problems of the file, or that it is for other scans.
    """
    recipe = read_recipe(path)
    if not isinstance(recipe, FilmRecipe):
        raise ConfigError(
            str(path), ["chest_film: is missing, and mammogram too; wanted a recipe for films"]
        )
    return recipe


def build_recipe(config: LesionsConfig) -> FilmRecipe | BrainRecipe:
    """A recipe for the kind of scan that its config is of."""
    if config.chest_film is not None:
        return _film_recipe(config.name, config.chest_film)
    if config.mammogram is not None:
        return _film_recipe(config.name, config.mammogram)
    assert config.brain_mri is not None  # noqa: S101 (the schema sees to it)
    return _brain_recipe(config.name, config.brain_mri)


def _film_recipe(name: str, config: FilmLesionsConfig | BreastLesionsConfig) -> FilmRecipe:
    return FilmRecipe(
        name=name,
        shapes=tuple((Shape(shape), share) for shape, share in config.shapes.items()),
        zones=tuple((_zone(zone), share) for zone, share in config.zones.items()),
        size=_span(config.size),
        gain=_span(config.gain),
        most_strength=config.most_strength,
    )


def _brain_recipe(name: str, config: BrainLesionsConfig) -> BrainRecipe:
    return BrainRecipe(
        name=name,
        patterns=tuple((Pattern(one), share) for one, share in config.patterns.items()),
        size=_span(config.size),
        strength=_span(config.strength),
        oedema=_span(config.oedema),
        oedema_strength=_span(config.oedema_strength),
        necrosis=_span(config.necrosis),
        with_oedema=config.with_oedema,
    )


def _zone(name: str) -> Zone:
    return ChestZone(name) if name in set(ChestZone) else BreastZone(name)


def _span(config: SpanConfig) -> Span:
    return Span(config.low, config.high, config.skew)
