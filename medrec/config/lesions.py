"""Recipes of lesions that are planted into scans without one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medrec.config.base import Schema

FilmShape = Literal["round", "lobulated", "spiculated", "ill_defined", "calcified", "part_solid"]
FilmZone = Literal["upper", "middle", "lower", "hilum", "heart", "diaphragm"]
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


class LesionsConfig(Schema):
    """What lesions are planted, how large, how strong and where."""

    kind: Literal["lesions"] = "lesions"
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    """Names the recipe in what is planted by it."""
    scan: Literal["xray-chest"]
    """What it is planted into: a frontal film of a chest."""
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
    def _has_something_to_draw(self) -> LesionsConfig:
        problems = [
            f"{name}: all shares are 0; give one above 0"
            for name, shares in (("shapes", self.shapes), ("zones", self.zones))
            if not sum(shares.values()) > 0
        ]
        if self.size.high > 0.5:  # noqa: PLR2004 (half of the chest)
            problems.append(f"size: {self.size.high:g} is more than half of the chest's width")
        if problems:
            raise ValueError("; ".join(problems))
        return self
