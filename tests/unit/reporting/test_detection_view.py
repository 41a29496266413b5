"""What the evaluation's pages show of boxes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import TUMOR, a_prediction, a_region
from PIL import Image

from medrec.domain.box import Box
from medrec.domain.reference import LabelledBox
from medrec.evaluation.detection_result import JudgedBox, JudgedImage, JudgedLesion
from medrec.evaluation.result import CaseOutcome, Outcome
from medrec.reporting.detection_view import to_judged_views, to_missed_rows
from medrec.reporting.evaluation_report import render_evaluated_case
from medrec.reporting.overlays import draw_image
from medrec.reporting.screened_pictures import screened_picture, worth_a_picture

HOSTILE = "<script>alert(1)</script>"


def a_lesion(verdict="missed", box=None, **attributes):
    return JudgedLesion(LabelledBox(box or Box(10, 10, 30, 20), TUMOR, attributes), verdict, 0.25)


def a_drawn(verdict="false", box=None):
    box = box or Box(60, 10, 80, 30)
    return JudgedBox(a_region(box_px=box), box, verdict)


def an_outcome(*images):
    return CaseOutcome(a_prediction(), {TUMOR: True}, {}, Outcome.FALSE_NEGATIVE, {TUMOR: images})


def test_lesions_and_boxes_are_drawn_to_scale():
    drawn = draw_image(JudgedImage(None, (a_lesion(),), (a_drawn(),)))

    lesion, box = drawn.boxes
    assert ("missed", "false") == (lesion.kind, box.kind)
    assert 2.0 == lesion.width / lesion.height
    assert 20 / 20 == box.width / lesion.width
    assert (60 - 10) / 20 == pytest.approx((box.x - lesion.x) / lesion.width, abs=0.01)


def test_an_image_with_nothing_on_it_is_not_drawn():
    assert draw_image(JudgedImage(3, (), ())) is None
    assert () == to_judged_views(an_outcome(JudgedImage(3, (), ())))


def test_of_what_is_known_of_a_lesion_its_type_alone_is_shown():
    lesion = a_lesion(type="glioma", patient="PLANTED", reader="PLANTED")
    (view,) = to_judged_views(an_outcome(JudgedImage(3, (lesion,), ())))

    assert ["Missed: lesion (type glioma)"] == [row.what for row in view.rows]


def test_images_with_missed_lesions_come_first():
    found = JudgedImage(1, (a_lesion("found"),), ())
    missed = JudgedImage(2, (a_lesion(),), ())

    assert ["Boxes on slice 2", "Boxes on slice 1"] == [
        view.title for view in to_judged_views(an_outcome(found, missed))
    ]


def test_missed_lesions_are_listed_largest_first_with_their_place():
    small, large = a_lesion(), a_lesion(box=Box(0, 0, 40, 50, 2, 6))
    outcome = an_outcome(JudgedImage(None, (small, large, a_lesion("found")), ()))

    rows = to_missed_rows([outcome], {outcome.prediction.case_id: None})

    assert ["40 x 50 x 4 px", "20 x 10 px"] == [row.size for row in rows]
    assert "x 0 to 40, y 0 to 50, z 2 to 6" == rows[0].where


def test_what_a_table_says_of_a_box_is_text_and_no_markup():
    page = render_evaluated_case(
        an_outcome(JudgedImage(1, (a_lesion(type=HOSTILE),), (a_drawn("hit"),)))
    )

    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "On a lesion" in page


@pytest.fixture
def screened(tmp_path):
    """A screened folder with a picture of the case, and one that is none."""
    folder = tmp_path / "cases" / an_outcome().prediction.case_id
    folder.mkdir(parents=True)
    (folder / "boxes.png").write_bytes(b"no picture")
    Image.new("L", (64, 48), 90).save(folder / "key.png")
    return tmp_path


def test_a_wrong_case_shows_the_picture_that_screening_drew(screened):
    outcome = an_outcome(JudgedImage(1, (a_lesion(),), ()))
    picture = screened_picture(screened, outcome.prediction.case_id)

    assert [outcome.prediction.case_id] == worth_a_picture([outcome])
    assert picture.startswith("data:image/png;base64,")
    assert picture in render_evaluated_case(outcome, picture=picture)


@pytest.mark.parametrize("case_id", ["../../etc", "c-nobody", "a/b", ""])
def test_a_case_without_a_picture_or_with_a_path_for_a_name_has_none(screened, case_id):
    assert screened_picture(screened, case_id) is None


def test_a_rightly_cleared_case_needs_no_picture():
    outcome = replace(an_outcome(), outcome=Outcome.TRUE_NEGATIVE)

    assert [] == worth_a_picture([outcome])
