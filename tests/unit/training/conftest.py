"""Tiny networks and data."""

import pytest
import torch

from medrec.data.dataset import SliceDataset
from medrec.domain.reference import Reference
from medrec.models.classifiers import TimmClassifier
from medrec.training.settings import FitSettings


@pytest.fixture(autouse=True)
def _one_thread():
    """On pictures this small, threads cost more than they give."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def slices():
    """24 pictures of 32 px; every second one has a bright square and is positive."""
    count = 24
    images = 0.3 * torch.rand(count, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    truth = torch.arange(count) % 2
    images[truth == 1, :, 10:20, 10:20] += 0.5
    return SliceDataset(
        images=images.half(),
        targets=truth[:, None].float(),
        references=tuple(Reference(path=f"{n}", patient=f"{n}", labels={}) for n in range(count)),
        labels=("tumor",),
    )


@pytest.fixture
def settings():
    return FitSettings(epochs=2, batch_size=8, ema_decay=0.9)


@pytest.fixture
def network():
    def make(seed=0, **changes):
        torch.manual_seed(seed)
        return TimmClassifier("test_efficientnet", label_count=1, dropout=0.2, **changes)

    return make
