"""2D classifiers over timm backbones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import timm
import torch
from torch import nn

from medrec.errors import WeightsError
from medrec.models.outputs import ClassifierOutput

if TYPE_CHECKING:
    from collections.abc import Sequence

_LAST_LAYER_STD = 0.01
_PICTURE_NDIM = 4


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
        WeightsError: timm doesn't know the backbone, or can't make it as it is asked for.
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
        made = _create(backbone, drop_path, num_classes=label_count, drop_rate=dropout, **fixed)
        last = made.get_classifier()
        for layer in last if isinstance(last, tuple) else (last,):  # distilled ones have two
            _start_undecided(layer)
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
        logits: torch.Tensor = self.backbone(self._scaled(images))
        return logits.float()

    def _scaled(self, images: torch.Tensor) -> torch.Tensor:
        scaled = (images - self._grey.mean) / self._grey.std
        return scaled.contiguous(memory_format=torch.channels_last)

    def features(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (B, F) before the last layer and logits (B, K) of images (B, 1, H, W).

        Raises:
            WeightsError: The backbone's last layer is no plain linear one.
        """
        backbone: Any = self.backbone
        last = self._last_linear()
        maps = backbone.forward_features(self._scaled(images))
        features: torch.Tensor = backbone.forward_head(maps, pre_logits=True)
        return features, last(features)

    @property
    def feature_count(self) -> int:
        """Length F of `features`.

        Raises:
            WeightsError: The backbone's last layer is no plain linear one.
        """
        return int(self._last_linear().in_features)

    def _last_linear(self) -> nn.Linear:
        last = self.backbone.get_classifier()  # type: ignore[operator]
        if isinstance(last, nn.Linear):
            return last
        message = "attention needs a backbone whose last layer is linear: take another one"
        raise WeightsError(message)

    def keep_stages(self, strides: Sequence[int]) -> tuple[tuple[int, ...], list[int]]:
        """Drop what comes after the stages of these strides; their numbers, and their channels.

        Raises:
            WeightsError: The backbone has no stage of one of the strides, or can't be cut.
        """
        backbone: Any = self.backbone
        known = {facts["reduction"]: n for n, facts in enumerate(backbone.feature_info)}
        missing = [stride for stride in strides if stride not in known]
        if missing or not hasattr(backbone, "forward_intermediates"):
            message = (
                f"the backbone gives features of strides {', '.join(map(str, known))} px, not of "
                f"{', '.join(map(str, missing or strides))}: a detector needs a pyramid; take a "
                "convolutional backbone, or another model.finest_stride"
            )
            raise WeightsError(message)
        numbers = tuple(known[stride] for stride in strides)
        backbone.prune_intermediate_layers(list(numbers), prune_norm=True, prune_head=True)
        return numbers, [backbone.feature_info[number]["num_chs"] for number in numbers]

    def stages(self, images: torch.Tensor, numbers: Sequence[int]) -> list[torch.Tensor]:
        """Features (B, C, h, w) of some stages, by their numbers, of images (B, 1, H, W)."""
        backbone: Any = self.backbone
        found: list[torch.Tensor] = backbone.forward_intermediates(
            self._scaled(images), indices=list(numbers), intermediates_only=True
        )
        return found

    @property
    def explained_layer(self) -> nn.Module:
        """The module whose activations Grad-CAM reads: the last stage that timm names.

        Raises:
            WeightsError: timm names no stage of the backbone.
        """
        stages: Any = getattr(self.backbone, "feature_info", [])
        try:
            module: nn.Module = self.backbone.get_submodule(stages[-1]["module"])
        except (IndexError, KeyError, AttributeError) as error:
            message = "timm names no stage of this network whose features could explain its answer"
            raise WeightsError(message) from error
        return module

    def channel_axis(self, features: object) -> int:
        """The axis of channels in activations (B, C, h, w) or (B, h, w, C) of `explained_layer`.

        The axis as long as timm says that the stage has channels; if both or neither are, timm's
        word on the order counts.

        Raises:
            WeightsError: The activations keep no picture: tokens (B, N, C) of a transformer.
        """
        if not isinstance(features, torch.Tensor) or features.ndim != _PICTURE_NDIM:
            message = "this network keeps tokens in place of a picture of features"
            raise WeightsError(message)
        count = self.backbone.feature_info[-1].get("num_chs")  # type: ignore[union-attr, index]
        fitting = [axis for axis in (1, 3) if features.shape[axis] == count]
        if len(fitting) == 1:
            return fitting[0]
        return 3 if getattr(self.backbone, "output_fmt", "NCHW") == "NHWC" else 1


def _create(backbone: str, drop_path: float, **facts: Any) -> Any:  # noqa: ANN401 (timm's)
    """Make an untrained backbone; what timm says of options that it can't take is one message.

    A `drop_path` of 0 is asked for by name (some have another default) where the backbone has it.
    """
    # Never a download: see medrec.models.weights.
    facts = {"pretrained": False, "in_chans": 1, **facts}
    try:
        try:
            return timm.create_model(backbone, drop_path_rate=drop_path, **facts)
        except TypeError:
            if drop_path:
                raise
            return timm.create_model(backbone, **facts)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        message = (
            f"timm can't make the backbone {backbone!r} as asked: {reason}. Leave out the option "
            "that it names (drop_path, dropout, size_px), or take another backbone"
        )
        raise WeightsError(message) from error


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
