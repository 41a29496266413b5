"""Lesions that are planted into scans without one while a network learns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from medrec.config.base import Schema, read_config
from medrec.config.lesions import LesionsConfig
from medrec.config.model import AnyModel, DetectorConfig, ModelConfig, classes_of, is_detector
from medrec.domain.modality import Modality
from medrec.errors import ConfigError

Count = Annotated[int, Field(ge=1, le=20)]


def _kind_of_source(value: Any) -> str:  # noqa: ANN401 (what stands in the YAML)
    return "file" if isinstance(value, str | Path) else "lesions"


RecipeSource = Annotated[
    Annotated[Path, Tag("file")] | Annotated[LesionsConfig, Tag("lesions")],
    Discriminator(_kind_of_source),
]
"""The name of a recipe that medrec brings, a file of `kind: lesions`, or the same in place."""


class PlantConfig(Schema):
    """Plant lesions into scans of patients who train: new ones each epoch, fixed by the seed.

    Only what is known to be without a lesion gets some: rows whose label is 0 and, for a detector,
    whose boxes are known to be none. Rows that tune, calibrate or test stay as their files are.
    """

    recipe: RecipeSource
    """What is planted: a recipe that medrec brings, by its bare name such as xray-chest; a file of
    `kind: lesions`, relative to the config; or the same in place."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """How many of the scans without a lesion get some, each time they are shown."""
    lesions: tuple[Count, Count] = (1, 3)
    """How many an image gets, drawn evenly from the first number to the second; fewer where no more
    find room."""
    label: str | None = None
    """The label that planted lesions make positive. None: the primary one."""
    type: str | None = None
    """The class of their boxes, where a detector tells several of that label apart. None: the only
    one."""

    @model_validator(mode="after")
    def _counts_upward(self) -> PlantConfig:
        low, high = self.lesions
        if low > high:
            message = f"lesions: {low} to {high} counts downward; wanted the smaller number first"
            raise ValueError(message)
        return self


SHIPPED = Path(__file__).parents[1] / "lesions" / "recipes"


def shipped_recipes() -> list[str]:
    """Names of the recipes that medrec brings."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def find_recipe(source: Path, *, folder: Path) -> Path:
    """The file of a recipe: one that medrec brings, by a bare name; else a path from `folder` on.

    Raises:
        ConfigError: A bare name that is none of those.
    """
    if source.suffix or len(source.parts) > 1 or (folder / source).exists():
        return folder / source
    path = SHIPPED / f"{source}.yaml"
    if not path.is_file():
        problem = (
            f"no recipe is called so: wanted one of {', '.join(shipped_recipes())}, or the path of "
            "a file of kind lesions"
        )
        where = f"recipe {source}"
        raise ConfigError(where, [problem])
    return path


def resolve_recipe(source: Path | LesionsConfig, *, folder: Path) -> LesionsConfig:
    """Read a recipe that is named, see `find_recipe`.

    Raises:
        ConfigError: It isn't there, can't be read, or is wrong.
    """
    if not isinstance(source, Path):
        return source
    return read_config(find_recipe(source, folder=folder), LesionsConfig)


def planted_class(plant: PlantConfig, label: str, classes: Mapping[str, str]) -> int:
    """The number of the class of planted boxes, among a detector's and the label of each.

    The config was checked by `wrong_plant`.
    """
    own = plant.type or next(name for name, of in classes.items() if of == label)
    return list(classes).index(own)


def wrong_plant(
    plant: PlantConfig | None, label: str, labels: Sequence[str], model: AnyModel
) -> Iterator[str]:
    """What of labels and network doesn't go with lesions that make `label` positive."""
    if plant is None:
        return
    if label not in labels:
        yield f"plant.label: {label!r} is none of the labels {', '.join(labels)}"
        return
    if not isinstance(model, ModelConfig | DetectorConfig):
        yield f"plant: lesions aren't planted for a {model.kind} yet; leave it out"
    if not is_detector(model):
        if plant.type is not None:
            yield f"plant.type: a {model.kind} has no classes of boxes; leave it out"
        return
    own = [name for name, of in classes_of(model, labels).items() if of == label]
    if plant.type is None and len(own) > 1:
        yield f"plant.type: name the class of planted boxes, one of {', '.join(own)}"
    if plant.type is not None and plant.type not in own:
        yield f"plant.type: {plant.type!r} is no class of {label}: wanted {', '.join(own)}"


_FILMS = frozenset({Modality.CR, Modality.DX})
_CHEST = frozenset({"CHEST", "THORAX", "LUNG"})


def recipe_misfits(
    recipe: LesionsConfig, modality: Sequence[Modality], body_part: Sequence[str]
) -> Iterator[str]:
    """Why a recipe's lesions don't belong into scans of a modality and a part of the body."""
    if recipe.brain_mri is not None:
        yield (
            f"plant.recipe: {recipe.name} is for brain MRI, whose lesions aren't planted while a "
            "network learns yet"
        )
        return
    chest = recipe.chest_film is not None
    what, wanted = ("chest films", _FILMS) if chest else ("mammograms", frozenset({Modality.MG}))
    if not modality or not set(modality) <= wanted:
        yield (
            f"plant.recipe: {recipe.name} is for {what} ({', '.join(sorted(wanted))}), and "
            f"scope.modality is {_said(modality)}; name a recipe for these scans"
        )
    elif chest and not {part.strip().upper() for part in body_part} & _CHEST:
        yield (
            f"plant.recipe: {recipe.name} is for chest films, and scope.body_part is "
            f"{_said(body_part)}; wanted CHEST"
        )


def _said(words: Sequence[str]) -> str:
    return ", ".join(words) or "empty"
