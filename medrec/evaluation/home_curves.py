"""The acceptance test of the training site, which a package may hold: what others are held to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from medrec.errors import PackageError
from medrec.evaluation.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA = "medrec.acceptance/1"
_METHOD = "at home"


class _Record(BaseModel):
    """What is read of it; the rest is for people."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class _ShareRecord(_Record):
    value: float | None
    low: float | None = None
    high: float | None = None

    def to_estimate(self) -> Estimate | None:
        if self.value is None or (self.low is None) != (self.high is None):
            return None
        return Estimate(self.value, self.low, self.high, _METHOD)


class _LineRecord(_Record):
    name: str
    here: _ShareRecord | None


class _PointRecord(_ShareRecord):
    size: float
    strength: float


class _CurveRecord(_Record):
    points: list[_PointRecord]


class _FactRecord(_Record):
    mean: float
    deviation: float


class _DesignRecord(_Record):
    sizes: list[float]
    strengths: list[float]
    zones: list[str]


class _HomeRecord(_Record):
    schema_: Literal["medrec.acceptance/1"]
    lines: list[_LineRecord]
    sensitivity: dict[str, dict[str, _ShareRecord]]
    curve: _CurveRecord | None
    look: dict[str, _FactRecord]
    scale: float | None
    design: _DesignRecord
    recipe: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation of a fact over scans."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class HomeCurves:
    """Figures at home: `lines` by name, `sensitivity` by dimension and value, points of the curve.

    `recipe` is the config of the lesions, `design` its grid as `acceptance.json` has it: figures
    made with others can't be held against these. `scale` is the median of what a step makes in the
    network's input.
    """

    lines: Mapping[str, Estimate]
    sizes_at: Mapping[str, float]
    sensitivity: Mapping[str, Mapping[str, Estimate]]
    points: tuple[tuple[float, float, Estimate], ...]
    look: Mapping[str, Spread]
    scale: float | None
    design: Mapping[str, list[float] | list[str]]
    recipe: Mapping[str, Any]

    def share_at(self, size: float, strength: float) -> Estimate | None:
        """The share found of a size at a strength, between the points; None off the curve."""
        own = sorted((at, one) for at, each, one in self.points if each == strength)
        if not own or not own[0][0] <= size <= own[-1][0]:
            return None
        at = np.log2([place for place, _ in own])

        def between(values: list[float]) -> float:
            return float(np.interp(np.log2(size), at, values))

        value = between([one.value for _, one in own])
        low = [one.low for _, one in own if one.low is not None]
        high = [one.high for _, one in own if one.high is not None]
        if len(low) < len(own) or len(high) < len(own):
            return Estimate(value, None, None, _METHOD)
        return Estimate(value, between(low), between(high), _METHOD)


def read_home(path: Path) -> HomeCurves:
    """Read an `acceptance.json`.

    Raises:
        PackageError: It isn't there, is no JSON, of another schema, or lacks what is needed.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        record = _HomeRecord.model_validate({**data, "schema_": data.get("schema")})
        return _to_home(record)
    except (OSError, AttributeError, TypeError, ValueError, RecursionError) as error:
        message = f"{path.name} holds no acceptance test of the schema {SCHEMA} ({_said(error)})"
        raise PackageError(message) from error


def _said(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error) if isinstance(error, ValueError) else type(error).__name__
    found = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:3])
    return "; ".join(found)


def _to_home(record: _HomeRecord) -> HomeCurves:
    points = [
        (one.size, one.strength, share)
        for one in (record.curve.points if record.curve else [])
        if (share := one.to_estimate()) is not None
    ]
    return HomeCurves(
        lines=_known({one.name: one.here for one in record.lines if one.here is not None}),
        sizes_at={
            one.name: one.here.value
            for one in record.lines
            if one.here is not None and one.here.value is not None
        },
        sensitivity={name: _known(values) for name, values in record.sensitivity.items()},
        points=tuple(points),
        look={name: Spread(one.mean, one.deviation) for name, one in record.look.items()},
        scale=record.scale,
        design=record.design.model_dump(),
        recipe=record.recipe,
    )


def _known(records: Mapping[str, _ShareRecord]) -> dict[str, Estimate]:
    found = {name: one.to_estimate() for name, one in records.items()}
    return {name: estimate for name, estimate in found.items() if estimate is not None}
