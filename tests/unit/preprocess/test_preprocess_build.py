"""Preprocessing from its config."""

from medrec.config.preprocess import AugmentConfig, Percentiles, PreprocessConfig
from medrec.preprocess.build import build_augmenter, build_preprocessor


def test_every_field_of_the_config_reaches_the_preprocessor():
    config = PreprocessConfig(
        size_px=64,
        crop="none",
        intensity=Percentiles(lower=2, upper=98, clip=False),
        blank_fraction=0.2,
        foreground_fraction=0.3,
        crop_margin=0.1,
    )

    built = build_preprocessor(config)

    fields = config.model_dump(
        exclude={"intensity", "volume_size", "spacing_mm"}
    ) | config.intensity.model_dump(exclude={"kind"})
    assert all(getattr(built, name) == value for name, value in fields.items())
    assert len(fields) >= 8


def test_every_field_of_the_config_reaches_the_augmenter():
    config = AugmentConfig(dropout=0.25, noise_std=0.01)

    built = build_augmenter(config, size_px=64)

    fields = config.model_dump()
    assert all(getattr(built, name) == value for name, value in fields.items())
    assert len(fields) >= 20
