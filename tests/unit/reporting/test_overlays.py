"""Lesions and boxes with their verdicts, over the pixels of their image."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from factories import TUMOR, a_prediction, a_region
from PIL import Image

from medrec.domain.box import Box
from medrec.domain.finding import ImageFindings
from medrec.domain.reference import LabelledBox
from medrec.evaluation.detection_result import JudgedBox, JudgedImage, JudgedLesion
from medrec.evaluation.result import CaseOutcome, Outcome
from medrec.reporting.case_report import write_case_report
from medrec.reporting.case_view import CaseView
from medrec.reporting.detection_view import to_judged_views, to_missed_cases
from medrec.reporting.evaluation_report import render_evaluated_case
from medrec.reporting.orientation import Turn
from medrec.reporting.overlays import LEGEND, draw_image, slices_to_draw, to_backdrop
from medrec.reporting.pictures import draw_pictures
from medrec.reporting.screened_pictures import ScreenedPictures

LESION = Box(10, 20, 18, 40)
TURNS = [
    Turn(transpose, columns, rows, aspect)
    for transpose in (False, True)
    for columns in (False, True)
    for rows in (False, True)
    for aspect in (1.0, 2.5)
]


def a_lesion(verdict="missed", box=LESION):
    return JudgedLesion(LabelledBox(box, TUMOR), verdict, 0.0)


def a_box(verdict, box=LESION):
    return JudgedBox(a_region(box_px=box, probability=0.625), box, verdict)


def an_outcome(*images, **changes):
    prediction = a_prediction(**changes)
    return CaseOutcome(prediction, {TUMOR: True}, {}, Outcome.FALSE_NEGATIVE, {TUMOR: images})


def a_backdrop(turn=None, shape=(64, 48)):
    """A picture that is bright where the lesion is."""
    picture = np.zeros(shape)
    picture[20:40, 10:18] = 100.0
    return to_backdrop(picture, window=(50.0, 100.0), turn=turn or Turn())


@pytest.mark.parametrize("turn", TURNS)
def test_a_frame_lies_on_its_pixels_however_the_slice_is_turned(turn):
    backdrop = a_backdrop(turn)
    with Image.open(BytesIO(backdrop.data)) as opened:
        bright = np.asarray(opened.convert("L")) > 127
    rows, columns = np.nonzero(bright)

    (frame,) = draw_image(JudgedImage(None, (a_lesion(),), ()), backdrop).boxes

    assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == pytest.approx(
        [frame.x, frame.y, frame.x + frame.width, frame.y + frame.height], abs=4
    )


def test_each_verdict_has_a_style_of_its_own_and_the_legend_names_it():
    image = JudgedImage(
        None,
        (a_lesion("missed"), a_lesion("found"), a_lesion("ignored")),
        (a_box("hit"), a_box("false"), a_box("second")),
    )

    page = render_evaluated_case(an_outcome(image))

    styles = {}
    for kind, words in LEGEND:
        assert words in page
        assert f'class="{kind}"' in page
        rule = re.search(rf"\.boxes rect\.{kind} {{ ([^}}]*) }}", page).group(1)
        facts = dict(part.split(": ") for part in rule.strip("; ").split("; "))
        styles[kind] = (facts["stroke"], facts.get("stroke-dasharray"), facts.get("stroke-width"))
    verdicts = [styles[kind] for kind in ("missed", "hit", "false")]
    assert 3 == len({colour for colour, *_ in verdicts}) == len({style[1:] for style in verdicts})
    assert 6 == len(set(styles.values()))


def test_what_is_drawn_is_said_in_words_too():
    drawn = draw_image(JudgedImage(7, (a_lesion(),), (a_box("false"),)))

    assert "Slice 7: lesion, missed, box on nothing: false alarm, probability 0.62" == drawn.alt
    assert ["missed", "0.62"] == [box.text for box in drawn.boxes]


def test_a_page_shows_the_pixels_with_the_frames_over_them():
    image = JudgedImage(None, (a_lesion(),), ())
    asked = []

    def picture_of(outcome, one, number):
        asked.append((one, number))
        return a_backdrop()

    outcome = an_outcome(image)
    page = render_evaluated_case(outcome, to_judged_views(outcome, picture_of))

    assert [(image, None)] == asked
    assert re.search(r'<image href="data:image/png;base64,[A-Za-z0-9+/=]+"', page)
    assert "without its pixels" not in page


def test_of_a_volume_the_slices_through_missed_lesions_come_first():
    image = JudgedImage(
        None,
        (a_lesion("found", Box(0, 0, 5, 5, 2, 5)), a_lesion("missed", Box(9, 9, 20, 20, 10, 13))),
        (a_box("false", Box(30, 30, 40, 40, 11, 15)), a_box("hit", Box(0, 0, 5, 5, 2, 6))),
    )

    assert [11, 4] == slices_to_draw(image, most=6)
    assert [11] == slices_to_draw(image, most=1)
    views = to_judged_views(an_outcome(image), lambda *_: a_backdrop())
    assert [["missed", "false"], ["found", "hit"]] == [
        [box.kind for box in drawn.boxes] for drawn in views[0].drawings
    ]


def test_a_volume_without_pixels_is_drawn_along_its_slices():
    image = JudgedImage(None, (a_lesion("missed", Box(9, 9, 20, 20, 10, 13)),), ())

    (view,) = to_judged_views(an_outcome(image))

    assert [None] == [drawn.data for drawn in view.drawings]


def test_a_page_holds_six_pictures_at_most():
    images = [JudgedImage(number, (a_lesion(),), ()) for number in range(9)]

    views = to_judged_views(an_outcome(*images), lambda *_: a_backdrop())

    assert 6 * [True] + 3 * [False] == [bool(view.drawings[0].data) for view in views]


def test_cases_with_most_missed_lesions_come_first_with_a_small_picture():
    one = an_outcome(JudgedImage(1, (a_lesion(), a_lesion("found")), ()), case_id="c-one")
    two = an_outcome(JudgedImage(1, (a_lesion(), a_lesion()), (a_box("false"),)), case_id="c-two")
    none = an_outcome(JudgedImage(1, (a_lesion("found"),), ()), case_id="c-none")
    small = draw_image(JudgedImage(1, (a_lesion(),), ()), a_backdrop(shape=(640, 480))).small()

    rows = to_missed_cases(
        [one, none, two], dict.fromkeys(["c-one", "c-two", "c-none"]), {"c-one": small}
    )

    assert [("c-two", 2, 2, 1), ("c-one", 1, 2, 0)] == [
        (row.name, row.missed, row.lesions, row.false_alarms) for row in rows
    ]
    assert len(rows[1].drawn.data) <= 6000


@pytest.fixture
def screened(tmp_path, model):
    """A screened folder whose key slice is the second image of the case, and the prediction."""
    prediction = a_prediction(
        images=tuple(ImageFindings("v.nii", number, a_prediction().findings) for number in (4, 5))
    )
    pictures = draw_pictures(5, np.random.default_rng(0).normal(size=(64, 48)),
                             turn=Turn(transpose=True))  # fmt: skip
    pictures = replace(pictures, place=replace(pictures.place, image=1))
    write_case_report(
        tmp_path / "cases" / prediction.case_id, CaseView(prediction, model, pictures)
    )
    return tmp_path, prediction


def test_the_key_slice_of_a_screened_folder_is_drawn_over_where_it_is_the_image(screened):
    folder, prediction = screened
    outcome = CaseOutcome(prediction, {}, {}, Outcome.FALSE_NEGATIVE)
    picture_of = ScreenedPictures(folder)

    found = picture_of(outcome, JudgedImage(5, (), (), source="v.nii"), None)

    assert (64, 48, True) == (found.rows, found.columns, found.turn.transpose)
    assert (512, 384) == (found.width, found.height)
    assert picture_of(outcome, JudgedImage(4, (), (), source="v.nii"), None) is None
    assert picture_of(outcome, JudgedImage(5, (), (), source="w.nii"), None) is None
    assert picture_of(outcome, JudgedImage(None, (), ()), 5) is not None
    assert picture_of(outcome, JudgedImage(None, (), ()), 4) is None


@pytest.mark.parametrize("change", ["no report", "no picture", "bad name"])
def test_a_screened_folder_without_a_usable_key_slice_gives_none(screened, change):
    folder, prediction = screened
    own = folder / "cases" / prediction.case_id
    if change == "no report":
        (own / "report.json").unlink()
    if change == "no picture":
        (own / "key.png").write_bytes(b"no picture")
    if change == "bad name":
        prediction = replace(prediction, case_id="../" + prediction.case_id)
    outcome = CaseOutcome(prediction, {}, {}, Outcome.FALSE_NEGATIVE)

    assert ScreenedPictures(folder)(outcome, JudgedImage(5, (), (), source="v.nii"), None) is None
