"""Polarity and scale of a chain, told by what a change becomes in the network's input."""

from __future__ import annotations

import numpy as np
import pytest

from medrec.domain.box import Box
from medrec.domain.geometry import Geometry
from medrec.domain.volume import Volume
from medrec.inference.transfer import input_rise
from medrec.preprocess.pipeline import Preprocessor
from medrec.preprocess.volumes import VolumePreprocessor

BOX = Box(20, 30, 40, 50)


def a_film(values):
    voxels = np.ascontiguousarray(values.T[None, :, :, None], dtype=np.float32)
    return Volume(voxels, None, 2, ("film",))


def a_scene(rise):
    values = np.random.default_rng(0).uniform(20, 220, (96, 128))
    planted = values.copy()
    planted[30:50, 20:40] += rise
    return values, planted


def slope_of(values, **options):
    low, high = np.percentile(values[values > values.min()], (1, 99))
    return 1 / (high - low)


def test_the_rise_of_an_input_is_that_of_the_film_in_units_of_its_range():
    values, planted = a_scene(10.0)
    chain = Preprocessor(size_px=64, crop="none", clip=False)

    rise = input_rise(chain, a_film(values), a_film(planted), BOX)

    assert slope_of(values) == pytest.approx(rise / (10 * 400), rel=0.1)


def test_the_rise_is_negative_where_bright_arrives_dark():
    values, planted = a_scene(10.0)
    chain = Preprocessor(size_px=64, crop="none")

    assert input_rise(chain, a_film(255 - values), a_film(255 - planted), BOX) < 0


def test_a_rise_in_a_volume_counts_on_its_own_slices():
    rng = np.random.default_rng(0)
    values = rng.uniform(100, 300, (1, 64, 64, 10)).astype(np.float32)
    values[:, :8] = 0
    planted = values.copy()
    planted[0, 20:40, 30:50, 3:6] += 20
    geometry = Geometry(np.diag([1.0, 1.0, 4.0, 1.0]))
    before, after = (Volume(v, geometry, 2, ("scan",) * 10) for v in (values, planted))
    box = Box(20, 30, 40, 50, 3, 6)

    of_slices = input_rise(Preprocessor(size_px=64, clip=False), before, after, box)
    chain = VolumePreprocessor(size=(40, 64, 64), clip=False)
    of_box = input_rise(chain, before, after, box)

    assert 1 / 200 == pytest.approx(of_slices / (20 * 1200), rel=0.15)
    assert of_slices == pytest.approx(of_box, rel=0.15)


def test_a_box_elsewhere_holds_none_of_the_rise():
    values, planted = a_scene(10.0)
    chain = Preprocessor(size_px=64, crop="none")

    elsewhere = input_rise(chain, a_film(values), a_film(planted), Box(80, 70, 100, 90))

    assert abs(elsewhere) < 0.05 * input_rise(chain, a_film(values), a_film(planted), BOX)
