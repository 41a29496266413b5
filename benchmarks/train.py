"""How much of the speed of a network is left once real pictures must be fed to it.

Steps a second of one network and batch size, in turns: a batch that is resident (nothing to feed),
medrec's cache, augmentation and loader, and a plain script with MONAI's PersistentDataset and
PyTorch's DataLoader, with the same transforms in MONAI's own words. The ratio to the resident batch
is wanted at 0.9 or more.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import warnings
from math import radians
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import torch
from monai import transforms as mt  # noqa: TID251 (the peer)
from monai.data.dataset import PersistentDataset
from torch.utils.data import DataLoader

from medrec.config.preprocess import AugmentConfig
from medrec.data.build import build_cache
from medrec.data.dataset import prepare_slices
from medrec.domain.finding import Label
from medrec.domain.reference import Reference
from medrec.models.classifiers import TimmClassifier
from medrec.preprocess.augment_batch import BATCHED
from medrec.preprocess.build import build_augmenter, build_batch_augmenter
from medrec.preprocess.pipeline import Preprocessor
from medrec.training.losses import masked_bce
from medrec.training.sampling import augment_batch, training_loader
from medrec.training.settings import FitSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Feed = Iterator[tuple[torch.Tensor, torch.Tensor]]

LABEL = Label("tumor")
RESIDENT = "a resident batch"
CONFIG = AugmentConfig()


def arguments() -> argparse.Namespace:
    """What is measured, and for how long."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--root", type=Path, help="a folder with NIfTI volumes, instead of noise")
    parser.add_argument("--images", default="**/*.nii.gz", help="which of its files")
    parser.add_argument("--most", type=int, default=8, help="volumes to take")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--augment-on", choices=("worker", "device"), default="worker")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=4, help="timed, of each feed in each round")
    return parser.parse_args()


def make_volumes(folder: Path, count: int) -> None:
    """Noisy ellipsoids, 240 x 240 x 24, 8 bit: as large as an MR series, and as hard to pack."""
    axes = np.ogrid[-1:1:240j, -1:1:240j, -1:1:24j]
    head = (axes[0] / 0.7) ** 2 + (axes[1] / 0.9) ** 2 + (axes[2] / 1.5) ** 2 < 1
    for number in range(count):
        noise = np.random.default_rng(number).normal(100, 30, head.shape)
        voxels = np.where(head, noise.clip(1, 255), 0).astype(np.uint8)
        affine = np.diag([-1.0, -1.0, 5.0, 1.0])
        nibabel.save(nibabel.Nifti1Image(voxels, affine), folder / f"{number}.nii.gz")


def feed_resident(asked: argparse.Namespace) -> Feed:
    """The same batch for ever."""
    images = torch.rand(asked.batch, 1, asked.size, asked.size, device=asked.device)
    targets = (torch.arange(asked.batch, device=asked.device) % 2)[:, None].float()
    while True:
        yield images, targets


def feed_medrec(asked: argparse.Namespace, paths: list[Path], folder: Path) -> Feed:
    """The cache, the augmentation and the loader as `medrec train` puts them together."""
    prepare = Preprocessor(size_px=asked.size)
    slices = prepare_slices(
        [Reference(str(path), str(n), {LABEL: False}) for n, path in enumerate(paths)],
        root=Path("/"),
        prepare=prepare,
        labels=[LABEL],
        cache=build_cache(None, prepare, folder=folder),
    )
    on_device = asked.augment_on == "device"
    augment = build_augmenter(CONFIG, size_px=asked.size, without=BATCHED if on_device else ())
    settings = FitSettings(
        batch_size=asked.batch, workers=asked.workers, augment_on=asked.augment_on
    )
    loader: Any = training_loader(slices, settings, augment=augment)
    change = build_batch_augmenter(CONFIG, size_px=asked.size)
    epoch = 0
    while True:
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            images, targets = augment_batch([part.to(asked.device) for part in batch], change)
            yield images, targets
        epoch += 1


def feed_monai(asked: argparse.Namespace, paths: list[Path], folder: Path) -> Feed:
    """What a script would do by MONAI's book: one item a slice, cached up to what is random."""
    items = [
        {"image": str(path), "slice": number}
        for path in paths
        for number in range(nibabel.load(path).shape[2])
    ]
    dataset = PersistentDataset(items, _plain_transforms(asked.size), cache_dir=folder)
    loader: Any = DataLoader(
        dataset,
        batch_size=asked.batch,
        shuffle=True,
        drop_last=True,
        num_workers=asked.workers,
        persistent_workers=asked.workers > 0,
    )
    for _ in dataset:  # fill the cache, as the other one is filled
        pass
    targets = torch.zeros(asked.batch, 1, device=asked.device)
    while True:
        for batch in loader:
            yield torch.as_tensor(batch["image"]).to(asked.device), targets


