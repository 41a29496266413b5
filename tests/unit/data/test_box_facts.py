"""What boxes are like, in numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import a_reference

from medrec.data.box_facts import BoxFacts, box_facts
from medrec.data.splits import Place, SplitPlan
from medrec.domain.box import Box, ImageSize
from medrec.domain.finding import Label
from medrec.domain.reference import LabelledBox, Reference, Split

FILM, STACK = ImageSize(100, 50), ImageSize(100, 50, 10)


def boxed(*corners: float, label: str = "tumor", **attributes: str) -> LabelledBox:
    return LabelledBox(Box(*corners), Label(label), attributes)


def a_row(number: int, **facts: object) -> Reference:
    labels = {Label("tumor"): None}
    row = a_reference(path=f"{number}.png", patient=f"P{number}")
    return replace(row, **{"labels": labels, "slice": None, "attributes": {}, **facts})


def sum_up(
    *pairs: tuple[Reference, tuple[LabelledBox, ...] | None],
    tested: tuple[str, ...] = (),
    size: ImageSize = FILM,
    are_slices: bool = True,
) -> BoxFacts:
    rows, boxes = zip(*pairs, strict=True)
    places = {
        row.patient: Place(Split.TEST if row.patient in tested else Split.TRAIN, None)
        for row in rows
    }
    return box_facts(
        rows, boxes, plan=SplitPlan("held_out", places), size_of=lambda _: size,
        are_slices=are_slices,
    )  # fmt: skip


def test_only_boxes_of_those_who_train_are_measured():
    found = sum_up(
        (a_row(1), (boxed(0, 0, 20, 5),)), (a_row(2), (boxed(0, 0, 90, 40),)), tested=("P2",)
    )

    assert (2, 1, 1) == (found.boxes, found.learned_boxes, found.learned_patients)
    assert 0.1 == pytest.approx(found.smallest_side)  # a square of 10 px, of 100
    assert 0.1 == pytest.approx(found.largest_side)
    assert 1.0 == found.long_share


def test_unknown_rows_empty_ones_and_ignored_boxes_are_told_apart():
    found = sum_up(
        (a_row(1), (boxed(0, 0, 20, 20), boxed(1, 1, 3, 3, ignore="1"))),
        (a_row(2), ()),
        (a_row(3), None),
        (a_row(4), (boxed(0, 0, 2, 2, ignore="1"),)),
    )

    assert (3, 1, 1) == (found.pictures, found.positive_pictures, found.unknown_rows)
    assert (1, 2) == (found.positive_patients, found.empty_patients)
    assert 1 == found.most_a_picture


def test_the_deepest_box_is_a_share_of_its_own_volume_and_flat_ones_have_none():
    deep = sum_up((a_row(1), (boxed(0, 0, 20, 20, 3, 7),)), size=STACK)  # 4 of 10 slices

    assert 0.4 == pytest.approx(deep.deepest_share)
    assert sum_up((a_row(1), (boxed(0, 0, 20, 20),))).deepest_share is None


def test_a_volume_is_as_many_pictures_as_slices_for_a_network_that_looks_at_these():
    pair = (a_row(1), (boxed(0, 0, 20, 20, 3, 7),))

    flat, whole = sum_up(pair, size=STACK), sum_up(pair, size=STACK, are_slices=False)

    assert (10, 4) == (flat.pictures, flat.positive_pictures)
    assert (1, 1) == (whole.pictures, whole.positive_pictures)
    assert flat.is_solid
    assert ((0.2, 0.2, 4.0),) == flat.sides


def test_boxes_one_slice_thick_are_not_solid():
    assert not sum_up((a_row(1), (boxed(0, 0, 20, 20, 3, 4),)), size=STACK).is_solid


def test_boxes_that_overlap_are_counted():
    found = sum_up((a_row(1), (boxed(0, 0, 20, 20), boxed(0, 0, 20, 18), boxed(50, 0, 60, 9))))

    assert 2 / 3 == pytest.approx(found.crowded_share)


def test_types_are_classes_where_every_box_has_one_and_they_are_enough():
    typed = tuple(boxed(n, 0, n + 5, 5, type=("a", "b")[n % 2]) for n in range(40))

    assert {"a": "tumor", "b": "tumor"} == sum_up((a_row(1), typed)).classes
    assert sum_up((a_row(1), typed[:30])).classes is None
    assert sum_up((a_row(1), (*typed, boxed(0, 0, 3, 3)))).classes is None


@pytest.mark.parametrize(
    ("first", "second", "said", "column"),
    [
        ({"attributes": {"site": "a"}}, {"attributes": {"site": "b"}}, "the column site", "site"),
        ({"path": "a/1.png"}, {"path": "b/2.png"}, "the first folder of their paths", None),
        ({"attributes": {"sex": "f"}}, {"attributes": {"sex": "m"}}, None, None),
        ({"path": "a/1.png"}, {"path": "a/2.png"}, None, None),
    ],
)
def test_what_tells_archives_with_boxes_from_those_without_is_named(first, second, said, column):
    found = sum_up((a_row(1, **first), (boxed(0, 0, 9, 9),)), (a_row(2, **second), ()))

    assert (said, column) == (found.separated_by, found.separating_column)


def test_without_a_box_among_those_who_train_there_is_nothing_to_sum_up():
    with pytest.raises(ValueError, match="no boxes"):
        sum_up((a_row(1), ()))
