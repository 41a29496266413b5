"""Drawn heads: a bright scalp, a dark skull, a brain with ventricles, noise over all."""

from __future__ import annotations

import numpy as np

SHAPE = (96, 112, 14)
SPACING_MM = (1.8, 1.8, 9.0)


def a_head(*, seed=0, noise=3.0):
    """A head (96, 112, 14) uint8: air 3, scalp 200, skull 15, brain 100, ventricles 40."""
    i, j, k = np.meshgrid(
        *((np.arange(length) + 0.5) / length * 2 - 1 for length in SHAPE), indexing="ij"
    )
    radius = np.sqrt((i / 0.85) ** 2 + (j / 0.9) ** 2 + (k / 1.4) ** 2)
    head = np.full(SHAPE, 3.0)
    head[radius < 1] = 200
    head[radius < 0.93] = 15
    head[radius < 0.86] = 100
    head[(np.abs(i) < 0.12) & (np.abs(j) < 0.3) & (np.abs(k) < 0.4)] = 40
    head += np.random.default_rng(seed).normal(0, noise, SHAPE)
    return np.clip(np.round(head), 0, 255).astype(np.uint8)


def brain_mask():
    i, j, k = np.meshgrid(
        *((np.arange(length) + 0.5) / length * 2 - 1 for length in SHAPE), indexing="ij"
    )
    return np.sqrt((i / 0.85) ** 2 + (j / 0.9) ** 2 + (k / 1.4) ** 2) < 0.86
