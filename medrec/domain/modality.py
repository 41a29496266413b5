"""What kind of image a file holds, in DICOM's terms."""

from __future__ import annotations

from enum import StrEnum


class Modality(StrEnum):
    """DICOM modalities (PS3.3 C.7.3.1.1.1) that medrec tells apart; any other one is OT."""

    CR = "CR"
    CT = "CT"
    DX = "DX"
    MG = "MG"
    MR = "MR"
    NM = "NM"
    PT = "PT"
    RF = "RF"
    US = "US"
    XA = "XA"
    OT = "OT"


PROJECTIONS = frozenset({Modality.CR, Modality.DX, Modality.MG, Modality.RF, Modality.XA})
"""X-ray shadows on a plane: an image of one is a film, and no slice of anything."""


class Sequence(StrEnum):
    """The MR contrasts that the shipped models tell apart."""

    FLAIR = "flair"
    T1 = "t1"
    T1C = "t1c"
    T2 = "t2"
    DWI = "dwi"
    OTHER = "other"


class FileFormat(StrEnum):
    """How a file is written."""

    DICOM = "dicom"
    NIFTI = "nifti"
    RASTER = "raster"  # PNG or JPEG


def to_modality(text: str | None) -> Modality | None:
    """Read a DICOM Modality value; None (unknown) when absent, OT when it is none of ours.

    >>> to_modality("MR"), to_modality(None), to_modality("SEG")
    (<Modality.MR: 'MR'>, None, <Modality.OT: 'OT'>)
    """
    if not text:
        return None
    return Modality(text) if text in Modality.__members__ else Modality.OT
