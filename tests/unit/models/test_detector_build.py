from __future__ import annotations

from typing import Any

import pytest
import torch

from medrec.config.base import validate
from medrec.config.model import (
    DetectorConfig,
    VolumeDetectorConfig,
    classes_of,
    label_columns,
)
from medrec.config.preprocess import AugmentConfig, PreprocessConfig
from medrec.config.training import TrainConfig
from medrec.errors import ConfigError
from medrec.models.build import build_detector, build_finder
from medrec.preprocess.augment_boxes import BoxAugmenter
from medrec.preprocess.build import build_any_augmenter
from medrec.training.build import build_detection

SMALL: dict[str, Any] = {"levels": 2, "channels": 8}


def _flat(**changes: Any) -> DetectorConfig:
    facts = {
        "kind": "detector_2d",
        "backbone": "test_efficientnet",
        "weights": {"kind": "none"},
        **SMALL,
    }
    return DetectorConfig.model_validate({**facts, **changes})


def _config(model: dict[str, Any], **changes: Any) -> TrainConfig:
    words = dict.fromkeys(("summary", "intended_use", "training_data"), "x")
    card = {**words, "limits": [], "license": "CC0-1.0"}
    facts = {
        "kind": "train",
        "name": "finder",
        "labels": ["tumor"],
        "primary_label": "tumor",
        "data": {"kind": "manifest", "manifest": "m.csv"},
        "scope": {"modality": ["MR"], "body_part": ["BRAIN"]},
        "model": {"kind": "detector_2d", **model},
        "card": card,
    }
    return validate({**facts, **changes}, TrainConfig, where="test")


def test_without_classes_the_labels_are_the_classes():
    assert {"tumor": "tumor", "cyst": "cyst"} == classes_of(_flat(), ["tumor", "cyst"])


def test_classes_belong_to_the_columns_of_their_labels():
    config = _flat(classes={"glioma": "tumor", "cyst": "cyst", "meningioma": "tumor"})
    assert [1, 0, 1] == label_columns(config, ["cyst", "tumor"])


def test_a_detector_of_centre_points_has_one_anchor_on_its_finest_level():
    config = _flat(head="centre", anchors=[[[20.0, 20.0]]], finest_stride=4)
    detector = build_detector(config, label_of=[0], label_count=1)
    assert (16 * 16,) == detector(torch.rand(1, 1, 64, 64)).level_sizes
    assert "centre" == build_detection(config).loss.matching


def test_a_loss_that_centre_points_would_not_learn_by_is_refused():
    with pytest.raises(ValueError, match="class_loss: hard_negative is of anchors"):
        _flat(head="centre", class_loss="hard_negative")


def test_anchors_that_don_t_fit_the_levels_are_refused():
    with pytest.raises(ValueError, match="wanted 1 for each of 2 levels"):
        _flat(anchors=[[[20.0, 20.0]]])


def test_a_detector_of_volumes_is_built_from_its_config():
    config = VolumeDetectorConfig.model_validate(
        {"kind": "detector_3d", "anchors": [[[8.0] * 3], [[16.0] * 3]], "image_head": True, **SMALL}
    )
    output = build_detector(config, label_of=[0], label_count=1)(torch.rand(1, 1, 8, 32, 32))
    assert output.image_logits is not None
    assert 6 == output.boxes.shape[-1]


def test_stages_that_a_residual_network_lacks_are_refused():
    with pytest.raises(ValueError, match="from stage 3 there are 2"):
        VolumeDetectorConfig(kind="detector_3d", first_stage=3, levels=3)


def test_the_finder_has_the_windows_and_mirrors_of_the_config():
    finder = build_finder(_flat(window_px=64, boxes={"mirror": True, "lowest_score": 0.5}))
    assert finder.windows is not None
    assert (64, 64) == finder.windows.size
    assert (1,) == finder.mirrors
    assert 0.0 == finder.rules.lowest_logit


def test_windows_of_volumes_are_learned_from_and_looked_through_alike():
    config = VolumeDetectorConfig(kind="detector_3d", window_size=(16, 64, 64), lesion_share=0.7)
    preprocess = PreprocessConfig(volume_size=(32, 96, 96))
    augment = build_any_augmenter(AugmentConfig(), preprocess, config, label_of=[0])
    finder = build_finder(config)
    assert isinstance(augment, BoxAugmenter)
    assert finder.windows is not None
    assert (16, 64, 64) == augment.window == finder.windows.size
    assert (0.7, 0.5) == (augment.lesion_share, finder.windows.overlap)


@pytest.mark.parametrize(
    ("model", "changes", "problem"),
    [
        ({"classes": {"glioma": "cancer"}}, {}, "'cancer' is none of the labels"),
        ({}, {"fit": {"mixup": 0.2}}, "mixup"),
        ({}, {"fit": {"augment_on": "device"}}, "augment_on"),
        ({"window_px": 512}, {"preprocess": {"size_px": 256}}, "window_px"),
        ({}, {"labels": ["tumor", "cyst"], "exclusive": [["tumor", "cyst"]]}, "exclusive"),
        ({}, {"preprocess": {"volume_size": [16, 64, 64]}}, "volume_size"),
        ({"kind": "detector_3d"}, {}, "volume_size"),
        (
            {"kind": "detector_3d", "window_size": [16, 96, 64]},
            {"preprocess": {"volume_size": [16, 64, 64]}},
            "window_size: larger",
        ),
        (
            {"kind": "detector_3d", "lesion_share": 0.0},
            {"preprocess": {"volume_size": [16, 64, 64]}},
            "add model.window_size",
        ),
    ],
)
def test_what_a_detector_can_t_do_is_refused_before_anything_is_read(model, changes, problem):
    with pytest.raises(ConfigError, match=problem):
        _config(model, **changes)


def test_a_classifier_has_nothing_to_find():
    assert build_detection(_config({"kind": "classifier_2d"}).model) is None
