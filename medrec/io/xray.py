"""What an X-ray image says of itself: pixel size, view, side, body part, raw or for display."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.uid import (
    DigitalIntraOralXRayImageStorageForProcessing,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalXRayImageStorageForProcessing,
)

from medrec.domain.modality import Modality
from medrec.domain.spacing import PixelSpacing, SpacingSource
from medrec.io.dicom_values import item_of, number_of, numbers_of, text_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_IN_PATIENT = {Modality.MR, Modality.CT, Modality.PT, Modality.NM}
XRAY_KEYWORDS = (
    "PixelSpacingCalibrationType", "EstimatedRadiographicMagnificationFactor",
    "DistanceSourceToDetector", "DistanceSourceToPatient", "NominalScannedPixelSpacing",
    "PresentationIntentType", "PatientOrientation", "ViewCodeSequence",
    "AnatomicRegionSequence",
)  # fmt: skip
_LARGEST_MAGNIFICATION = 10.0
_EQUAL = 1e-4
_CALIBRATED = {"GEOMETRY": SpacingSource.GEOMETRY, "FIDUCIAL": SpacingSource.FIDUCIAL}
_RAW_CLASSES = {
    DigitalXRayImageStorageForProcessing,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalIntraOralXRayImageStorageForProcessing,
}
# PS3.16 CID 4010 and CID 4014: the code value in SNOMED CT and, in older files, in SNOMED RT.
_VIEWS = {
    "272479007": "PA", "R-10214": "PA", "R-40888": "PA",
    "399348003": "AP", "R-10206": "AP",
    "399173006": "LL", "R-10236": "LL",
    "399198007": "RL", "R-10232": "RL",
    "399162004": "CC", "R-10242": "CC",
    "399368009": "MLO", "R-10226": "MLO",
    "399260004": "ML", "R-10224": "ML",
    "399352003": "LM", "R-10228": "LM",
    "399099002": "LMO", "R-10230": "LMO",
    "399196006": "FB", "R-10244": "FB",
    "399188001": "SIO", "R-102D0": "SIO",
    "441555000": "ISO", "R-40AAA": "ISO",
    "399192008": "XCCL", "R-1024A": "XCCL", "Y-X1770": "XCCL",
    "399101009": "XCCM", "R-1024B": "XCCM", "Y-X1771": "XCCM",
}  # fmt: skip
# PS3.16 Annex L: the BodyPartExamined of a region's code.
_REGIONS = {
    "51185008": "CHEST", "T-D3000": "CHEST",
    "76752008": "BREAST", "T-04000": "BREAST",
    "12738006": "BRAIN", "T-A0100": "BRAIN",
    "69536005": "HEAD", "T-D1100": "HEAD",
    "89546000": "SKULL", "T-11100": "SKULL",
    "45048000": "NECK", "T-D1600": "NECK",
    "818981001": "ABDOMEN", "113345001": "ABDOMEN", "T-D4000": "ABDOMEN",
    "39607008": "LUNG", "T-28000": "LUNG",
}  # fmt: skip


def read_spacing(dataset: Dataset, modality: Modality | None) -> PixelSpacing | None:
    """Tell the pixel size of an image and what it rests on; None where it gives no usable one.

    A film's PixelSpacing counts only where it was calibrated (PS3.3 10.7.1.3); the spacing at the
    detector is divided by the magnification where the header tells it.
    """
    stated, shared = _spacing(dataset, "PixelSpacing"), _shared_spacing(dataset)
    if modality in _IN_PATIENT or (stated is None and shared is not None):
        return _to_spacing(stated or shared, SpacingSource.PATIENT)
    return _film_spacing(dataset, stated)


def _film_spacing(dataset: Dataset, stated: tuple[float, float] | None) -> PixelSpacing | None:
    at_detector = _spacing(dataset, "ImagerPixelSpacing")
    if stated is not None and not _is_same(stated, at_detector):
        kind = (text_of(dataset, "PixelSpacingCalibrationType") or "").upper()
        if kind in _CALIBRATED:
            return _to_spacing(stated, _CALIBRATED[kind])
    magnification = _magnification(dataset)
    if at_detector is not None and magnification is not None:
        rows, columns = at_detector
        corrected = rows / magnification, columns / magnification
        return _to_spacing(corrected, SpacingSource.MAGNIFICATION)
    return (
        _to_spacing(at_detector, SpacingSource.DETECTOR)
        or _to_spacing(stated, SpacingSource.UNSTATED)
        or _to_spacing(_spacing(dataset, "NominalScannedPixelSpacing"), SpacingSource.SCANNED)
    )


def read_view(dataset: Dataset) -> str | None:
    """The view (PA, AP, LL, RL, CC, MLO ...): ViewPosition, else the code of ViewCodeSequence."""
    stated = text_of(dataset, "ViewPosition")
    if stated:
        return stated.upper()
    return _coded(dataset, "ViewCodeSequence", _VIEWS)


def read_laterality(dataset: Dataset) -> str | None:
    """L, R, B or U: of the image, of the series, else of the shared functional groups."""
    shared = item_of(dataset, "SharedFunctionalGroupsSequence")
    anatomy = None if shared is None else item_of(shared, "FrameAnatomySequence")
    return (
        text_of(dataset, "ImageLaterality")
        or text_of(dataset, "Laterality")
        or (None if anatomy is None else text_of(anatomy, "FrameLaterality"))
    )


def read_body_part(dataset: Dataset) -> str | None:
    """BodyPartExamined in capitals, else that of the anatomic region's code."""
    stated = text_of(dataset, "BodyPartExamined")
    if stated:
        return stated.upper()
    shared = item_of(dataset, "SharedFunctionalGroupsSequence")
    anatomy = None if shared is None else item_of(shared, "FrameAnatomySequence")
    return _coded(dataset, "AnatomicRegionSequence", _REGIONS) or (
        None if anatomy is None else _coded(anatomy, "AnatomicRegionSequence", _REGIONS)
    )


