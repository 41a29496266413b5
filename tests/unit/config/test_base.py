from __future__ import annotations

import pytest

from medrec.config.base import Schema, apply_overrides, read_yaml, validate
from medrec.errors import ConfigError


class Sample(Schema):
    epochs: int = 1


@pytest.mark.parametrize("text", ["[" * 100_000, "made: 2026-99-99", "size: " + "9" * 5000])
def test_yaml_that_its_reader_chokes_on_is_a_config_error(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError, match="is not YAML"):
        read_yaml(path)


def test_a_date_that_is_none_is_no_value_of_an_override():
    with pytest.raises(ConfigError, match="not a YAML value"):
        apply_overrides({}, ["epochs=2026-99-99"], where="--set")


def test_a_value_of_billions_is_not_written_out(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        validate({"epochs": read_yaml(path)["a11"]}, Sample, where="x")

    assert len(str(caught.value)) < 1000
