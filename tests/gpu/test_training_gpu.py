"""Training and judging on a GPU."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from medrec.data.dataset import SliceDataset
from medrec.domain.reference import Reference
from medrec.models.classifiers import TimmClassifier
from medrec.package.package import open_package
from medrec.preprocess.augment_batch import BatchAugmenter
from medrec.training.fit import FitData, fit_network
from medrec.training.predict import predict_logits
from medrec.training.settings import FitSettings
from tests.training_factory import write_config, write_films

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.fixture
def slices():
    images = torch.rand(64, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    truth = torch.arange(64) % 2
    images[truth == 1, :, 20:40, 20:40] += 0.5
    return SliceDataset(
        images=images.half(),
        targets=truth[:, None].float(),
        references=tuple(Reference(path=f"{n}", patient=f"{n}", labels={}) for n in range(64)),
        labels=("tumor",),
    )


def test_the_gpu_judges_as_the_cpu_does(slices):
    network = TimmClassifier("tf_efficientnet_lite0", label_count=1)

    expected = predict_logits(network, slices, device="cpu")

    assert np.allclose(expected, predict_logits(network, slices, device="cuda"), atol=1e-2)


@pytest.mark.parametrize("precision", ["32", "bf16", "fp16"])
def test_a_network_trains_on_the_gpu(slices, tmp_path, precision):
    torch.manual_seed(1)
    network = TimmClassifier("test_efficientnet", label_count=1)
    settings = FitSettings(epochs=12, batch_size=16, ema_decay=0.9, precision=precision)

    result = fit_network(network, FitData(slices), settings=settings, folder=tmp_path)

    assert result.history[-1].loss < result.history[0].loss
    assert "cpu" == next(result.network.parameters()).device.type


def test_batches_are_changed_on_the_gpu_as_on_the_cpu(slices):
    images, seeds = slices.images.float(), torch.arange(64)
    augment = BatchAugmenter(
        64, flip_left_right=0.5, affine=0.8, rotate_degrees=15, scale=0.1, shift=0.1, shear=0.1,
        gamma=0.5, gamma_range=(0.6, 1.6), intensity=0.5, intensity_scale=0.2, intensity_shift=0.1,
    )  # fmt: skip

    found = augment(images.cuda(), seeds.cuda())

    assert torch.allclose(augment(images, seeds), found.cpu(), atol=1e-3)


def test_noise_on_the_gpu_repeats(slices):
    images, seeds = slices.images.float().cuda(), torch.arange(64).cuda()
    augment = BatchAugmenter(64, noise=1.0, noise_std=0.1)

    assert torch.equal(augment(images, seeds), augment(images, seeds))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="fewer than two CUDA devices")
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("precision", ["32", "bf16", "fp16"])
def test_two_gpus_train_one_package_and_resume_it(tmp_path, strategy, precision):
    films = write_films(tmp_path / "films", ["high", None] * 15, splits=["train", "train", "test"])
    fit = {"epochs": 1, "batch_size": 4, "strategy": strategy, "precision": precision}
    config = write_config(tmp_path, films, fit=fit)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = ["-m", "medrec", "train", str(config), "--out", str(tmp_path / "run")]

    for more in ([], ["--resume"]):
        done = subprocess.run(
            [sys.executable, *launcher, *command, "--device", "cuda", *more],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert 0 == done.returncode, done.stderr
    assert "disc" == open_package(tmp_path / "run" / "model").manifest.name
