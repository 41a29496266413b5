"""An acceptance test as `acceptance.json`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from medrec.evaluation.detectability import USUAL, DetectedSize
from medrec.evaluation.home_curves import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medrec.evaluation.acceptance import AcceptanceResult
    from medrec.evaluation.acceptance_lines import Line
    from medrec.evaluation.detectability import Detectability
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.home_curves import HomeCurves
    from medrec.evaluation.trials import Share

_DIGITS = 6


def to_json(
    result: AcceptanceResult,
    *,
    design: Mapping[str, object],
    seed: int,
    recipe: Mapping[str, Any],
    provenance: Mapping[str, object],
) -> dict[str, object]:
    """All of it as JSON has it; `recipe` is the config that lesions were drawn by."""
    return {
        "schema": SCHEMA,
        "lines": [_line(line) for line in result.lines],
        "sensitivity": {
            name: _shares(name, shares, result.home) for name, shares in result.sensitivity.items()
        },
        "zone_by_size": {
            zone: _shares("", shares, None) for zone, shares in result.zone_by_size.items()
        },
        "detected_at": _detected(result.detectability, result.mm_per_width),
        "curve": _curve(result.detectability),
        "score_rise": _figure(result.score_rise),
        "look": {
            name: {"mean": _round(fact.mean), "deviation": _round(fact.deviation)}
            for name, fact in result.look.items()
        },
        "unlike_home": list(result.unalike),
        "scale": _round(result.scale),
        "counts": {
            "scans": result.scans, "patients": result.patients, "lesions": result.lesions
        },
        "notes": list(result.notes),
        "design": dict(design),
        "seed": seed,
        "recipe": dict(recipe),
        "provenance": dict(provenance),
    }  # fmt: skip


def to_text(data: Mapping[str, object]) -> str:
    """JSON as it stands in the file."""
    return json.dumps(data, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _line(line: Line) -> dict[str, object]:
    data: dict[str, object] = {
        "name": line.name,
        "here": _figure(line.here),
        "home": _figure(line.home),
        "n": line.n,
        "verdict": line.verdict and str(line.verdict),
    }
    if line.loss is not None:
        data["loss"] = _figure(line.loss)
    return data


def _figure(figure: Estimate | DetectedSize | None) -> dict[str, object] | None:
    if figure is None:
        return None
    return {
        "value": _round(figure.value),
        "low": _round(figure.low),
        "high": _round(figure.high),
    }


def _shares(
    dimension: str, shares: Mapping[str, Share], home: HomeCurves | None
) -> dict[str, object]:
    there = home.sensitivity.get(dimension, {}) if home else {}
    return {
        name: {
            **(_figure(share.estimate) or {}),
            "n": share.n,
            **({"home": _figure(there.get(name))} if home else {}),
        }
        for name, share in shares.items()
    }


def _detected(found: Detectability | None, mm_per_width: float | None) -> dict[str, object] | None:
    if found is None:
        return None

    def one(size: DetectedSize) -> dict[str, object] | None:
        if size.value is None:
            return None
        mm = {} if mm_per_width is None else {"mm": _round(size.value * mm_per_width)}
        return {**(_figure(size) or {}), **mm}

    return {"strength": USUAL, "p50": one(found.p50), "p90": one(found.p90)}


def _curve(found: Detectability | None) -> dict[str, object] | None:
    if found is None:
        return None
    curve = found.curve
    names = ("middle", "width", "trade", "guess", "lapse")
    return {
        "parameters": {name: _round(getattr(curve, name)) for name in names},
        "points": [
            {
                "size": _round(point.size),
                "strength": point.strength,
                **(_figure(point.share) or {}),
            }
            for point in found.points
        ],
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
