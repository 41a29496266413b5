"""Every config in the repository is valid, and its JSON schema is that of the code."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from medrec.config.base import Schema
from medrec.config.kinds import SCHEMAS, json_schema, read_any_config
from medrec.config.planting import SHIPPED
from medrec.errors import ConfigError

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
FILES = sorted(path for path in CONFIGS.rglob("*") if path.suffix in {".yaml", ".yml"})


def writer():
    spec = importlib.util.spec_from_file_location("write_schemas", CONFIGS / "write_schemas.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_configs_of_every_kind():
    kinds = {read_any_config(path).kind for path in FILES}

    assert len(FILES) >= 4
    assert set(SCHEMAS) == kinds


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_a_config_is_valid_and_lies_in_the_folder_of_its_kind(path):
    config = read_any_config(path)

    assert isinstance(config, Schema)
    assert path.parent.name == config.kind


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_schema_of_a_kind_is_up_to_date(kind):
    written = (CONFIGS / "schema" / f"{kind}.json").read_text(encoding="utf-8")

    assert written == writer().to_text(kind), "run `make schema`"


def test_the_recipes_that_the_package_brings_are_those_of_the_configs():
    recipes = sorted((CONFIGS / "lesions").glob("*.yaml"))

    assert [path.name for path in recipes] == sorted(path.name for path in SHIPPED.glob("*.yaml"))
    for path in recipes:
        shipped = (SHIPPED / path.name).read_text(encoding="utf-8")
        assert shipped == writer().to_shipped(path), "run `make schema`"


def test_no_schema_is_left_over_from_a_kind_that_is_gone():
    assert set(SCHEMAS) == {path.stem for path in (CONFIGS / "schema").glob("*.json")}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_tells_its_kind_and_refuses_unknown_keys(kind):
    schema = json_schema(kind)

    assert kind == schema["properties"]["kind"]["const"]
    assert schema["additionalProperties"] is False
    assert json.dumps(schema)


def test_an_unknown_kind_is_refused_with_the_known_ones(tmp_path):
    path = tmp_path / "odd.yaml"
    path.write_text("kind: screening\n", encoding="utf-8")

    with pytest.raises(
        ConfigError,
        match=r"wanted one of evaluate, lesions, pretrain, rules, screen, train.*'screening'",
    ):
        read_any_config(path)


def test_the_licence_text_that_a_training_config_names_exists():
    texts = [
        path.parent / config.card.license_text
        for path in FILES
        if (config := read_any_config(path)).kind == "train" and config.card.license_text
    ]

    assert texts
    assert [] == [str(text) for text in texts if not text.is_file()]
