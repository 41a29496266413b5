"""Which schema a config file follows: its `kind` says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medrec.config.base import Schema, read_yaml, validate
from medrec.config.evaluation import EvaluateConfig
from medrec.config.lesions import LesionsConfig
from medrec.config.pretraining import PretrainConfig
from medrec.config.screening import ScreenConfig
from medrec.config.selection import RulesConfig
from medrec.config.training import TrainConfig
from medrec.errors import ConfigError

SCHEMAS: dict[str, type[Schema]] = {
    "evaluate": EvaluateConfig,
    "lesions": LesionsConfig,
    "pretrain": PretrainConfig,
    "rules": RulesConfig,
    "screen": ScreenConfig,
    "train": TrainConfig,
}


def read_any_config(path: Path) -> Schema:
    """Read a config of any kind.

    Raises:
        ConfigError: No YAML, an unknown `kind`, or values that its schema refuses.
    """
    data = read_yaml(path)
    kind = data.get("kind")
    if kind not in SCHEMAS:
        problem = f"kind: wanted one of {', '.join(SCHEMAS)} (got {kind!r})"
        raise ConfigError(str(path), [problem])
    return validate(data, SCHEMAS[kind], where=str(path))


def json_schema(kind: str) -> dict[str, Any]:
    """The JSON schema of a kind of config, for editors and other programs.

    >>> json_schema("screen")["title"]
    'ScreenConfig'
    """
    return SCHEMAS[kind].model_json_schema()
