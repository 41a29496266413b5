"""Every family of backbones learns real slices by heart, by the engine that trains."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from medrec.data.dataset import SliceDataset, prepare_slices
from medrec.domain.finding import Label
from medrec.domain.reference import Reference
from medrec.models.classifiers import TimmClassifier
from medrec.preprocess.pipeline import Preprocessor
from medrec.training.fit import FitData, fit_network
from medrec.training.losses import masked_bce
from medrec.training.predict import predict_logits
from medrec.training.settings import FitSettings

SAMPLES = Path(__file__).resolve().parents[2] / "data_samples"
SCANS = ("brain1/image.nii.gz", "brain2/image.nii.gz", "healthy/colin27_t1.nii.gz")
IMAGES, SIZE_PX = 32, 64


@dataclass(frozen=True)
class Recipe:
    """A rate at which a family learns 32 pictures by heart, and how many rounds that takes."""

    rate: float
    epochs: int
    batch_size: int = 8
    repeats: int = 1
    """How often a round shows each: a checkpoint of VGG, one a round, takes gigabytes."""


# The smallest variant that timm has of each family.
FAMILIES = {
    "test_resnet": Recipe(0.003, 24),
    "vgg11": Recipe(0.0002, 1, batch_size=16, repeats=36),
    "test_efficientnet": Recipe(0.003, 15),
    "densenet121": Recipe(0.0003, 12),
    "test_convnext": Recipe(0.003, 18),
    "test_maxvit": Recipe(0.001, 27),
    "test_coatnet": Recipe(0.003, 30),
    "test_vit": Recipe(0.002, 70),
}


@pytest.fixture(scope="module")
def pictures():
    """Slices of the shipped MRIs, each a patient; a coin decides which half is positive."""
    everything = prepare_slices(
        [Reference(path=path, patient=path, labels={}) for path in SCANS],
        root=SAMPLES,
        prepare=Preprocessor(size_px=SIZE_PX),
        labels=[Label("coin")],
    )
    rows = np.linspace(0, len(everything) - 1, IMAGES).round().astype(int).tolist()
    truth = np.random.default_rng(0).permutation(np.arange(IMAGES) % 2)
    return SliceDataset(
        images=everything.images[rows],
        targets=torch.as_tensor(truth)[:, None].float(),
        references=tuple(Reference(path=f"{n}", patient=f"{n}", labels={}) for n in rows),
        labels=(Label("coin"),),
    )


@pytest.mark.slow
@pytest.mark.parametrize("backbone", FAMILIES)
def test_each_family_learns_32_real_slices_by_heart(backbone, pictures, tmp_path):
    recipe = FAMILIES[backbone]
    torch.manual_seed(1)
    network = TimmClassifier(backbone, label_count=1, size_px=SIZE_PX)
    settings = FitSettings(
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        learning_rate=recipe.rate,
        ema_decay=0.8,
    )

    learned = pictures.subset([*range(IMAGES)] * recipe.repeats)
    fitted = fit_network(
        network, FitData(learned), settings=settings, folder=tmp_path, device="cpu"
    )

    logits = predict_logits(fitted.network, pictures)
    assert 1 == roc_auc_score(pictures.targets[:, 0], logits[:, 0])
    assert 0.1 > masked_bce(torch.as_tensor(logits), pictures.targets)
