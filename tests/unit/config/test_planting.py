"""The plant block of a training config."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from planting_factory import DETECTOR, RECIPE, RECIPES, a_planting_config

from medrec.config.base import validate
from medrec.config.planting import planted_class, resolve_recipe, shipped_recipes
from medrec.config.training import TrainConfig
from medrec.errors import ConfigError
from medrec.workflows.planting import read_asked
from medrec.workflows.versions import digest_of_fit

TYPED = {**DETECTOR, "classes": {"solid": "nodule", "ground_glass": "nodule"}}


def a_config(**changes):
    return validate(a_planting_config(Path("films.csv"), **changes), TrainConfig, where="config")


def without_plant():
    facts = a_planting_config(Path("films.csv"))
    del facts["plant"]
    return facts


def test_a_config_without_the_block_has_the_digest_that_it_always_had():
    facts = without_plant()
    absent = validate(facts, TrainConfig, where="config")
    empty = validate({**facts, "plant": None}, TrainConfig, where="config")

    assert digest_of_fit(absent) == digest_of_fit(empty)
    assert "plant" not in absent.model_dump(exclude_none=True)
    assert digest_of_fit(absent) != digest_of_fit(a_config())


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        ({"share": 0}, "plant.share: Input should be greater than 0 (got 0)"),
        ({"share": 1.5}, "plant.share: Input should be less than or equal to 1 (got 1.5)"),
        ({"share": "many"}, "plant.share"),
        ({"lesions": [3, 1]}, "lesions: 3 to 1 counts downward"),
        ({"lesions": [0, 1]}, "greater than or equal to 1"),
        ({"lesions": [1, 2, 3]}, "plant.lesions"),
        ({"colour": "red"}, "plant.colour: unknown key"),
        ({"label": "mass"}, "plant.label: 'mass' is none of the labels nodule"),
        ({"type": "solid"}, "plant.type: a classifier_2d has no classes of boxes"),
    ],
)
def test_what_means_nothing_is_refused_with_its_key(plant, expected):
    with pytest.raises(ConfigError) as refused:
        a_config(plant={"recipe": str(RECIPE), **plant})

    assert expected in str(refused.value)


def test_a_block_without_a_recipe_is_refused():
    with pytest.raises(ConfigError, match=r"plant\.recipe: is required"):
        a_config(plant={"share": 0.5})


def test_networks_of_whole_volumes_are_refused_for_now():
    volumes = {"kind": "classifier_slices", "backbone": "test_efficientnet", "slices": 4}
    scope = {"modality": ["MR"], "body_part": ["BRAIN"]}

    with pytest.raises(ConfigError, match="aren't planted for a classifier_slices"):
        a_config(model=volumes, scope=scope)


def test_labels_that_exclude_each_other_are_refused():
    with pytest.raises(ConfigError, match="would make two true at once"):
        a_config(labels=["nodule", "mass"], exclusive=[["nodule", "mass"]])


@pytest.mark.parametrize(("name", "expected"), [("solid", 0), ("ground_glass", 1)])
def test_planted_boxes_have_the_class_that_is_named(name, expected):
    plant = {"recipe": str(RECIPE), "type": name}

    config = a_config(model=TYPED, plant=plant)

    assert expected == planted_class(config.plant, "nodule", TYPED["classes"])


def test_several_classes_of_a_label_ask_for_a_name():
    with pytest.raises(ConfigError, match="name the class of planted boxes, one of solid, ground"):
        a_config(model=TYPED)


def test_a_class_of_another_label_is_refused():
    with pytest.raises(ConfigError, match="'calcified' is no class of nodule: wanted solid"):
        a_config(model=TYPED, plant={"recipe": str(RECIPE), "type": "calcified"})


def write(folder, **changes):
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(a_planting_config(Path("films.csv"), **changes)))
    return path


def test_a_recipe_is_read_from_beside_the_config_and_its_words_make_the_digest(tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(RECIPE.read_text(encoding="utf-8"), encoding="utf-8")
    path = write(tmp_path, plant={"recipe": "mine.yaml"})
    first = read_asked(path, ())

    recipe.write_text(recipe.read_text().replace("high: 4.0", "high: 3.0"), encoding="utf-8")

    assert "xray-chest" == first.plant.recipe.name
    assert digest_of_fit(first) != digest_of_fit(read_asked(path, ()))
    assert digest_of_fit(first) == digest_of_fit(read_asked(write(tmp_path), ()))


def test_a_recipe_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        read_asked(write(tmp_path, plant={"recipe": "nowhere.yaml"}), ())


@pytest.mark.parametrize(
    ("name", "scope", "expected"),
    [
        ("xray-mammography", {}, r"for mammograms \(MG\), and scope.modality is CR"),
        ("mri-brain", {}, "is for brain MRI"),
        ("xray-chest", {"modality": ["MG"]}, r"for chest films \(CR, DX\), and scope.modality"),
        ("xray-chest", {"modality": []}, "scope.modality is empty"),
        ("xray-chest", {"body_part": ["HAND"]}, "scope.body_part is HAND; wanted CHEST"),
    ],
)
def test_a_recipe_for_other_scans_is_refused(tmp_path, name, scope, expected):
    facts = a_planting_config(Path("films.csv"))["scope"]
    path = write(
        tmp_path, plant={"recipe": str(RECIPES / f"{name}.yaml")}, scope={**facts, **scope}
    )

    with pytest.raises(ConfigError, match=expected):
        read_asked(path, ())


def test_an_evaluation_recipe_is_a_recipe(tmp_path):
    path = write(tmp_path, plant={"recipe": str(RECIPES / "xray-chest-evaluation.yaml")})

    assert "xray-chest-evaluation" == read_asked(path, ()).plant.recipe.name


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_recipe_that_medrec_brings_is_found_by_its_name(tmp_path, name):
    assert name == resolve_recipe(Path(name), folder=tmp_path).name


def test_a_name_that_nobody_knows_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(ConfigError, match="wanted one of mri-brain, xray-chest, xray-chest-eval"):
        read_asked(write(tmp_path, plant={"recipe": "xray-chets"}), ())


def test_a_file_beside_the_config_goes_before_a_name(tmp_path):
    text = RECIPE.read_text(encoding="utf-8").replace("name: xray-chest", "name: my-own")
    (tmp_path / "xray-chest").write_text(text, encoding="utf-8")

    assert "my-own" == resolve_recipe(Path("xray-chest"), folder=tmp_path).name
