"""What the boxes of a manifest are called, and what the labels of predictions are."""

from __future__ import annotations

import pytest
from factories import TUMOR, a_prediction, a_reference, a_region

from medrec.domain.box import Box
from medrec.domain.reference import LabelledBox
from medrec.errors import ManifestError
from medrec.evaluation.box_names import name_boxes

ROW = ("a.png", None)


def named(*names, regions=(), classes=None, kind=None):
    """The labels that boxes of these names get, and the notes."""
    attributes = {"type": kind} if kind else {}
    boxes = {ROW: tuple(LabelledBox(Box(0, 0, 9, 9), name, attributes) for name in names)}
    found = name_boxes(
        boxes, [a_prediction(regions=regions)], [a_reference(path="a.png")], classes=classes
    )
    return [one.label for one in found.boxes[ROW]], found.notes


def test_boxes_called_as_the_label_is_need_no_word():
    assert ([TUMOR], ()) == named("tumor")


@pytest.mark.parametrize("name", ["Tumor", " tumor", "TUMOR "])
def test_case_and_blanks_of_a_name_make_no_difference_and_are_told(name):
    assert ([TUMOR], (f"boxes called {name!r} are read as 'tumor'",)) == named(name)


def test_a_type_that_the_model_draws_is_of_its_label():
    regions = (a_region(attributes={"type": "brain glioma"}),)

    assert ([TUMOR], ()) == named("brain glioma", regions=regions)
    assert [TUMOR] == named("Brain_Glioma", regions=regions)[0]


def test_the_type_of_a_box_goes_before_its_label():
    assert [] == named("tumor", kind="cyst", classes={"cyst": None})[0]


def test_classes_say_what_names_mean():
    assert [TUMOR] == named("glioma", "shadow", classes={"glioma": "tumor", "shadow": None})[0]


def test_all_names_that_mean_nothing_are_listed_at_once_with_what_to_do():
    with pytest.raises(ManifestError) as error:
        named("glioma", "Shadow", "tumor", classes={"cyst": "tumour"})

    message = str(error.value)
    assert all(part in message for part in ("'glioma'", "'Shadow'", "'tumour'"))
    assert "--set 'classes={\"Shadow\": tumor}'" in message


def test_without_a_scored_case_no_name_is_wrong():
    boxes = {ROW: (LabelledBox(Box(0, 0, 9, 9), "glioma"),)}

    assert boxes == name_boxes(boxes, [], []).boxes
