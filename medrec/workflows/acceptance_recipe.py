"""Which lesions are planted for a model, and whether they are lesions of its scans."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medrec.config.base import validate
from medrec.config.lesions import LesionsConfig
from medrec.config.planting import SHIPPED, resolve_recipe
from medrec.domain.modality import Modality, Sequence
from medrec.errors import MedrecError
from medrec.lesions.build import build_recipe
from medrec.lesions.grid import Grid, grid_of
from medrec.lesions.recipe import BrainRecipe, FilmRecipe

if TYPE_CHECKING:
    from medrec.package.contract import InputContract
    from medrec.package.package import ModelPackage

_FILES = {
    "chest_film": "xray-chest-evaluation",
    "mammogram": "xray-mammography",
    "brain_mri": "mri-brain",
}
_WORDS = {"chest_film": "chest films", "mammogram": "mammograms", "brain_mri": "brain MRI"}
_CHEST = {"CHEST", "THORAX", "LUNG"}
_HEAD = {"BRAIN", "HEAD", "SKULL"}


@dataclass(frozen=True, slots=True)
class Planned:
    """What is planted: the config, its recipe and grid; `sequence` is that of an MRI."""

    config: LesionsConfig
    recipe: FilmRecipe | BrainRecipe
    grid: Grid
    kind: str
    sequence: Sequence | None = None


def plan_lesions(package: ModelPackage, recipe: Path | None, *, like_home: bool) -> Planned:
    """Choose the recipe: the user's, else that of the package's home figures, else the shipped one.

    Raises:
        ConfigError: A recipe that can't be used.
        MedrecError: No lesion can be planted into what the model judges; a recipe for other scans.
    """
    kind = _kind_of(package)
    config = _read(package, recipe, kind, like_home=like_home)
    if getattr(config, kind) is None:
        other = next(_WORDS[name] for name in _FILES if getattr(config, name) is not None)
        message = (
            f"the recipe {config.name} is for {other}, and {package.manifest.name} judges "
            f"{_WORDS[kind]}: give one with the block {kind}"
        )
        raise MedrecError(message)
    built = build_recipe(config)
    sequence = _sequence_of(package) if kind == "brain_mri" else None
    return Planned(config, built, grid_of(built), kind, sequence)


def _read(
    package: ModelPackage, recipe: Path | None, kind: str, *, like_home: bool
) -> LesionsConfig:
    if recipe is not None:
        return resolve_recipe(recipe, folder=Path())
    if like_home and package.home is not None:
        return validate(dict(package.home.recipe), LesionsConfig, where=f"{package.folder}: recipe")
    return resolve_recipe(Path(_FILES[kind]), folder=SHIPPED)


def _kind_of(package: ModelPackage) -> str:
    """The block of a recipe that fits what a model judges."""
    contract = package.manifest.input
    parts = set(contract.body_part)
    if Modality.MR in contract.modality and (not parts or parts & _HEAD):
        return "brain_mri"
    if contract.dimensionality == "image" and Modality.MG in contract.modality:
        return "mammogram"
    if contract.dimensionality == "image" and (not parts or parts & _CHEST):
        return "chest_film"
    message = (
        f"{package.manifest.name} judges {_scope(contract)}, and lesions can be planted into "
        f"{', '.join(_WORDS.values())} alone: no acceptance test of it can be had"
    )
    raise MedrecError(message)


def _scope(contract: InputContract) -> str:
    return " ".join([*contract.modality, *(contract.body_part or ["any part"])])


def _sequence_of(package: ModelPackage) -> Sequence:
    accepted = package.manifest.input.sequence
    known = [one for one in (Sequence.T1C, Sequence.FLAIR) if one in accepted]
    if len(known) != 1:
        message = (
            f"{package.manifest.name} judges {', '.join(accepted) or 'any sequence'}: tumors are "
            "planted for models of one of t1c and flair"
        )
        raise MedrecError(message)
    return known[0]
