"""2D classifiers over timm backbones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import timm
import torch
from torch import nn

from medrec.errors import WeightsError
from medrec.models.outputs import ClassifierOutput

_LAST_LAYER_STD = 0.01


@dataclass(frozen=True, slots=True)
class Grey:
    """Mean and standard deviation that a backbone's first weights expect of a grey image."""

    mean: float
    std: float


class TimmClassifier(nn.Module):
    """Judge one-channel pictures with any backbone that timm knows.

    Args:
        backbone: A name of `timm.list_models()`.
        label_count: Number of logits.
        dropout: Before the last layer.
        drop_path: Stochastic depth, where the backbone has it.
        size_px: Side of the pictures; only backbones of fixed input size ask for it.
        mirror_average: Once trained, judge a picture and its left-right mirror image, and answer
            with the mean of their logits.

    Raises:
        WeightsError: timm doesn't know the backbone.
    """

    def __init__(
        self,
        backbone: str,
        *,
        label_count: int,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        size_px: int | None = None,
        mirror_average: bool = False,
    ) -> None:
        super().__init__()
        self._mirrors = mirror_average
        facts = timm.get_pretrained_cfg(backbone) if timm.is_model(backbone) else None
        if facts is None:
            message = f"timm knows no backbone {backbone!r}; `timm.list_models()` lists them"
            raise WeightsError(message)
        fixed: dict[str, Any] = {"img_size": size_px} if size_px and facts.fixed_input_size else {}
        made: Any = timm.create_model(
            backbone,
            pretrained=False,  # never a download: see medrec.models.weights
            in_chans=1,
            num_classes=label_count,
            drop_rate=dropout,
            drop_path_rate=drop_path,
            **fixed,
        )
        _start_undecided(made.get_classifier())
        # Convolutions on the CPU run about four times as fast on pixels stored side by side.
        self.backbone: nn.Module = made.to(memory_format=torch.channels_last)
        # One grey channel stands for three equal ones, so it is scaled as their mean.
        self._grey = Grey(sum(facts.mean) / len(facts.mean), sum(facts.std) / len(facts.std))

    def forward(self, images: torch.Tensor) -> ClassifierOutput:
        """Judge images (B, 1, H, W) float32 in [0, 1]."""
        if self._mirrors and not self.training:
            # One pass over both, so that Grad-CAM finds the features of both in one place.
            logits = self._logits(torch.cat([images, images.flip(-1)]))
            return ClassifierOutput(logits=torch.stack(logits.chunk(2)).mean(dim=0))
        return ClassifierOutput(logits=self._logits(images))

    def _logits(self, images: torch.Tensor) -> torch.Tensor:
        scaled = (images - self._grey.mean) / self._grey.std
        logits: torch.Tensor = self.backbone(scaled.contiguous(memory_format=torch.channels_last))
        return logits.float()

    @property
    def explained_layer(self) -> nn.Module:
        """The module whose activations (B, C, h, w) Grad-CAM reads: the last stage with a place.

        Raises:
            WeightsError: The backbone keeps no picture of features (a plain transformer).
        """
        stages = getattr(self.backbone, "feature_info", None) or []
        if not stages:
            message = "this backbone has no feature map that could explain its answer"
            raise WeightsError(message)
        module: nn.Module = self.backbone.get_submodule(stages[-1]["module"])
        return module


def _start_undecided(last_layer: nn.Module) -> None:
    """Begin with logits near 0.

    timm's EfficientNets draw the last weights by the number of logits, so that with one label
    the first logits are in the tens and the first epochs are spent on taking them back.
    """
    for name, weights in last_layer.named_parameters():
        if name.endswith("weight"):
            nn.init.trunc_normal_(weights, std=_LAST_LAYER_STD)
        else:
            nn.init.zeros_(weights)
