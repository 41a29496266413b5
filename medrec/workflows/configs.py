"""`medrec config`: list, show and check configs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from medrec.config.kinds import SCHEMAS, json_schema, read_any_config
from medrec.domain.counting import counted
from medrec.errors import ConfigError, MedrecError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def list_configs(folder: Path) -> list[list[str]]:
    """Path, kind and number of problems of every YAML file below a folder.

    Raises:
        MedrecError: No such folder.
    """
    if not folder.is_dir():
        message = (
            f"{folder} is no folder: name the one with your configs; medrec's own lie in the "
            "folder configs of its source"
        )
        raise MedrecError(message)
    return [_row(path) for path in sorted(folder.rglob("*.yaml"))]


def show_config(path: Path) -> str:
    """A config as YAML with every default filled in."""
    data = read_any_config(path).model_dump(mode="json")
    return yaml.safe_dump(data, sort_keys=False, width=100).rstrip()


def validate_configs(paths: Sequence[Path]) -> list[str]:
    """Check every file; one line for each good one.

    Raises:
        ConfigError: Files with problems; all problems of all files.
    """
    problems, good = [], []
    for path in paths:
        try:
            good.append(f"{path}: a valid {read_any_config(path).model_dump()['kind']} config")
        except ConfigError as error:
            problems += [f"{error.where}: {problem}" for problem in error.problems]
    if problems:
        msg = f"{counted(len(paths), 'file', 'files')} checked"
        raise ConfigError(msg, problems)
    return good


def config_schema(kind: str | None) -> dict[str, Any]:
    """The JSON schema of one kind, or of all by kind.

    Raises:
        MedrecError: An unknown kind.
    """
    if kind is None:
        return {name: json_schema(name) for name in SCHEMAS}
    if kind not in SCHEMAS:
        message = f"{kind} is no kind of config: wanted one of {', '.join(SCHEMAS)}"
        raise MedrecError(message)
    return json_schema(kind)


def _row(path: Path) -> list[str]:
    try:
        return [str(path), str(read_any_config(path).model_dump()["kind"]), "0"]
    except ConfigError as error:
        return [str(path), "?", str(len(error.problems))]
