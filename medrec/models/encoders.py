"""Networks without their last layer: what pretraining fits, and what is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    import torch

    from medrec.models.classifiers import TimmClassifier


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
        return {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in self._network.backbone.state_dict().items()
        }
