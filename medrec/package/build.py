"""From a package to the objects that compute: the network and the preprocessor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from medrec.errors import PackageError
from medrec.models.build import build_classifier
from medrec.preprocess.build import build_preprocessor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from medrec.models.classifiers import TimmClassifier
    from medrec.package.package import ModelPackage
    from medrec.preprocess.pipeline import Preprocessor

_LETTERS_SHOWN = 600
"""Of what PyTorch says of weights that don't fit: it names every tensor."""


def load_network(package: ModelPackage, *, device: str) -> TimmClassifier:
    """Build the network and fill it with the package's weights, float32, in evaluation mode.

    Raises:
        PackageError: Weights that are torn, no numbers, or don't fit the network that the package
            names.
    """
    manifest = package.manifest
    network = build_classifier(
        manifest.model,
        label_count=len(manifest.labels),
        pretrained=False,
        size_px=manifest.preprocess.size_px,
    )
    try:
        state = {name: _widen(tensor) for name, tensor in load_file(package.weights).items()}
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


def load_preprocessor(package: ModelPackage) -> Preprocessor:
    """Build the chain that training used."""
    return build_preprocessor(package.manifest.preprocess)


def save_weights(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Write weights as safetensors, floating ones in half precision."""
    save_file({name: _narrow(tensor) for name, tensor in state.items()}, path)
    path.chmod(0o644)  # as the package's other files: safetensors makes it for its owner alone


def _narrow(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if tensor.is_floating_point() else tensor


def _widen(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
