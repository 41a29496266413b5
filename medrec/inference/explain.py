"""Where the model looked: Grad-CAM in the pixels of the source slice, 1 = important.

Selvaraju et al., Grad-CAM, ICCV 2017: activations of the last convolutional stage, weighted by the
mean gradient of the logit, negative parts cut. Captum computes it; medrec maps it to the source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from captum.attr import LayerGradCam
from scipy import ndimage
from torch import nn

from medrec.models.bags import BagClassifier
from medrec.models.ensemble import members_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medrec.domain.volume import Volume
    from medrec.models.classifiers import TimmClassifier
    from medrec.models.volumes import VolumeClassifier

_NOTHING = 1e-12
_AS_HOT = 0.999


def gradcam(network: nn.Module, image: torch.Tensor, *, label: int) -> NDArray[np.float64]:
    """Explain one network input (1, H, W): a map (H, W) in [0, 1], all 0 if nothing speaks.

    An ensemble's is the sum of its members' maps, each in the unit of its own logit: a member whose
    logit hangs on a place more strongly counts for more there, as it does in the mean logit.

    Raises:
        WeightsError: The network's features have no place in the picture, so there is no map.
    """
    judges = [one.encoder if isinstance(one, BagClassifier) else one for one in members_of(network)]
    maps = [_map(cast("TimmClassifier", one), image, label) for one in judges]
    heat: NDArray[np.float64] = torch.stack(maps).sum(dim=0).cpu().double().numpy()
    return heat / heat.max() if heat.max() > _NOTHING else np.zeros_like(heat)


def _map(network: TimmClassifier, image: torch.Tensor, label: int) -> torch.Tensor:
    """The map (H, W) of one network, not below 0, in the unit of its logit."""
    # Captum takes the second axis for that of channels, so it reads a copy in this order.
    in_order = nn.Identity()

    def pass_in_order(_: nn.Module, __: object, features: torch.Tensor) -> torch.Tensor:
        axis = network.channel_axis(features)
        ordered: torch.Tensor = in_order(features.movedim(axis, 1))
        return ordered.movedim(1, axis)

    explainer = LayerGradCam(lambda batch: network(batch).logits, in_order)
    with network.explained_layer.register_forward_hook(pass_in_order), torch.enable_grad():
        coarse = explainer.attribute(image[None], target=label, relu_attributions=True)
    fine = torch.nn.functional.interpolate(
        _turn_back(coarse.detach().float()),
        size=image.shape[-2:],
        mode="bilinear",
        align_corners=False,
    )
    return fine[0, 0]


def gradcam_box(network: nn.Module, voxels: torch.Tensor, *, label: int) -> NDArray[np.float64]:
    """Explain the input (1, D, H, W) of a 3D network: a map (D, H, W), as `gradcam` does."""
    maps = [_box_map(cast("VolumeClassifier", one), voxels, label) for one in members_of(network)]
    heat: NDArray[np.float64] = torch.stack(maps).sum(dim=0).cpu().double().numpy()
    return heat / heat.max() if heat.max() > _NOTHING else np.zeros_like(heat)


def _box_map(network: VolumeClassifier, voxels: torch.Tensor, label: int) -> torch.Tensor:
    explainer = LayerGradCam(lambda batch: network(batch).logits, network.explained_layer)
    with torch.enable_grad():
        coarse = explainer.attribute(voxels[None], target=label, relu_attributions=True)
    fine = torch.nn.functional.interpolate(
        coarse.detach().float(), size=voxels.shape[-3:], mode="trilinear", align_corners=False
    )
    return fine[0, 0]


def source_slice_of(
    box: NDArray[np.float64] | None, to_source: NDArray[np.float64], volume: Volume
) -> int:
    """The slice through the hottest voxel of a map (D, H, W), or the middle one without a map."""
    if box is None or not box.any():
        return volume.slice_count // 2
    # The middle of the hottest voxels: interpolation holds its edge values over a width of voxels.
    place = np.argwhere(box >= box.max() * _AS_HOT).mean(axis=0)
    stored = to_source @ np.append(place, 1.0)
    return int(np.clip(np.rint(stored[volume.slice_axis]), 0, volume.slice_count - 1))


def box_to_source_slice(
    box: NDArray[np.float64], to_source: NDArray[np.float64], volume: Volume, number: int
) -> NDArray[np.float64]:
    """Carry a map (D, H, W) to one source slice (rows, columns); 0 outside the box."""
    earlier, later = (axis for axis in range(3) if axis != volume.slice_axis)
    stored = volume.voxels.shape[1:]
    columns, rows = stored[earlier], stored[later]
    places = np.ones((4, rows, columns))
    places[volume.slice_axis] = number
    places[later], places[earlier] = np.indices((rows, columns))
    to_box = np.linalg.inv(to_source)[:3]
    moved = ndimage.map_coordinates(
        box, np.tensordot(to_box, places, axes=1), order=1, mode="constant"
    )
    clipped: NDArray[np.float64] = np.clip(moved, 0.0, 1.0)
    return clipped


def _turn_back(maps: torch.Tensor) -> torch.Tensor:
    """Add the map of the mirror image, turned back, where the network judged that one too."""
    return maps[:1] + maps[1:].flip(-1).sum(dim=0, keepdim=True)


def to_source_pixels(
    heat: NDArray[np.float64], to_source: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Carry a map (H, W) of the model input to the source slice (rows, columns).

    `to_source` (3, 3) maps input pixels (x, y, 1) to source pixels (x, y, 1). What lies outside the
    input's field is 0.
    """
    to_input = np.linalg.inv(to_source)
    swap = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # scipy's order is (y, x)
    matrix = swap @ to_input @ swap
    moved = ndimage.affine_transform(heat, matrix, output_shape=shape, order=1, mode="constant")
    clipped: NDArray[np.float64] = np.clip(moved, 0.0, 1.0)
    return clipped
