"""A probability holds for the prevalence that it was calibrated at; another place needs a shift."""

from __future__ import annotations


def shift_prevalence(probability: float, *, known: float, wanted: float) -> float:
    """Move a probability from one prevalence to another: the odds scale by the ratio of prior odds.

    Saerens, Latinne and Decaestecker, Neural Computation 14 (2002), equation 4. It holds where the
    scans of either class look alike in both places.

    >>> round(shift_prevalence(0.5, known=0.5, wanted=0.01), 4)
    0.01

    Raises:
        ValueError: A prevalence outside (0, 1).
    """
    if not 0.0 < known < 1.0 or not 0.0 < wanted < 1.0:
        message = "a prevalence lies strictly between 0 and 1"
        raise ValueError(message)
    positive = probability * wanted / known
    negative = (1.0 - probability) * (1.0 - wanted) / (1.0 - known)
    return positive / (positive + negative)
