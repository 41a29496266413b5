"""What turns logits into probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medrec.domain.geometry import FloatArray


class Calibrator(Protocol):
    """A rising map from logits to probabilities."""

    @property
    def method(self) -> str:
        """The name under which `calibration.json` holds it."""

    @property
    def parameters(self) -> Mapping[str, float]:
        """The numbers that make it again."""

    def probability(self, logits: FloatArray) -> FloatArray:
        """Map logits of any shape to probabilities in [0, 1] of that shape."""
