"""What evaluation knows of boxes: the same that detectors learn."""

from __future__ import annotations

import pytest
from factories import a_reference

from medrec.data.boxes import write_boxes
from medrec.domain.box import Box
from medrec.domain.finding import Label
from medrec.domain.reference import LabelledBox
from medrec.workflows.evaluate import truth_of_boxes

TUMOR = Label("tumor")


@pytest.fixture
def root(tmp_path):
    write_boxes(tmp_path / "boxes.csv", [("a.png", LabelledBox(Box(1, 2, 3, 4), TUMOR))])
    return tmp_path


def _row(path, label, *, boxes=None):
    return a_reference(path=path, patient=path, labels={TUMOR: label}, boxes=boxes)


def test_false_alarms_count_on_negative_images_that_name_no_boxes_file(root):
    rows = [_row("a.png", True, boxes="boxes.csv"), _row("b.png", False)]
    assert () == truth_of_boxes(rows, root=root)["b.png", None]


@pytest.mark.parametrize("label", [True, None])
def test_without_a_boxes_file_nobody_knows_where_lesions_of_other_images_are(root, label):
    rows = [_row("a.png", True, boxes="boxes.csv"), _row("b.png", label)]
    assert [("a.png", None)] == list(truth_of_boxes(rows, root=root))


def test_an_archive_without_boxes_has_no_figures_of_boxes(root):
    assert {} == truth_of_boxes([_row("a.png", True), _row("b.png", False)], root=root)
