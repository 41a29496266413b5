"""From a package to the objects that compute: the network and the preprocessor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from medrec.config.exclusive import columns_of
from medrec.config.model import label_columns
from medrec.errors import PackageError
from medrec.models.build import build_any
from medrec.models.ensemble import Ensemble
from medrec.models.exclusive import make_exclusive
from medrec.package.package import MANIFEST
from medrec.preprocess.build import build_any_preprocessor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from torch import nn

    from medrec.package.contract import PackageManifest
    from medrec.package.package import ModelPackage
    from medrec.preprocess.pipeline import Preprocessor
    from medrec.preprocess.volumes import VolumePreprocessor

_MEMBERS = "members."
"""How the names of an ensemble's tensors begin; the number of the member follows."""
_LETTERS_SHOWN = 600
"""Of what PyTorch says of weights that don't fit: it names every tensor."""


def load_network(package: ModelPackage, *, device: str) -> nn.Module:
    """Build the network, or the ensemble, and fill it with the package's weights.

    It comes in float32 and in evaluation mode, and returns a ClassifierOutput.

    Raises:
        PackageError: Weights that are torn, no numbers, of another number of members, or that don't
            fit the network that the package names.
    """
    manifest = package.manifest
    try:
        state = {name: _widen(tensor) for name, tensor in load_file(package.weights).items()}
        _check_members(package, state)
        network = _build(manifest)
        network.load_state_dict(state)
    except (SafetensorError, RuntimeError) as error:
        said = str(error)
        said = said if len(said) <= _LETTERS_SHOWN else f"{said[:_LETTERS_SHOWN]} and so on"
        message = f"{package.weights} does not fit the network {manifest.model.backbone}: {said}"
        raise PackageError(message) from error
    lost = [name for name, tensor in state.items() if not tensor.isfinite().all()]
    if lost:
        message = f"{package.weights} holds weights that are no numbers, such as {lost[0]}"
        raise PackageError(message)
    return network.eval().to(device)


def _build(manifest: PackageManifest) -> nn.Module:
    exclusive = columns_of(manifest.labels, manifest.exclusive)

    def build() -> nn.Module:
        network = build_any(
            manifest.model,
            label_count=len(manifest.labels),
            label_of=label_columns(manifest.model, manifest.labels),
            pretrained=False,
            size_px=manifest.preprocess.size_px,
        )
        make_exclusive(network, exclusive)
        return network

    if manifest.members is None:
        return build()
    return Ensemble((build() for _ in range(manifest.members)), exclusive=exclusive)


def _check_members(package: ModelPackage, state: Mapping[str, torch.Tensor]) -> None:
    """Say in a line that members are missing, where PyTorch would name each of their tensors."""
    wanted = package.manifest.members or 0
    held = {name.split(".")[1] for name in state if name.startswith(_MEMBERS)}
    if held != {str(number) for number in range(wanted)}:
        numbers = ", ".join(sorted(held, key=lambda text: (len(text), text))) or "none"
        message = (
            f"{package.weights} holds the ensemble's members {numbers}, where {MANIFEST} says "
            f"{f'0 to {wanted - 1}' if wanted else 'that there is one network'}"
        )
        raise PackageError(message)


def load_preprocessor(package: ModelPackage) -> Preprocessor | VolumePreprocessor:
    """Build the chain that training used."""
    manifest = package.manifest
    return build_any_preprocessor(manifest.preprocess, manifest.model)


def save_weights(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Write weights as safetensors, floating ones in half precision."""
    save_file({name: _narrow(tensor) for name, tensor in state.items()}, path)
    path.chmod(0o644)  # as the package's other files: safetensors makes it for its owner alone


def _narrow(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if tensor.is_floating_point() else tensor


def _widen(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
