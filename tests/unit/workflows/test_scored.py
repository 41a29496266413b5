from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from factories import TUMOR, a_reference

from medrec.calibration.boxes import PictureBoxes
from medrec.config.calibration import SubstackConfig
from medrec.config.model import PoolingConfig
from medrec.domain.finding import Label
from medrec.workflows.scored import ScoredSlices, Weighting

EDEMA = Label("edema")
CUTTING = SubstackConfig(shortest=2, longest=3, per_patient=5, tops=[1])


def a_stack_of(patient, truths, path=None):
    base = a_reference(path=path or f"{patient}/image", patient=patient)
    return [
        replace(base, slice=n, labels={TUMOR: truth}) for n, truth in enumerate(truths)
    ]  # fmt: skip


def scored(rows, logits=None):
    numbers = np.arange(len(rows), dtype=float) if logits is None else np.asarray(logits)
    return ScoredSlices(tuple(rows), numbers.reshape(len(rows), 1), (TUMOR,))


def test_rows_of_unknown_truth_are_left_out():
    samples = scored(a_stack_of("A", [True, None, False])).samples(TUMOR)

    assert [True, False] == samples.truth.tolist()
    assert [0.0, 2.0] == samples.logit.tolist()


def test_rows_with_a_value_of_a_column_are_left_out_with_what_was_found_in_them():
    kinds = ("whole", "part", "whole", "volume")
    rows = [replace(a_reference(patient=kind), attributes={"kind": kind}) for kind in kinds]
    every = replace(scored(rows), found=tuple(kinds))

    found = every.without({"kind": ["whole", "half"], "site": ["A"]})

    assert ["part", "volume"] == [row.attributes["kind"] for row in found.references]
    assert [[1.0], [3.0]] == found.logits.tolist()
    assert ("part", "volume") == found.found
    assert 4 == len(every.without({}).references)


def test_each_label_takes_its_own_column():
    row = a_reference(labels={TUMOR: True, EDEMA: False})
    both = ScoredSlices((row,), np.array([[1.5, -2.5]]), (TUMOR, EDEMA))

    tumor, edema = both.samples(TUMOR), both.samples(EDEMA)

    assert (True, 1.5) == (bool(tumor.truth[0]), float(tumor.logit[0]))
    assert (False, -2.5) == (bool(edema.truth[0]), float(edema.logit[0]))


def test_a_unit_stands_for_the_patient_where_one_is_given():
    rows = [a_reference(patient="A", unit="film 1"), a_reference(patient="A", unit=None)]

    assert ["film 1", "A"] == scored(rows).samples(TUMOR).unit.tolist()


def test_every_row_weighs_the_same():
    assert [1.0, 1.0] == scored(a_stack_of("A", [True, False])).samples(TUMOR).weight.tolist()


def cut(slices, **changes):
    pooling = PoolingConfig(positions=4, top=1)
    return slices.substacks(TUMOR, CUTTING, pooling, rng=np.random.default_rng(0), **changes)


def test_the_runs_of_a_patient_weigh_1_half_of_it_on_either_side():
    rows = [
        *a_stack_of("A", [False] * 6 + [True] * 3),
        *a_stack_of("B", [True] * 2 + [False] * 4),
    ]

    runs = cut(scored(rows))

    for patient in ("A", "B"):
        own = runs.unit == patient
        assert 1.0 == pytest.approx(runs.weight[own].sum())
        assert 0.5 == pytest.approx(runs.weight[own & runs.truth].sum())


def test_a_run_is_pooled_from_its_own_slices():
    # Logits that say which slice they come from: negatives 0 to 5, positives 100 and more.
    rows = [*a_stack_of("A", [False] * 6 + [True] * 3)]
    slices = scored(rows, [0, 1, 2, 3, 4, 5, 100, 101, 102])

    runs = cut(slices)

    assert runs.logit[~runs.truth].max() <= 5
    assert runs.logit[runs.truth].min() > 25  # a segment of four may share a slice with its left


def test_two_volumes_of_a_patient_are_never_cut_across():
    rows = [
        *a_stack_of("A", [False] * 3, path="A/one"),
        *a_stack_of("A", [True] * 3, path="A/two"),
    ]
    slices = scored(rows, [0, 0, 0, 9, 9, 9])

    runs = cut(slices)

    assert {0.0} == set(runs.logit[~runs.truth].tolist())
    assert {9.0} == set(runs.logit[runs.truth].tolist())


