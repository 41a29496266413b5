"""Networks without their last layer: what pretraining fits, and what is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from monai.networks.nets.resnet import resnet10, resnet18
from torch import nn

if TYPE_CHECKING:
    import torch

    from medrec.models.classifiers import TimmClassifier

Architecture = Literal["resnet10", "resnet18"]

_STAGES = ("conv1", "bn1", "act", "maxpool", "layer1", "layer2", "layer3", "layer4")
_MIDDLE, _HALF_SPAN = 0.5, 0.5


class PictureEncoder(nn.Module):
    """Turn one-channel pictures into vectors of features.

    Args:
        network: A classifier with first weights; its last layer is removed from it.
    """

    def __init__(self, network: TimmClassifier) -> None:
        super().__init__()
        backbone: Any = network.backbone
        backbone.reset_classifier(0)
        self._network = network
        self.feature_count = int(backbone.head_hidden_size)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (B, feature_count) float32 of images (B, 1, H, W) float32 in [0, 1]."""
        features: torch.Tensor = self._network(images).logits  # without a last layer, its input
        return features

    def backbone_state(self) -> dict[str, torch.Tensor]:
        """The weights under timm's names, as `medrec.models.weights.load_file` reads them."""
        return _plain(self._network.backbone)


class VolumeEncoder(nn.Module):
    """Turn volumes into volumes of features, by MONAI's residual networks.

    Args:
        architecture: `resnet10` or `resnet18`, built as MedicalNet's weights ask for.
    """

    stride = 16
    """Voxels along an edge for one of the features."""
    feature_count = 512

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        facts: dict[str, Any] = {"spatial_dims": 3, "n_input_channels": 1, "num_classes": 1}
        whole: Any
        match architecture:
            case "resnet10":
                whole = resnet10(**facts, bias_downsample=False)
            case "resnet18":
                whole = resnet18(**facts, shortcut_type="A", bias_downsample=True)
        for name in _STAGES:
            self.add_module(name, getattr(whole, name))

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Features (B, C, D/16, H/16, W/16) of volumes (B, 1, D, H, W) float32 in [0, 1]."""
        features = (volumes - _MIDDLE) / _HALF_SPAN
        for name in _STAGES:
            features = self.get_submodule(name)(features)
        return features

    def backbone_state(self) -> dict[str, torch.Tensor]:
        """The weights under MONAI's names, without a head."""
        return _plain(self)


def _plain(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
