"""What metadata alone tell of a label."""

import math

import numpy as np
import pytest

from medrec.data.probe import (
    FEWEST_OF_A_CLASS,
    gather_features,
    intensity_statistics,
    probe_label,
)
from medrec.domain.reference import Reference

PATIENTS = [f"P{number}" for number in range(60)]
TRUTHS = [number % 2 == 0 for number in range(60)]


def rows(**attributes):
    """One row a patient, with the attributes of it."""
    return [
        Reference(f"{name}.png", name, {}, attributes={k: v[n] for k, v in attributes.items()})
        for n, name in enumerate(PATIENTS)
    ]


def probed(statistics=None, *, truths=TRUTHS, patients=PATIENTS, **attributes):
    features = gather_features(rows(**attributes), statistics or {})
    return probe_label("cancer", truths, patients, features)


def test_a_site_that_decides_the_label_is_found():
    result = probed(site=["north" if truth else "south" for truth in TRUTHS])

    assert 1 == result.estimate.value


def test_a_site_that_has_nothing_to_do_with_the_label_tells_nothing():
    result = probed(site=["north" if n % 4 < 2 else "south" for n in range(60)])

    assert result.estimate.low < 0.5


def test_a_number_that_tells_alone_is_named_with_its_auroc_whichever_way_it_points():
    rising, falling = np.array(TRUTHS, dtype=float), -np.array(TRUTHS, dtype=float)

    result = probed({"width": rising, "height": falling, "noise": np.arange(60) // 2 * 1.0})

    assert {"width": 1.0, "height": 1.0} == dict(result.telling[:2])
    assert ("noise", 0.5) == result.telling[2]


def test_nobody_is_judged_by_a_probe_that_saw_another_row_of_the_patient():
    patients = [f"P{n // 4}" for n in range(240)]  # four rows a patient, a fact of its own each
    truths = list(np.random.default_rng(1).permutation(np.arange(60) % 2 == 0).repeat(4))
    own = np.repeat(np.arange(60.0), 4)
    references = [Reference(f"{n}.png", name, {}) for n, name in enumerate(patients)]

    result = probe_label("cancer", truths, patients, gather_features(references, {"own": own}))

    assert result.estimate.value < 0.7


def test_too_few_patients_of_a_class_are_not_probed_and_the_reason_is_given():
    few = [number < FEWEST_OF_A_CLASS - 1 for number in range(60)]

    result = probed(truths=few, site=["a", "b"] * 30)

    assert result.estimate is None
    assert "not probed: 9 patients of one class, 10 are needed" == result.note


def test_an_unknown_label_is_left_out():
    half = [truth if n < 30 else None for n, truth in enumerate(TRUTHS)]

    result = probed(truths=half, site=["north" if truth else "south" for truth in TRUTHS])

    assert result.estimate.value > 0.9


def test_nothing_beside_the_pixels_is_said():
    assert "nothing is known beside the pixels" in probed().note


def test_a_column_of_numbers_is_a_number_and_one_with_a_word_is_a_word():
    features = gather_features(rows(age=["61"] * 59 + [""], unit=["1"] * 59 + ["second"]), {})

    assert ("age", "unit") == features.names
    assert (False, True) == features.is_word
    assert math.isnan(features.values[-1, 0])


def test_a_column_of_too_many_words_is_left_out_and_named():
    features = gather_features(rows(comment=[f"text {n}" for n in range(60)]), {})

    assert ((), ("comment",)) == (features.names, features.left_out)


def test_an_attribute_made_from_the_label_can_be_left_out():
    assert () == gather_features(rows(grade=["1"] * 60), {}, without=["grade"]).names


def test_the_place_of_a_slice_in_its_file_is_a_fact():
    stack = [Reference("a.nii", "P", {}, slice=number) for number in range(5)]

    features = gather_features(stack, {})

    assert ("slice position",) == features.names
    assert [0, 0.25, 0.5, 0.75, 1] == features.values[:, 0].tolist()


def test_statistics_are_those_of_numpy():
    picture = np.array([[0, 0, 10], [20, 30, 40]], dtype=np.float32)

    found = intensity_statistics(picture)

    assert pytest.approx(100 / 6) == found["mean intensity"]
    assert pytest.approx(2 / 6) == found["black share"]
    assert pytest.approx(15) == found["intensity p50"]
