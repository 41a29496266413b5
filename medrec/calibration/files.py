"""calibration.json and operating_points.yaml: strict when read, every problem reported at once."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medrec.calibration.boxes import BoxCalibration
from medrec.calibration.entry import CalibrationEntry, Method
from medrec.calibration.heads import HeadCalibration
from medrec.calibration.operating_point import OperatingPoint
from medrec.domain.finding import Label
from medrec.errors import PackageError
from medrec.evaluation.estimate import Estimate
from medrec.evaluation.matching import HitKind, HitRule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_DIGITS = 6


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class _EstimateRecord(_Record):
    value: float
    low: float | None = None
    high: float | None = None
    method: str
    assumes_independent_rows: bool = False
    note: str = ""

    def to_estimate(self) -> Estimate:
        return Estimate(**self.model_dump())


class _EntryRecord(_Record):
    label: str
    level: Literal["image", "exam"]
    method: Method
    classes: list[str] | None = None
    parameters: dict[str, float]
    patients: int = Field(ge=0)
    positives: int = Field(ge=0)
    rows: int = Field(ge=0)
    ece_before: _EstimateRecord
    ece_after: _EstimateRecord
    replicates: dict[str, list[float]] = {}

    def to_entry(self) -> CalibrationEntry:
        columns = zip(*self.replicates.values(), strict=True)
        return CalibrationEntry(
            label=Label(self.label),
            level=self.level,
            method=self.method,
            parameters=self.parameters,
            patients=self.patients,
            positives=self.positives,
            rows=self.rows,
            ece_before=self.ece_before.to_estimate(),
            ece_after=self.ece_after.to_estimate(),
            replicates=tuple(dict(zip(self.replicates, row, strict=True)) for row in columns),
            classes=tuple(map(Label, self.classes)) if self.classes is not None else None,
        )


class _PointRecord(_Record):
    name: str
    label: str
    level: Literal["image", "exam"]
    threshold: float
    sensitivity: _EstimateRecord
    specificity: _EstimateRecord
    measured_on: str

    def to_point(self) -> OperatingPoint:
        return OperatingPoint(
            name=self.name,
            label=Label(self.label),
            level=self.level,
            threshold=self.threshold,
            sensitivity=self.sensitivity.to_estimate(),
            specificity=self.specificity.to_estimate(),
            measured_on=self.measured_on,
        )


class _HitRecord(_Record):
    rule: Literal["iou", "centre_in_box"]
    value: float | None = None


class _HeadRecord(_Record):
    slope: float
    intercept: float
    patients: int = Field(ge=0)
    positives: int = Field(ge=0)
    rows: int = Field(ge=0)


class _BoxRecord(_Record):
    label: str
    slope: float
    intercept: float
    size_slope: float
    patients: int = Field(ge=0)
    positives: int = Field(ge=0)
    rows: int = Field(ge=0)
    hit: _HitRecord
    ece_before: _EstimateRecord
    ece_after: _EstimateRecord
    head: _HeadRecord | None = None

    def to_entry(self) -> BoxCalibration:
        facts = self.model_dump(exclude={"label", "hit", "ece_before", "ece_after", "head"})
        return BoxCalibration(
            label=Label(self.label),
            hit=HitRule(HitKind(self.hit.rule), self.hit.value),
            ece_before=self.ece_before.to_estimate(),
            ece_after=self.ece_after.to_estimate(),
            head=HeadCalibration(**self.head.model_dump()) if self.head else None,
            **facts,
        )


class _CalibrationFile(_Record):
    schema_name: Literal["medrec.calibration/1"] = Field(alias="schema")
    entries: list[_EntryRecord]
    boxes: list[_BoxRecord] = []


class _PointsFile(_Record):
    schema_name: Literal["medrec.operating_points/1"] = Field(alias="schema")
    points: list[_PointRecord]


_T = TypeVar("_T")
_F = TypeVar("_F", _CalibrationFile, _PointsFile)


def write_calibration(
    path: Path, entries: Sequence[CalibrationEntry], boxes: Sequence[BoxCalibration] = ()
) -> None:
    """Write calibration.json; the same entries always give the same bytes."""
    data: dict[str, object] = {
        "schema": "medrec.calibration/1",
        "entries": [_entry_data(entry) for entry in entries],
    }
    if boxes:
        data["boxes"] = [_box_data(entry) for entry in boxes]
    path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_calibration(path: Path) -> tuple[CalibrationEntry, ...]:
    """Read calibration.json.

    Raises:
        PackageError: Missing, foreign or wrong; every problem is listed.
    """
    records = _validate(path, _read_json(path), _CalibrationFile).entries
    return _unique(
        path,
        _build(path, [(f"entries.{n}", record.to_entry) for n, record in enumerate(records)]),
        [(record.label, record.level) for record in records],
    )


def read_box_calibration(path: Path) -> tuple[BoxCalibration, ...]:
    """Read the calibrators of boxes in calibration.json; none in that of a classifier.

    Raises:
        PackageError: Missing, foreign or wrong; every problem is listed.
    """
    records = _validate(path, _read_json(path), _CalibrationFile).boxes
    return _unique(
        path,
        _build(path, [(f"boxes.{n}", record.to_entry) for n, record in enumerate(records)]),
        [(record.label,) for record in records],
    )


def write_operating_points(path: Path, points: Sequence[OperatingPoint]) -> None:
    """Write operating_points.yaml; the same points always give the same bytes."""
    data = {
        "schema": "medrec.operating_points/1",
        "points": [_point_data(point) for point in points],
    }
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def read_operating_points(path: Path) -> tuple[OperatingPoint, ...]:
    """Read operating_points.yaml.

    Raises:
        PackageError: Missing, foreign or wrong; every problem is listed.
    """
    try:
        data = yaml.safe_load(_read(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _error(path, [f"is not YAML: {error}"]) from error
    records = _validate(path, data, _PointsFile).points
    return _unique(
        path,
        _build(path, [(f"points.{n}", record.to_point) for n, record in enumerate(records)]),
        [(record.label, record.level, record.name) for record in records],
    )


def _entry_data(entry: CalibrationEntry) -> dict[str, object]:
    return {
        "label": entry.label,
        "level": entry.level,
        "method": entry.method,
        **({"classes": list(entry.classes)} if entry.classes else {}),
        "parameters": dict(entry.parameters),
        "patients": entry.patients,
        "positives": entry.positives,
        "rows": entry.rows,
        "ece_before": _estimate_data(entry.ece_before),
        "ece_after": _estimate_data(entry.ece_after),
        "replicates": {
            name: [float(f"{replicate[name]:.{_DIGITS}g}") for replicate in entry.replicates]
            for name in (entry.parameters if entry.replicates else ())
        },
    }


def _box_data(entry: BoxCalibration) -> dict[str, object]:
    hit: dict[str, object] = {"rule": entry.hit.kind.value}
    if entry.hit.value is not None:
        hit["value"] = entry.hit.value
    return {
        "label": entry.label,
        **{name: getattr(entry, name) for name in ("slope", "intercept", "size_slope")},
        **{name: getattr(entry, name) for name in ("patients", "positives", "rows")},
        "hit": hit,
        "ece_before": _estimate_data(entry.ece_before),
        "ece_after": _estimate_data(entry.ece_after),
        **({"head": asdict(entry.head)} if entry.head else {}),
    }


def _point_data(point: OperatingPoint) -> dict[str, object]:
    return {
        "name": point.name,
        "label": str(point.label),
        "level": point.level,
        "threshold": point.threshold,
        "sensitivity": _estimate_data(point.sensitivity),
        "specificity": _estimate_data(point.specificity),
        "measured_on": point.measured_on,
    }


def _estimate_data(estimate: Estimate) -> dict[str, object]:
    data: dict[str, object] = {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "method": estimate.method,
    }
    if estimate.assumes_independent_rows:
        data["assumes_independent_rows"] = True
    if estimate.note:
        data["note"] = estimate.note
    return data


def _read_json(path: Path) -> object:
    try:
        return json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise _error(path, [f"is not JSON: {error}"]) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise _error(path, [f"can't be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise _error(path, ["is not UTF-8 text"]) from error


def _validate(path: Path, data: object, schema: type[_F]) -> _F:
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        raise _error(path, [_describe(problem) for problem in error.errors()]) from error


def _describe(problem: Mapping[str, object]) -> str:
    place = problem["loc"]
    key = ".".join(map(str, place)) if isinstance(place, tuple) and place else "(file)"
    return f"{key}: {problem['msg']}"


def _build(path: Path, makers: Sequence[tuple[str, Callable[[], _T]]]) -> tuple[_T, ...]:
    """Make all objects, or report everything that is wrong with any."""
    made: list[_T] = []
    problems: list[str] = []
    for place, make in makers:
        try:
            made.append(make())
        except ValueError as error:
            problems.append(f"{place}: {error}")
    if problems:
        raise _error(path, problems)
    return tuple(made)


def _unique(path: Path, made: tuple[_T, ...], keys: Sequence[tuple[str, ...]]) -> tuple[_T, ...]:
    twice = sorted({" ".join(key) for key in keys if keys.count(key) > 1})
    if twice:
        raise _error(path, [f"{key}: stands there more than once" for key in twice])
    return made


def _error(path: Path, problems: Sequence[str]) -> PackageError:
    lines = "\n".join(f"  - {problem}" for problem in problems)
    return PackageError(
        f"{path.name}: {len(problems)} problem{'s' if len(problems) != 1 else ''}\n{lines}\n"
        "The package is damaged or of another version: get it again, or run `medrec train` anew"
    )
