"""Logits of prepared slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medrec.models.ensemble import members_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from medrec.data.dataset import SliceDataset
    from medrec.data.volumes import VolumeDataset
    from medrec.models.finder import Finder, Found


def predict_logits(
    network: nn.Module, slices: SliceDataset, *, device: str = "cpu", batch_size: int = 64
) -> NDArray[np.float64]:
    """Judge all rows, in order: (N, K) float64. The network is left on its device.

    `device` is `cpu`, `cuda`, `cuda:N`, or `auto` for the GPU where there is one.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    home = next(network.parameters()).device
    network.eval().to(device)
    with torch.inference_mode():
        logits = [
            network(slices.images[start : start + batch_size].float().to(device)).logits.cpu()
            for start in range(0, len(slices), batch_size)
        ]
    network.to(home)
    found: NDArray[np.float64] = torch.cat(logits).double().numpy()
    return found


def predict_volumes(
    network: nn.Module, volumes: VolumeDataset, *, device: str = "cpu"
) -> NDArray[np.float64]:
    """Judge volumes one by one, with all their slices: (V, K) float64; as `predict_logits`."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    home = next(network.parameters()).device
    network.eval().to(device)
    with torch.inference_mode():
        logits = [network(item[None].float().to(device)).logits.cpu() for item in volumes.items]
    network.to(home)
    found: NDArray[np.float64] = torch.cat(logits).double().numpy()
    return found


def predict_boxes(
    network: nn.Module, pictures: Sequence[torch.Tensor], *, finder: Finder, device: str = "cpu"
) -> list[Found]:
    """Look for boxes in each picture (1, H, W), or volume, as screening does; on the CPU."""
    home = next(network.parameters()).device
    network.eval().to(device)
    with torch.inference_mode():
        found = [
            finder(members_of(network), picture[None].float().to(device))[0].to("cpu")  # type: ignore[arg-type]
            for picture in pictures
        ]
    network.to(home)
    return found
