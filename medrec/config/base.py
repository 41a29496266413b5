"""How a config file is read: safe_load, strict schema, all problems at once, `--set` overrides."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from medrec.errors import ConfigError

BAD_YAML = (yaml.YAMLError, ValueError, RecursionError)
"""What PyYAML raises: ValueError on dates and numbers that are none, RecursionError on nesting."""

_SHOWN = reprlib.Repr()
# Aliases let a few lines of YAML stand for billions of values: none may be written out whole.
_SHOWN.maxlevel, _SHOWN.maxstring, _SHOWN.maxother = 2, 80, 80


class Schema(BaseModel):
    """Base of all schemas: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


S = TypeVar("S", bound=Schema)


def read_config(path: Path, schema: type[S], *, overrides: Sequence[str] = ()) -> S:
    """Read a YAML config, apply `a.b=c` overrides, validate it.

    Raises:
        ConfigError: Unreadable YAML, or values the schema refuses; every problem is listed.
    """
    data = apply_overrides(read_yaml(path), overrides, where=str(path))
    return validate(data, schema, where=str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that must hold a mapping.

    Raises:
        ConfigError: Missing, no YAML, or no mapping.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), [f"can't be read: {error.strerror}"]) from error
    except BAD_YAML as error:
        raise ConfigError(str(path), [f"is not YAML: {error}"]) from error
    if not isinstance(data, dict):
        raise ConfigError(str(path), ["must hold a mapping of keys to values"])
    return data


def validate(data: Mapping[str, Any], schema: type[S], *, where: str) -> S:
    """Validate data against a schema; each problem names its key, what was wrong and what came.

    Raises:
        ConfigError: With all problems at once.
    """
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        raise ConfigError(where, [_describe(problem) for problem in error.errors()]) from error


def _describe(problem: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in problem["loc"]) or "(file)"
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; `medrec config schema` lists the known ones"
    if problem["type"] == "missing":
        return f"{key}: is required and missing"
    return f"{key}: {problem['msg']} (got {_SHOWN.repr(problem['input'])})"


def apply_overrides(
    data: Mapping[str, Any], overrides: Sequence[str], *, where: str
) -> dict[str, Any]:
    """Set `a.b=c` in nested mappings; the value is read as YAML.

    >>> apply_overrides({"fit": {"epochs": 6}}, ["fit.epochs=2"], where="--set")
    {'fit': {'epochs': 2}}

    Raises:
        ConfigError: An override without `=`, or one that reaches into a plain value.
    """
    result = _deep_copy(data)
    problems = [problem for text in overrides if (problem := _set_one(result, text))]
    if problems:
        raise ConfigError(where, problems)
    return result


def _deep_copy(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _deep_copy(value) if isinstance(value, dict) else value for key, value in data.items()
    }


def _set_one(data: dict[str, Any], text: str) -> str | None:
    """Apply one override in place; return what is wrong with it, if anything."""
    key, equals, value = text.partition("=")
    *parents, last = key.split(".")
    if not equals or not all([*parents, last]):
        return f"--set {text}: wanted KEY=VALUE, such as fit.epochs=2"
    for parent in parents:
        child = data.setdefault(parent, {})
        if not isinstance(child, dict):
            return f"--set {text}: {parent} is a plain value and has no keys"
        data = child
    try:
        data[last] = yaml.safe_load(value)
    except BAD_YAML:
        return f"""--set {text}: not a YAML value; put quotes around it: --set '{key}="{value}"'"""
    return None
