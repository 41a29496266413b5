"""Recipes of lesions that are planted into scans without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from medrec.config.base import Schema

FilmShape = Literal["round", "lobulated", "spiculated", "ill_defined", "calcified", "part_solid"]
FilmZone = Literal["upper", "middle", "lower", "hilum", "heart", "diaphragm"]
BreastZone = Literal["fatty", "dense"]
TumorPattern = Literal["ring", "solid"]
Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class SpanConfig(Schema):
    """A range that values are drawn from."""

    low: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    high: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    skew: Literal[1, 2, 3] = 1
    """low + (high - low) * u**skew is drawn, u even on 0 to 1: 1 draws all values as often, 2 and 3
    small ones more often."""

    @model_validator(mode="after")
    def _is_a_span(self) -> SpanConfig:
        if self.low > self.high:
            message = f"low {self.low:g} is above high {self.high:g}"
            raise ValueError(message)
        return self


class FilmLesionsConfig(Schema):
    """Nodules and masses for frontal chest films."""

    shapes: Annotated[dict[FilmShape, Share], Field(min_length=1)]
    """How often each shape is drawn, relative to the sum."""
    zones: Annotated[dict[FilmZone, Share], Field(min_length=1)]
    """How often each part of the chest is drawn, relative to the sum; a zone that a film lacks or
    that has no room is drawn anew."""
    size: SpanConfig
    """Diameter as a share of the chest's inner width, 0.5 at most."""
    gain: SpanConfig
    """Rise, in the film's steps from lung to mediastinum, that a chest's width of soft tissue would
    make in the place of lung."""
    most_strength: Annotated[float, Field(gt=0, le=2)] = 0.9
    """The greatest rise of a lesion in clear lung, in the film's steps."""

    @model_validator(mode="after")
    def _has_something_to_draw(self) -> FilmLesionsConfig:
        _check(
            [*_without_shares(shapes=self.shapes, zones=self.zones), *_too_large(self.size, 0.5)]
        )
        return self


class BreastLesionsConfig(Schema):
    """Masses for mammograms."""

    shapes: Annotated[dict[FilmShape, Share], Field(min_length=1)]
    """How often each shape is drawn, relative to the sum."""
    zones: Annotated[dict[BreastZone, Share], Field(min_length=1)]
    """How often a mass is planted into fatty and into dense parts, relative to the sum."""
    size: SpanConfig
    """Diameter as a share of the root of the breast's area, 0.5 at most."""
    gain: SpanConfig
    """Rise, in the film's steps from fat to gland, that a mass as thick as the root of the breast's
    area would make in the place of fat."""
    most_strength: Annotated[float, Field(gt=0, le=2)] = 0.9
    """The greatest rise of a mass in fat, in the film's steps."""

    @model_validator(mode="after")
    def _has_something_to_draw(self) -> BreastLesionsConfig:
        _check(
            [*_without_shares(shapes=self.shapes, zones=self.zones), *_too_large(self.size, 0.5)]
        )
        return self


class BrainLesionsConfig(Schema):
    """Tumors for brain MRI: post-contrast T1, FLAIR, or both on one grid."""

    patterns: Annotated[dict[TumorPattern, Share], Field(min_length=1)]
    """How often each pattern of enhancement is drawn, relative to the sum."""
    size: SpanConfig
    """Diameter of the enhancing part as a share of the brain's width, 0.6 at most."""
    strength: SpanConfig
    """Enhancement after contrast agent, as a share of the brain's median."""
    oedema: SpanConfig
    """How far oedema reaches beyond the enhancing part, in its radii."""
    oedema_strength: SpanConfig
    """How much brighter oedema is on FLAIR, as a share of the brain's median."""
    necrosis: SpanConfig
    """Radius of the dead middle of a ring, as a share of its own; below 0.9."""
    with_oedema: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Share of tumors that have oedema."""

    @model_validator(mode="after")
    def _has_something_to_draw(self) -> BrainLesionsConfig:
        problems = [*_without_shares(patterns=self.patterns), *_too_large(self.size, 0.6)]
        if self.necrosis.high > 0.9:  # noqa: PLR2004 (a rim must be left)
            problems.append(f"necrosis: {self.necrosis.high:g} leaves no rim; 0.9 at most")
        _check(problems)
        return self


class LesionsConfig(Schema):
    """What lesions are planted, how large, how strong and where: for one kind of scan."""

    kind: Literal["lesions"] = "lesions"
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    """Names the recipe in what is planted by it."""
    chest_film: FilmLesionsConfig | None = None
    """None: it is no recipe for chest films."""
    mammogram: BreastLesionsConfig | None = None
    """None: it is no recipe for mammograms."""
    brain_mri: BrainLesionsConfig | None = None
    """None: it is no recipe for brain MRI."""

    @model_validator(mode="after")
    def _is_for_one_kind_of_scan(self) -> LesionsConfig:
        blocks = (self.chest_film, self.mammogram, self.brain_mri)
        if sum(block is not None for block in blocks) != 1:
            message = "a recipe has one of chest_film, mammogram and brain_mri; a file for each"
            raise ValueError(message)
        return self


def _without_shares(**shares: Mapping[Any, float]) -> list[str]:
    return [
        f"{name}: all shares are 0; give one above 0"
        for name, values in shares.items()
        if not sum(values.values()) > 0
    ]


def _too_large(size: SpanConfig, most: float) -> list[str]:
    return [f"size: {size.high:g} is above {most:g}"] if size.high > most else []


def _check(problems: list[str]) -> None:
    if problems:
        raise ValueError("; ".join(problems))