def _plain_transforms(size: int) -> Any:  # noqa: ANN401
    c, key = CONFIG, ["image"]
    shift, angle = c.shift * size, radians(c.rotate_degrees)
    return mt.Compose(
        [
            mt.LoadImaged(key),
            mt.EnsureChannelFirstd(key),
            _TakeSlice(),
            mt.CropForegroundd(key, source_key="image", allow_smaller=True),
            mt.ScaleIntensityRangePercentilesd(key, 1, 99, 0, 1, clip=True),
            mt.Resized(key, size, size_mode="longest", mode="bilinear", anti_aliasing=True),
            mt.SpatialPadd(key, (size, size)),
            mt.SelectItemsd(key),
            mt.RandFlipd(key, prob=c.flip_left_right, spatial_axis=1),
            mt.RandAffined(
                key,
                prob=c.affine,
                rotate_range=angle,
                shear_range=(c.shear, c.shear),
                translate_range=(shift, shift),
                scale_range=(c.scale, c.scale),
                padding_mode="zeros",
            ),
            mt.RandAdjustContrastd(key, prob=c.gamma, gamma=c.gamma_range),
            mt.RandScaleIntensityd(key, factors=c.intensity_scale, prob=c.intensity),
            mt.RandShiftIntensityd(key, offsets=c.intensity_shift, prob=c.intensity),
            mt.RandBiasFieldd(
                key,
                prob=c.bias_field,
                coeff_range=(-c.bias_field_strength, c.bias_field_strength),
            ),
            mt.RandGaussianNoised(key, prob=c.noise, std=c.noise_std),
            mt.RandGaussianSmoothd(
                key, prob=c.blur, sigma_x=c.blur_sigma_px, sigma_y=c.blur_sigma_px
            ),
            mt.RandSimulateLowResolutiond(
                key,
                prob=c.low_resolution,
                zoom_range=c.low_resolution_zoom,
                downsample_mode="area",
                upsample_mode="bilinear",
            ),
        ]
    )


class _TakeSlice(mt.Transform):
    """Of a volume (1, I, J, K) the slice that the item names, (1, I, J)."""

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "image": item["image"].as_tensor()[..., item["slice"]].float()}


def step_maker(asked: argparse.Namespace) -> Callable[[torch.Tensor, torch.Tensor], None]:
    """One step of a fit: forward, loss, backward, AdamW."""
    network = TimmClassifier(asked.backbone, label_count=1).to(asked.device).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)

    def step(images: torch.Tensor, targets: torch.Tensor) -> None:
        optimiser.zero_grad()
        masked_bce(network(images).logits, targets).backward()
        optimiser.step()

    return step


def steps_a_second(feed: Feed, step: Any, asked: argparse.Namespace, *, ahead: int) -> float:  # noqa: ANN401
    """Time a few steps, once the batches that were made `ahead` in the meantime are used up."""
    for _ in range(1 + ahead):
        step(*next(feed))
    _wait_for(asked.device)
    started = time.perf_counter()
    for _ in range(asked.steps):
        step(*next(feed))
    _wait_for(asked.device)
    return asked.steps / (time.perf_counter() - started)


def _tell(progress: str) -> None:
    """Beside the figures: on a machine that does other things a round may take minutes."""
    print(progress, file=sys.stderr, flush=True)


def _wait_for(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def main() -> None:
    """Measure in turns; print medians and ratios."""
    warnings.filterwarnings("ignore")
    asked = arguments()
    step = step_maker(asked)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        (folder := Path(work) / "scans").mkdir()
        if asked.root is None:
            make_volumes(folder, asked.most)
        root = (asked.root or folder).resolve()
        paths = sorted(root.glob(asked.images))[: asked.most]
        feeds = {
            RESIDENT: feed_resident(asked),
            "medrec's cache and loader": feed_medrec(asked, paths, Path(work) / "cache"),
            "MONAI's PersistentDataset": feed_monai(asked, paths, Path(work) / "monai"),
        }
        speeds: dict[str, list[float]] = {name: [] for name in feeds}
        # PyTorch has two batches a process made in advance.
        ahead = dict.fromkeys(feeds, 2 * asked.workers) | {RESIDENT: 0}
        for number in range(asked.rounds):
            for name, feed in feeds.items():
                found = steps_a_second(feed, step, asked, ahead=ahead[name])
                speeds[name].append(found)
                _tell(f"round {number + 1} of {asked.rounds}: {name}: {found:.3f} steps a second")
    resident = speeds[RESIDENT]
    threads, load = torch.get_num_threads(), os.getloadavg()[0]
    print(
        f"{asked.backbone}, {asked.size} px, {asked.batch} a batch, {asked.workers} workers, "
        f"{asked.device}, {threads} threads, {len(paths)} volumes, load average {load:.1f}"
    )
    for name, found in speeds.items():
        shares = [one / most for one, most in zip(found, resident, strict=True)]
        print(
            f"{name:<28} {statistics.median(found):7.3f} steps a second, "
            f"{statistics.median(shares):.2f} of the resident batch "
            f"({min(shares):.2f} to {max(shares):.2f})"
        )


if __name__ == "__main__":
    main()