def test_a_patient_without_a_free_run_gives_none():
    rows = [*a_stack_of("A", [True] * 5), *a_stack_of("B", [False] * 5 + [True] * 2)]

    assert {"B"} == set(cut(scored(rows)).unit.tolist())


def a_group(rows, logits):
    return ScoredSlices(tuple(rows), np.array(logits), (TUMOR, EDEMA), ((TUMOR, EDEMA),))


def test_labels_that_exclude_each_other_have_the_same_rows_those_of_known_class():
    rows = [
        a_reference(patient=name, path=name, labels={TUMOR: tumor, EDEMA: edema})
        for name, tumor, edema in (("A", True, False), ("B", False, None), ("C", False, True))
    ]
    slices = a_group(rows, [[1.0, -1.0], [2.0, -2.0], [-3.0, 3.0]])

    tumor, edema = slices.samples(TUMOR), slices.samples(EDEMA)

    assert ["A", "C"] == tumor.unit.tolist() == edema.unit.tolist()
    assert [True, False] == tumor.truth.tolist() == (~edema.truth).tolist()


def test_a_volumes_exclusive_classes_are_pooled_each_for_itself_and_then_sum_to_one():
    rows = [
        replace(a_reference(patient="A", path="A"), slice=n, labels={TUMOR: n == 1, EDEMA: n == 0})
        for n in range(2)
    ]
    slices = a_group(rows, [[-2.0, 2.0], [1.0, -1.0]])
    pooling = PoolingConfig(positions=2, top=1)
    stated = {"A": {TUMOR: True, EDEMA: False}}

    logits = [slices.volumes(label, stated, pooling).logit[0] for label in (TUMOR, EDEMA)]

    highest = [1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(-2.0))]
    expected = [one / sum(highest) for one in highest]
    assert expected == pytest.approx([1 / (1 + np.exp(-logit)) for logit in logits])


def test_a_volume_whose_slices_show_two_exclusive_classes_is_of_neither():
    rows = [
        replace(a_reference(patient="A", path="A"), slice=n, labels={TUMOR: n == 1, EDEMA: n == 0})
        for n in range(2)
    ]
    pooling = PoolingConfig(positions=2, top=1)

    samples = a_group(rows, [[-2.0, 2.0], [1.0, -1.0]]).volumes(TUMOR, {}, pooling)

    assert 0 == len(samples)


def films(*facts):
    """Rows of (patient, view, truth), with logits 0, 1, 2, ..."""
    rows = [
        replace(a_reference(path=f"{n}.png", patient=p, labels={TUMOR: t}), attributes={"view": v})
        for n, (p, v, t) in enumerate(facts)
    ]
    return replace(scored(rows), weighting=Weighting(0.2, "view"))


def test_rows_are_weighted_to_a_prevalence_within_a_column():
    samples = films(
        ("A", "PA", True), ("B", "PA", False), ("C", "PA", None), ("D", "AP", True),
        ("E", "AP", True), ("F", "AP", False),
    ).samples(TUMOR)  # fmt: skip

    # PA: 0.2 * 2 / 1 and 0.8 * 2 / 1; AP: 0.2 * 3 / 2 and 0.8 * 3 / 1. The unknown row has no say.
    assert [0.4, 1.6, 0.3, 0.3, 2.4] == pytest.approx(samples.weight.tolist())


def test_a_patient_is_weighted_by_the_film_that_counts():
    samples = films(
        ("A", "AP", False), ("A", "PA", False), ("B", "PA", True), ("C", "AP", True),
        ("D", "AP", False),
    ).patients(TUMOR, primary=TUMOR)  # fmt: skip

    # The second film of A has the higher logit: PA holds A and B, AP holds C and D.
    assert ["A", "B", "C", "D"] == samples.unit.tolist()
    assert [1.6, 0.4, 0.4, 1.6] == pytest.approx(samples.weight.tolist())


def test_what_is_there_becomes_unknown_of_rows_for_exams_alone():
    rows = [replace(a_reference(), attributes={"role": role}) for role in ("real", "planted")]
    nothing = np.empty((0, 4))
    own = PictureBoxes(
        nothing, np.empty(0), np.empty(0, int), None, nothing, np.empty(0, int), np.empty(0, bool),
        is_known=True,
    )  # fmt: skip
    every = replace(scored(rows), found=(own, own))

    assert [False, True] == [one.is_known for one in every.without_boxes({"role": ["real"]}).found]
