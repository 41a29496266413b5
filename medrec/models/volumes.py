"""True 3D classifiers: MONAI's networks with one head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from monai.networks.nets.densenet import DenseNet121
from monai.networks.nets.resnet import ResNet, resnet10, resnet18
from monai.networks.nets.swin_unetr import SwinTransformer
from torch import nn

from medrec.errors import WeightsError
from medrec.models.outputs import ClassifierOutput
from medrec.models.weights import read_state

if TYPE_CHECKING:
    from pathlib import Path

Architecture = Literal["densenet121", "resnet10", "resnet18", "swin"]

_CHANNELS = {"densenet121": 1024, "resnet10": 512, "resnet18": 512, "swin": 384}
_SWIN_FEATURES = 24
_MIDDLE, _HALF_SPAN = 0.5, 0.5
_LAST_LAYER_STD = 0.01
_SHOWN = 8
_PREFIXES = ("module.", "swinViT.")
_HEADS = ("fc.", "class_layers.")


class VolumeClassifier(nn.Module):
    """Judge whole volumes.

    Args:
        architecture: Which of MONAI's networks makes the features.
        label_count: Number of logits.
        dropout: Before the last layer.
    """

    def __init__(
        self, architecture: Architecture, *, label_count: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self._architecture = architecture
        self.encoder = _encoder(architecture)
        self.explained_layer = nn.Identity()
        """Grad-CAM reads the features (B, C, d, h, w) that pass here."""
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(_CHANNELS[architecture], label_count)
        nn.init.trunc_normal_(self.last.weight, std=_LAST_LAYER_STD)
        nn.init.zeros_(self.last.bias)

    def forward(self, volumes: torch.Tensor) -> ClassifierOutput:
        """Judge volumes (B, 1, D, H, W) float32 in [0, 1]."""
        features = self._features((volumes - _MIDDLE) / _HALF_SPAN)
        pooled = self.explained_layer(features).mean(dim=(2, 3, 4))
        logits: torch.Tensor = self.last(self.dropout(pooled))
        return ClassifierOutput(logits=logits.float())

    def _features(self, volumes: torch.Tensor) -> torch.Tensor:
        features: Any = self.encoder(volumes)
        last: torch.Tensor = features[-1] if self._architecture == "swin" else features
        return last

    def load_encoder(self, path: Path, *, sha256: str) -> None:
        """Give the encoder weights of a local file in MONAI's names; a head in it is passed over.

        Raises:
            WeightsError: Unreadable, of another checksum, or of other names or shapes.
        """
        given = {}
        for name, tensor in read_state(path, sha256=sha256).items():
            for prefix in _PREFIXES:
                name = name.removeprefix(prefix)  # noqa: PLW2901 (the same name, shortened)
            if not name.startswith(_HEADS):
                given[name] = tensor
        try:
            self.encoder.load_state_dict(given)
        except RuntimeError as error:
            first = "\n".join(str(error).splitlines()[:_SHOWN])
            message = f"{path}: does not fit the encoder {self._architecture}: {first}"
            raise WeightsError(message) from error


class _DenseEncoder(nn.Module):
    """MONAI's DenseNet up to its head; names of tensors are those of the whole."""

    def __init__(self) -> None:
        super().__init__()
        whole: Any = DenseNet121(spatial_dims=3, in_channels=1, out_channels=1)
        self.features: nn.Module = whole.features

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.features(volumes))


class _ResEncoder(nn.Module):
    """MONAI's ResNet up to its head; names of tensors are those of the whole."""

    def __init__(self, whole: ResNet) -> None:
        super().__init__()
        for name in ("conv1", "bn1", "act", "maxpool", "layer1", "layer2", "layer3", "layer4"):
            self.add_module(name, getattr(whole, name))

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        for module in self.children():
            volumes = module(volumes)
        return volumes


def _encoder(architecture: Architecture) -> nn.Module:
    facts: dict[str, Any] = {"spatial_dims": 3, "n_input_channels": 1, "num_classes": 1}
    match architecture:
        case "densenet121":
            return _DenseEncoder()
        case "resnet10":
            return _ResEncoder(resnet10(**facts, bias_downsample=False))
        case "resnet18":
            return _ResEncoder(resnet18(**facts, shortcut_type="A", bias_downsample=True))
        case "swin":
            swin: nn.Module = SwinTransformer(
                in_chans=1,
                embed_dim=_SWIN_FEATURES,
                window_size=(7, 7, 7),
                patch_size=(2, 2, 2),
                depths=(2, 2, 2, 2),
                num_heads=(3, 6, 12, 24),
                spatial_dims=3,
            )
            return swin
