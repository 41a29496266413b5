"""What kind of picture ImageType names: of what component, of what derivation."""

from __future__ import annotations

from typing import Final

MOSAIC: Final = "MOSAIC"
_COMPONENTS = {
    "M": "magnitude", "M_FFE": "magnitude", "M_SE": "magnitude", "M_IR": "magnitude",
    "MAGNITUDE": "magnitude",
    "P": "phase", "PHASE": "phase", "PHASE_MAP": "phase", "PHASE MAP": "phase",
    "R": "real", "REAL": "real", "I": "imaginary", "IMAGINARY": "imaginary",
    "W": "water", "WATER": "water", "F": "fat", "FAT": "fat",
    "IP": "in phase", "IN_PHASE": "in phase", "INPHASE": "in phase",
    "OP": "out of phase", "OPP_PHASE": "out of phase", "OUTPHASE": "out of phase",
}  # fmt: skip
# Values 3 and later that PS3.3 C.8.3.1.1.1 and C.8.16.1 define, and those that Siemens, GE and
# Philips write: each makes a stack of its own.
_DERIVATIONS = frozenset({
    "ADC", "FA", "TRACEW", "TRACE", "EADC", "TENSOR", "COLFA", "CFA", "DIFFUSION",
    "MPR", "MIP", "MINIP", "MAX_IP", "MIN_IP", "PROJECTION IMAGE", "PJN", "REFORMATTED",
    "SUBTRACTION", "SUB", "SUBTRACT", "MEAN", "STDDEV", "ADDITION",
    "T1 MAP", "T2 MAP", "T2_STAR MAP", "T2STAR", "B0 MAP", "FIELD_MAP", "VELOCITY",
    "SWI", "MNIP", "RCBV", "RCBF", "CBV", "CBF", "MTT", "TTP", "TMAX", "PBP", "PERFUSION",
})  # fmt: skip


def kind_of(image_type: tuple[str, ...]) -> tuple[str, ...]:
    """What parts the images of one series into stacks; values that mean nothing to us don't.

    An unsaid component is not the same as magnitude: a series says it of all its images or of
    none. Original or derived counts; how an image was filtered (ND, NORM, DIS2D) doesn't.

    >>> kind_of(("ORIGINAL", "PRIMARY", "M", "ND", "NORM"))
    ('ORIGINAL', 'magnitude')
    >>> kind_of(("DERIVED", "PRIMARY", "DIFFUSION", "ADC", "ND"))
    ('DERIVED', 'ADC', 'DIFFUSION')
    """
    if not image_type:
        return ()
    words = set(image_type[2:])
    components = {_COMPONENTS[word] for word in words if word in _COMPONENTS}
    return (image_type[0], *sorted(components), *sorted(words & _DERIVATIONS))
