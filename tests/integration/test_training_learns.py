"""From NIfTI files and masks to a network that has learned something."""

import nibabel
import numpy as np
import pytest

from medrec.config.data import MasksData
from medrec.config.model import ModelConfig, NoWeights
from medrec.config.preprocess import AugmentConfig, PreprocessConfig
from medrec.config.training import FitConfig, OptimiserConfig, SplitConfig
from medrec.data.build import build_references, build_splits
from medrec.data.dataset import prepare_slices
from medrec.data.leakage import check_leakage
from medrec.domain.reference import Split
from medrec.evaluation.discrimination import auroc
from medrec.preprocess.build import build_augmenter, build_preprocessor
from medrec.training.build import build_network, build_settings
from medrec.training.fit import FitData, fit_network
from medrec.training.predict import predict_logits

LABELS = ["tumor"]
SIZE_PX = 48


def add_patient(folder, rng):
    """A noisy head of 10 slices with a bright ball in two to four of them."""
    shape = (40, 48, 10)
    centred = [np.linspace(-1, 1, n)[tuple(np.s_[:] if a == b else None for b in range(3))]
               for a, n in enumerate(shape)]  # fmt: skip
    head = (centred[0] / 0.8) ** 2 + (centred[1] / 0.9) ** 2 + (centred[2] / 3) ** 2 < 1
    voxels = np.where(head, rng.normal(100, 8, shape), 0)
    middle = rng.integers((14, 16, 2), (26, 32, 8))
    index = np.indices(shape).T
    ball = (np.linalg.norm((index - middle) / (5, 5, rng.uniform(1, 2)), axis=-1) < 1).T & head
    voxels[ball] += 60
    folder.mkdir()
    affine = np.diag([-1.0, -1.0, 5.0, 1.0])
    for name, content in (("flair", voxels.clip(0)), ("mask", ball)):
        image = nibabel.Nifti1Image(content.astype(np.uint8), affine)
        nibabel.save(image, folder / f"{name}.nii.gz")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    root = tmp_path_factory.mktemp("archive")
    for number in range(16):
        add_patient(root / f"P{number:02d}", np.random.default_rng(number))
    return root


@pytest.fixture
def prepared(archive, tmp_path):
    data = MasksData(
        kind="masks", root=archive, images="*/flair.nii.gz", mask="mask.nii.gz", get_it_from="-"
    )
    references, root = build_references(data, labels=LABELS, folder=tmp_path)
    plan = build_splits(SplitConfig(file="splits.csv"), references, folder=tmp_path)
    frozen = build_splits(SplitConfig(file="splits.csv", seed=9), references, folder=tmp_path)
    assert frozen.assignment == plan.assignment
    slices = prepare_slices(
        references,
        root=root,
        prepare=build_preprocessor(PreprocessConfig(size_px=SIZE_PX)),
        labels=LABELS,
    )
    check_leakage(slices.references, plan, digests=slices.digests())
    return slices, plan


def fit(slices, folder, *, epochs):
    model = ModelConfig(backbone="test_efficientnet", weights=NoWeights(), dropout=0.0)
    config = FitConfig(epochs=epochs, optimiser=OptimiserConfig(learning_rate=3e-3, ema_decay=0.9))
    return fit_network(
        build_network(model, label_count=1, size_px=SIZE_PX, seed=1),
        FitData(slices, augment=build_augmenter(AugmentConfig(), size_px=SIZE_PX)),
        settings=build_settings(config, seed=1),
        folder=folder,
        device="cpu",
    )


def test_an_archive_trains_a_network_that_judges_the_test(prepared, tmp_path):
    slices, plan = prepared
    train, test = (slices.subset(plan.rows_of(slices.references, split))
                   for split in (Split.TRAIN, Split.TEST))  # fmt: skip

    result = fit(train, tmp_path / "fit", epochs=2)

    logits = predict_logits(result.network, test)
    assert (100, 1) == logits.shape
    assert np.isfinite(logits).all()
    assert 2 == len(result.history)


@pytest.mark.slow
def test_a_network_learns_what_a_bright_ball_looks_like(prepared, tmp_path):
    slices, plan = prepared
    train, test = (slices.subset(plan.rows_of(slices.references, split))
                   for split in (Split.TEST, Split.TRAIN))  # fmt: skip

    result = fit(train, tmp_path / "fit", epochs=40)

    seen, unseen = (
        auroc(part.targets[:, 0].numpy() == 1, predict_logits(result.network, part)[:, 0])
        for part in (train, test)
    )
    assert seen > 0.99
    assert unseen > 0.95
