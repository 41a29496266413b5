"""Recipes from configs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.config.base import read_config
from medrec.config.lesions import LesionsConfig
from medrec.lesions.lesion import Shape
from medrec.lesions.recipe import FilmRecipe, Span
from medrec.lesions.zones import ChestZone

if TYPE_CHECKING:
    from pathlib import Path

    from medrec.config.lesions import SpanConfig


def build_recipe(config: LesionsConfig) -> FilmRecipe:
    """A recipe of lesions of chest films, as its config says."""
    return FilmRecipe(
        name=config.name,
        shapes=tuple((Shape(name), share) for name, share in config.shapes.items()),
        zones=tuple((ChestZone(name), share) for name, share in config.zones.items()),
        size=_span(config.size),
        gain=_span(config.gain),
        most_strength=config.most_strength,
    )


def read_recipe(path: Path) -> FilmRecipe:
    """Read a recipe from a YAML file of the kind `lesions`.

    Raises:
        ConfigError: With all problems of the file at once.
    """
    return build_recipe(read_config(path, LesionsConfig))


def _span(config: SpanConfig) -> Span:
    return Span(config.low, config.high, config.skew)