def is_for_processing(dataset: Dataset) -> bool:
    """Whether the pixels are raw detector values, by their intent or by their SOP class."""
    intent = (text_of(dataset, "PresentationIntentType") or "").upper()
    return intent == "FOR PROCESSING" or text_of(dataset, "SOPClassUID") in _RAW_CLASSES


def _coded(dataset: Dataset, keyword: str, names: dict[str, str]) -> str | None:
    item = item_of(dataset, keyword)
    return None if item is None else names.get(text_of(item, "CodeValue") or "")


def _magnification(dataset: Dataset) -> float | None:
    """How much larger the shadow is: as estimated, else by the distances from the source."""
    factor = number_of(dataset, "EstimatedRadiographicMagnificationFactor")
    if factor is None:
        to_detector = number_of(dataset, "DistanceSourceToDetector") or 0.0
        to_patient = number_of(dataset, "DistanceSourceToPatient") or 0.0
        factor = to_detector / to_patient if to_patient > 0 else None
    is_possible = factor is not None and 1.0 <= factor <= _LARGEST_MAGNIFICATION
    return factor if is_possible else None


def _shared_spacing(dataset: Dataset) -> tuple[float, float] | None:
    shared = item_of(dataset, "SharedFunctionalGroupsSequence")
    measures = None if shared is None else item_of(shared, "PixelMeasuresSequence")
    return None if measures is None else _spacing(measures, "PixelSpacing")


def _spacing(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    """DICOM's pair: between rows, then between columns."""
    values = numbers_of(dataset, keyword, 2)
    return (values[0], values[1]) if values is not None and min(values) > 0 else None


def _to_spacing(pair: tuple[float, float] | None, source: SpacingSource) -> PixelSpacing | None:
    return None if pair is None else PixelSpacing(x_mm=pair[1], y_mm=pair[0], source=source)


def _is_same(one: tuple[float, float], other: tuple[float, float] | None) -> bool:
    """Equal spacings mean that nothing was calibrated, whatever the type says (PS3.3 10.7.1.1)."""
    if other is None:
        return False
    return all(abs(a - b) <= _EQUAL * b for a, b in zip(one, other, strict=True))
