"""How often a tumor-free exam is flagged, by its number of slices and by how rough its logits are.

Profiles of 200 slices are Gaussian noise, smoothed over so many slices, of variance 1. The same
profiles are thinned to fewer slices. The threshold is the 95th percentile at 24 slices: a pooling
whose distribution doesn't drift flags 5 % at any number. The peer is the mean of the top slices.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from medrec.models.pooling import pool_exam_logit

FULL = 200
COUNTS = (8, 12, 24, 40, 80, 200)
SMOOTHNESS = (0, 3, 8, 15)
PROFILES = 2000
TOP = 2


def profiles(smoothness: float, *, rng: np.random.Generator) -> np.ndarray:
    """Logits (PROFILES, FULL) of variance 1, smoothed over `smoothness` slices."""
    noise = rng.normal(size=(PROFILES, FULL))
    smooth = gaussian_filter1d(noise, smoothness, axis=1) if smoothness else noise
    return (smooth - smooth.mean()) / smooth.std()


def thinned(logits: np.ndarray, count: int) -> np.ndarray:
    """Every n-th slice of the same profile, `count` of them."""
    return logits[((np.arange(count) + 0.5) * FULL / count).astype(int)]


def top_mean(logits: np.ndarray) -> float:
    """The peer: mean of the highest slices, however many there are."""
    return float(np.sort(logits)[-TOP:].mean())


def main() -> None:
    """Print the share of flagged profiles for each roughness, pooling and number of slices."""
    print("smoothed over   pooling        " + "".join(f"{count:>8}" for count in COUNTS))
    for smoothness in SMOOTHNESS:
        stacks = profiles(smoothness, rng=np.random.default_rng(1))
        for name, pool in (
            ("medrec", lambda logits: pool_exam_logit(logits, positions=8, top=TOP)),
            ("mean of top 2", top_mean),
        ):
            pooled = {n: np.array([pool(thinned(one, n)) for one in stacks]) for n in COUNTS}
            threshold = np.quantile(pooled[24], 0.95)
            shares = "".join(f"{(pooled[n] > threshold).mean():8.3f}" for n in COUNTS)
            print(f"{smoothness:>6} slices   {name:<15}{shares}")


if __name__ == "__main__":
    main()
