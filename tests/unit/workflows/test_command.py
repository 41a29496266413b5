"""The command on a card."""

from pathlib import Path

import pytest

from medrec.config.base import read_config
from medrec.config.training import TrainConfig
from medrec.workflows.command import to_command

SHIPPED = Path(__file__).parents[3] / "configs" / "train" / "mri-brain-tumor-flair.yaml"
CONFIG = read_config(SHIPPED, TrainConfig)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (SHIPPED, "configs/train/mri-brain-tumor-flair.yaml"),
        (Path("mine/my-config.yaml"), "mine/my-config.yaml"),
        (Path("/data/mine/my-config.yaml"), "my-config.yaml"),
    ],
)
def test_a_command_names_the_config_as_given_but_no_folder_of_a_machine(given, named):
    expected = f"medrec train {named} --out RUN --set data.root=FOLDER"

    assert expected == to_command(given, CONFIG, [])


def test_a_command_repeats_what_was_set_but_not_where_the_data_lay():
    overrides = ["seed=2", "data.root=/data/mine/archive", "splits.file=/data/mine/s.csv"]

    expected = "medrec train a.yaml --out RUN --set seed=2 --set splits.file=s.csv"

    assert f"{expected} --set data.root=FOLDER" == to_command(Path("a.yaml"), CONFIG, overrides)


def test_a_command_says_that_a_manifest_was_set_but_not_where_it_lay():
    config = read_config(SHIPPED.with_name("mri-brain-tumor-t1c.yaml"), TrainConfig)
    overrides = ["data.manifest=/data/mine/manifest.csv", "cache.folder=/data/cache"]

    expected = "medrec train a.yaml --out RUN --set data.manifest=MANIFEST"

    assert expected == to_command(Path("a.yaml"), config, overrides)


def test_a_value_with_spaces_is_quoted():
    assert "--set 'data.get_it_from=our archive'" in to_command(
        Path("a.yaml"), CONFIG, ["data.get_it_from=our archive"]
    )
