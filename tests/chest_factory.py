"""Drawn chest films: two dark ellipses in a bright body, ribs across, noise over all."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

HALF_WIDTH, HALF_HEIGHT, MIDDLE = 0.36, 0.30, (0.5, 0.46)


def in_ellipse(across, down, x, y, half_width, half_height):
    return ((across - x) / half_width) ** 2 + ((down - y) / half_height) ** 2 < 1


def lung_mask(side=512):
    """The lungs as drawn: no outline of medrec's, so that finding them is no circle."""
    down, across = (np.mgrid[:side, :side] + 0.5) / side
    lungs = np.zeros((side, side), dtype=bool)
    for sign in (-1, 1):
        lungs |= in_ellipse(across, down, 0.5 + sign * 0.21, 0.46, 0.15, 0.31)
    return lungs & ~in_ellipse(across, down, 0.56, 0.64, 0.12, 0.12)


def a_chest_film(side=512, *, noise=2.0, seed=0):
    """A film (side, side) uint8: lungs near 80, mediastinum near 190, air beside the body 10."""
    down, across = (np.mgrid[:side, :side] + 0.5) / side
    film = np.full((side, side), 175.0)
    film[np.abs(across - 0.5) < 0.05] = 195
    film[lung_mask(side)] = 80
    film += 8 * np.sin(down * 60 + 4 * np.abs(across - 0.5))
    film[np.abs(across - 0.5) > 0.46] = 10
    film = ndimage.gaussian_filter(film, side / 400)
    film += np.random.default_rng(seed).normal(0, noise, film.shape)
    return np.clip(np.round(film), 0, 240).astype(np.uint8)
