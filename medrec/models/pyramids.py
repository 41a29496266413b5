"""Features of several scales, fine ones told by coarse ones what they see: what detectors read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Literal

import torch
from monai.networks.blocks.feature_pyramid_network import FeaturePyramidNetwork
from monai.networks.layers.factories import Conv
from monai.networks.nets.resnet import resnet10, resnet18
from torch import nn

from medrec.errors import WeightsError
from medrec.models.weights import read_state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medrec.models.classifiers import TimmClassifier

Architecture = Literal["resnet10", "resnet18"]

_COARSEST = 32
_SHOWN = 8
_STAGES = ("layer1", "layer2", "layer3", "layer4")
_CHANNELS = (64, 128, 256, 512)
_MIDDLE, _HALF_SPAN = 0.5, 0.5


class Pyramid(nn.Module, ABC):
    """MONAI's top-down pyramid over the stages of a backbone, and coarser levels above it.

    MONAI's own extractor is not taken: it fixes 256 channels, four times the weights and the time
    of the 128 that suffice here.

    Args:
        widths: Channels of the stages, finest first.
        strides: A cell's sides in pixels on each level, the levels above the stages included.
        channels: Of every level.
    """

    def __init__(
        self, widths: Sequence[int], *, strides: Sequence[tuple[int, ...]], channels: int
    ) -> None:
        super().__init__()
        dims = len(strides[0])
        self.strides, self.channels, self.dims = tuple(strides), channels, dims
        self.deepest = widths[-1]
        """Channels of the coarsest stage."""
        self.top_down = FeaturePyramidNetwork(dims, list(widths), channels)
        conv: Any = Conv[Conv.CONV, dims]
        self.coarser = nn.ModuleList(
            conv(channels, channels, kernel_size=3, stride=2, padding=1)
            for _ in range(len(strides) - len(widths))
        )

    def forward(self, images: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """The levels (B, channels, ...) of images (B, 1, ...), and the coarsest stage."""
        stages = self.stages(images)
        named = OrderedDict((str(n), stage) for n, stage in enumerate(stages))
        levels = list(self.top_down(named).values())
        for more in self.coarser:
            levels.append(more(torch.relu(levels[-1])))
        return levels, stages[-1]

    def keep_finest(self) -> None:
        """Drop the weights of levels that nobody reads: several devices need a gradient for all."""
        self.coarser = nn.ModuleList()
        for level in range(1, len(self.top_down.layer_blocks)):
            self.top_down.layer_blocks[level] = nn.Identity()

    @abstractmethod
    def stages(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The backbone's features, finest first."""


class TimmPyramid(Pyramid):
    """A pyramid over a timm backbone, whose first weights stay.

    Args:
        network: A classifier; what comes after the last stage that is needed is cut off it.
        finest_stride: Pixels along a cell of the finest level: a power of 2.
        levels: Each one's cells are twice as large as the one's before.
        channels: Of every level.

    Raises:
        WeightsError: The backbone has no stages of such strides.
    """

    def __init__(
        self, network: TimmClassifier, *, finest_stride: int, levels: int, channels: int
    ) -> None:
        strides = [finest_stride * 2**n for n in range(levels)]
        below = [stride for stride in strides if stride <= _COARSEST]
        numbers, widths = network.keep_stages(below)
        super().__init__(widths, strides=[(s, s) for s in strides], channels=channels)
        self._numbers = numbers
        self.encoder = network
        self.to(memory_format=torch.channels_last)

    def stages(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Features of images (B, 1, H, W) float32 in [0, 1]."""
        return self.encoder.stages(images, self._numbers)


class VolumePyramid(Pyramid):
    """A pyramid over a residual network of MONAI.

    Args:
        architecture: `resnet10` or `resnet18`, built as MedicalNet's weights ask for.
        depth_stride: Slices that the first layer takes in one step, 1 or 2: 1 where slices are
            thicker than pixels are wide.
        first_stage: Of the stages 1 to 4, the finest one that is used; its cells are 4 px wide at
            stage 1, and twice as wide at each next one.
        levels: How many.
        channels: Of every level.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        depth_stride: int,
        first_stage: int,
        levels: int,
        channels: int,
    ) -> None:
        used = _STAGES[first_stage - 1 :][:levels]
        strides = [
            (2 * depth_stride * 2 ** (first_stage - 1 + n), *(2 ** (first_stage + 1 + n),) * 2)
            for n in range(levels)
        ]
        super().__init__(
            [_CHANNELS[_STAGES.index(name)] for name in used], strides=strides, channels=channels
        )
        self._used = used
        whole = _whole(architecture, depth_stride)
        names = ("conv1", "bn1", "act", "maxpool", *_STAGES[: _STAGES.index(used[-1]) + 1])
        self.encoder = nn.ModuleDict({name: getattr(whole, name) for name in names})

    def stages(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Features of volumes (B, 1, D, H, W) float32 in [0, 1]."""
        features = (images - _MIDDLE) / _HALF_SPAN
        found = []
        for name, module in self.encoder.items():
            features = module(features)
            if name in self._used:
                found.append(features)
        return found

    def load_encoder(self, path: Path, *, sha256: str) -> None:
        """Give the encoder weights of a local file in MONAI's names; more in it is passed over.

        Raises:
            WeightsError: Unreadable, of another checksum, or of other names or shapes.
        """
        given = {
            name.removeprefix("module."): tensor
            for name, tensor in read_state(path, sha256=sha256).items()
        }
        own = self.encoder.state_dict()
        try:
            self.encoder.load_state_dict({name: given[name] for name in own if name in given})
        except RuntimeError as error:
            first = "\n".join(str(error).splitlines()[:_SHOWN])
            message = f"{path}: does not fit the encoder of the detector: {first}"
            raise WeightsError(message) from error


def _whole(architecture: Architecture, depth_stride: int) -> Any:  # noqa: ANN401 (MONAI's)
    facts: dict[str, Any] = {
        "spatial_dims": 3, "n_input_channels": 1, "num_classes": 1,
        "conv1_t_stride": (depth_stride, 2, 2),
    }  # fmt: skip
    match architecture:
        case "resnet10":
            return resnet10(**facts, bias_downsample=False)
        case "resnet18":
            return resnet18(**facts, shortcut_type="A", bias_downsample=True)
