"""What goes wrong while an MR image is acquired: TorchIO's artefacts as MONAI transforms.

TorchIO is imported where an artefact is made, not before: it is an extra.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from monai.transforms.transform import RandomizableTransform

if TYPE_CHECKING:
    from collections.abc import Callable

_SEEDS = 2**31


class RandArtefact(RandomizableTransform):
    """Apply a TorchIO transform to a picture (1, H, W), taken as a volume of one slice.

    TorchIO draws from torch's global numbers: they are seeded by this transform's own, and given
    back as they were.
    """

    def __init__(self, transform: Callable[[torch.Tensor], Any], *, prob: float) -> None:
        super().__init__(prob)
        self._transform = transform

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Change the picture, or leave it as it is."""
        self.randomize(None)
        seed = int(self.R.randint(_SEEDS))
        if not self._do_transform:
            return image
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            changed: torch.Tensor = self._transform(torch.as_tensor(image)[..., None])[..., 0]
        return changed


def ghosting(*, prob: float, ghosts: tuple[int, int], intensity: tuple[float, float]) -> Any:  # noqa: ANN401 (MONAI has no types)
    """Copies of the body along one axis, as breathing and pulse leave them."""
    import torchio

    return RandArtefact(
        torchio.RandomGhosting(num_ghosts=ghosts, axes=(0, 1), intensity=intensity), prob=prob
    )


def motion(*, prob: float, degrees: float, shift_px: float) -> Any:  # noqa: ANN401
    """A head that moved twice while the scan ran."""
    import torchio

    return RandArtefact(
        torchio.RandomMotion(degrees=degrees, translation=shift_px, num_transforms=2), prob=prob
    )
