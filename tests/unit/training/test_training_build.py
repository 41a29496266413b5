"""Fits from their config."""

import torch

from medrec.config.model import ModelConfig, NoWeights
from medrec.config.training import FitConfig, OptimiserConfig
from medrec.training.build import build_network, build_settings


def test_every_field_of_the_config_reaches_the_settings():
    config = FitConfig(
        epochs=3,
        batch_size=5,
        workers=1,
        optimiser=OptimiserConfig(learning_rate=0.5),
        logger="none",
    )

    built = build_settings(config, seed=7)

    blocks = {"optimiser", "unfreeze", "early_stop", "keep", "tune"}
    fields = config.model_dump(exclude=blocks) | config.optimiser.model_dump() | {"seed": 7}
    assert all(getattr(built, name) == value for name, value in fields.items())
    assert len(fields) == 22


def test_random_weights_depend_on_the_seed_alone():
    config = ModelConfig(backbone="test_resnet", weights=NoWeights())

    one, again, other = (
        build_network(config, label_count=2, size_px=32, seed=seed).state_dict()
        for seed in (1, 1, 2)
    )

    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["backbone.fc.weight"], other["backbone.fc.weight"])
