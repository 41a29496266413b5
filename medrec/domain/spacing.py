"""How large a pixel is, and what that size rests on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SpacingSource(StrEnum):
    """What a pixel spacing rests on; an X-ray film is a shadow, larger than what cast it."""

    PATIENT = "in the patient"
    """A slice of a volume: MR, CT, PET."""
    GEOMETRY = "calibrated by geometry"
    FIDUCIAL = "calibrated by a fiducial"
    MAGNIFICATION = "corrected for magnification"
    """Detector spacing divided by a stated or computed magnification."""
    DETECTOR = "at the detector"
    """Too large for the patient by an unknown magnification, mostly 1.05 to 1.3."""
    SCANNED = "of the digitised film"
    UNSTATED = "calibration not stated"


@dataclass(frozen=True, slots=True)
class PixelSpacing:
    """Distance between pixel centres in mm: `x_mm` along columns' index, `y_mm` along rows'.

    Raises:
        ValueError: A spacing is not positive.

    >>> str(PixelSpacing(0.14, 0.14, SpacingSource.DETECTOR))
    '0.14 x 0.14 mm (at the detector)'
    """

    x_mm: float
    y_mm: float
    source: SpacingSource

    def __post_init__(self) -> None:
        if not (0 < self.x_mm < float("inf") and 0 < self.y_mm < float("inf")):
            message = f"a pixel spacing must be positive, not {self.x_mm} x {self.y_mm} mm"
            raise ValueError(message)

    @property
    def is_of_patient(self) -> bool:
        """Whether lengths measured with it are lengths in the patient."""
        return self.source in {
            SpacingSource.PATIENT,
            SpacingSource.GEOMETRY,
            SpacingSource.FIDUCIAL,
            SpacingSource.MAGNIFICATION,
        }

    def __str__(self) -> str:
        """In words for a report; of a slice, whose pixels are the patient's, the size alone."""
        size = f"{self.x_mm:.2f} x {self.y_mm:.2f} mm"
        return size if self.source is SpacingSource.PATIENT else f"{size} ({self.source})"
