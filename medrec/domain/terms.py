"""Words of the standard that a header may be quoted with; any other word could be a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

BODY_PARTS: Final = frozenset(
    {
        "ABDOMEN", "ABDOMENPELVIS", "ADRENAL", "ANKLE", "AORTA", "ARM", "BLADDER", "BRAIN",
        "BREAST", "BRONCHUS", "CALCANEUS", "CAROTID", "CHEST", "CHESTABDOMEN", "CHESTABDPELVIS",
        "CLAVICLE", "COCCYX", "COLON", "CSPINE", "ELBOW", "ESOPHAGUS", "EXTREMITY", "EYE", "FEMUR",
        "FINGER", "FOOT", "FOREARM", "GALLBLADDER", "HAND", "HEAD", "HEADNECK", "HEART", "HIP",
        "HUMERUS", "JAW", "KIDNEY", "KNEE", "LEG", "LIVER", "LSPINE", "LSSPINE", "LUNG", "MAXILLA",
        "MEDIASTINUM", "NECK", "NECKCHEST", "NOSE", "ORBIT", "OVARY", "PANCREAS", "PELVIS",
        "PITUITARY", "PROSTATE", "RIB", "SACRUM", "SCAPULA", "SHOULDER", "SKULL", "SPINE",
        "SPLEEN", "SSPINE", "STERNUM", "STOMACH", "TESTIS", "THIGH", "THORAX", "THUMB", "THYROID",
        "TOE", "TRACHEA", "TSPINE", "UTERUS", "WHOLEBODY", "WHOLE BODY", "WRIST", "C SPINE",
        "L SPINE", "T SPINE",
    }
)  # fmt: skip
"""Of PS3.16 Annex L, and its usual misspellings."""
VIEWS: Final = frozenset(
    {
        "AP", "PA", "LL", "RL", "LLD", "RLD", "LLO", "RLO", "LAT", "LATERAL", "LPO", "RPO", "LAO",
        "RAO", "CC", "MLO", "ML", "LM", "LMO", "FB", "SIO", "XCC", "XCCL", "XCCM",
    }
)  # fmt: skip
LATERALITIES: Final = frozenset({"R", "L", "U", "B"})
MAKERS: Final = (
    "SIEMENS", "GE MEDICAL SYSTEMS", "GE HEALTHCARE", "GE VINGMED", "PHILIPS", "TOSHIBA", "CANON",
    "HITACHI", "FUJIFILM", "FUJI PHOTO FILM", "AGFA", "KODAK", "CARESTREAM", "HOLOGIC", "LORAD",
    "SHIMADZU", "KONICA MINOLTA", "SAMSUNG", "UNITED IMAGING", "MINDRAY", "BRUKER", "ESAOTE",
    "NEUSOFT", "PICKER", "ELSCINT", "MARCONI", "ACUSON", "STERLING", "SWISSRAY", "IMAGING DYNAMICS",
)  # fmt: skip


def known(text: str | None, terms: Collection[str]) -> str | None:
    """A text if it is one of the terms, None if it is anything else.

    >>> known("BRAIN", BODY_PARTS), known("MUELLER", BODY_PARTS), known(None, VIEWS)
    ('BRAIN', None, None)
    """
    return text if text in terms else None


def maker_of(text: str | None) -> str | None:
    """The maker that a manufacturer's field names, in one spelling; None if it names none.

    >>> maker_of("G.E. Medical Systems, Inc."), maker_of("Dr Mueller")
    ('GE MEDICAL SYSTEMS', None)
    """
    written = (text or "").upper().replace(".", "").replace(",", "")
    return next((maker for maker in MAKERS if maker in written), None)
