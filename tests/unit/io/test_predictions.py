from __future__ import annotations

import json

import pytest
from factories import a_finding, a_prediction, a_raw_finding, a_region
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec.domain.box import Box, BoxMm
from medrec.domain.codes import Note, NoteCode, Reason, ReasonCode
from medrec.domain.finding import CaseStatus, JudgedSeries, RawRegion
from medrec.domain.ids import CaseId
from medrec.errors import PredictionsError
from medrec.io.predictions import Journal, from_line, read_journal, to_line

REFUSED = a_prediction(
    case_id=CaseId("c-refused"),
    status=CaseStatus.REFUSED,
    decision=None,
    findings=(),
    images=(),
    reason=Reason(ReasonCode.GAP, "slice 7 of 24 is missing"),
    notes=(Note(NoteCode.NO_PREAMBLE, "none"),),
)


@pytest.mark.parametrize(
    "prediction",
    [
        a_prediction(),
        REFUSED,
        a_prediction(findings=(a_raw_finding(),), patient_key=None, modality=None),
        a_prediction(source='odd "name"\n\u2028 =1+1 \\xff'),
        a_prediction(findings=(a_finding(interval=None, logit=1 / 3),)),
    ],
)
def test_a_prediction_survives_writing_and_reading(prediction):
    line = to_line(prediction)

    assert "\n" not in line
    assert from_line(line, where="here") == prediction


def test_a_line_starts_with_its_schema_and_leaves_out_what_does_not_apply():
    content = json.loads(to_line(REFUSED))

    assert next(iter(content.items())) == ("schema", "medrec.prediction/1")
    assert content["reason"] == {"code": "gap", "detail": "slice 7 of 24 is missing"}
    assert {"decision", "findings", "images"}.isdisjoint(content)


def test_a_score_that_is_no_number_can_t_be_written():
    with pytest.raises(ValueError, match="JSON"):
        to_line(a_prediction(findings=(a_raw_finding(logit=float("nan")),)))


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        "{}",
        '{"schema": "medrec.prediction/9"}',
        '{"schema": "medrec.prediction/1"}',
        to_line(a_prediction()).replace('"probability": 0.8', '"probability": 1.8'),
        to_line(a_prediction()).replace('"status": "scored"', '"status": "great"'),
    ],
)
def test_a_line_that_is_no_prediction_is_an_error_that_says_where(line):
    with pytest.raises(PredictionsError, match="OUT:3"):
        from_line(line, where="OUT:3")


def test_a_journal_is_read_from_its_folder_or_by_its_name(tmp_path):
    with Journal(tmp_path / "predictions.jsonl") as journal:
        journal.append(a_prediction())
        journal.append(REFUSED)

    assert [a_prediction(), REFUSED] == read_journal(tmp_path)
    assert [a_prediction(), REFUSED] == read_journal(tmp_path / "predictions.jsonl")


def test_a_line_is_on_disk_when_append_returns(tmp_path):
    journal = Journal(tmp_path / "predictions.jsonl")
    journal.append(a_prediction())

    assert [a_prediction()] == read_journal(tmp_path)
    journal.close()


@given(kept=st.integers(1, len(to_line(REFUSED).encode()) - 1))
@settings(max_examples=30)
def test_a_torn_last_line_is_dropped_and_overwritten(tmp_path_factory, kept):
    path = tmp_path_factory.mktemp("out") / "predictions.jsonl"
    torn = to_line(REFUSED).encode()[:kept]
    path.write_bytes(to_line(a_prediction()).encode() + b"\n" + torn)

    assert [a_prediction()] == read_journal(path)

    with Journal(path) as journal:
        journal.append(REFUSED)
    assert [a_prediction(), REFUSED] == read_journal(path)


def test_a_whole_last_line_counts_even_without_a_line_end(tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_text(to_line(a_prediction()))

    with Journal(path) as journal:
        journal.append(REFUSED)

    assert [a_prediction(), REFUSED] == read_journal(path)


def test_the_last_line_of_a_case_counts(tmp_path):
    again = a_prediction(case_id=CaseId("c-refused"))
    with Journal(tmp_path / "predictions.jsonl") as journal:
        for prediction in (REFUSED, a_prediction(), again):
            journal.append(prediction)

    assert [again, a_prediction()] == read_journal(tmp_path)


def test_every_bad_line_is_listed(tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(b"rubbish\n" + to_line(REFUSED).encode() + b"\n\xff\n")

    with pytest.raises(PredictionsError) as caught:
        read_journal(path)

    assert [problem[:7] for problem in caught.value.problems] == ["line 1:", "line 3:"]


def test_a_missing_journal_is_an_error(tmp_path):
    with pytest.raises(PredictionsError, match=r"predictions\.jsonl"):
        read_journal(tmp_path)


def test_regions_survive_writing_and_reading():
    mm = BoxMm((-41.2, 10.3, 55.0), (-8.4, 34.9, 61.5))
    regions = (
        a_region(box_mm=mm, attributes={"type": "glioma"}),
        a_region(box_px=Box(1, 2, 3, 4, 5, 6), slice=None),
        RawRegion(a_region().label, 2.5, "study/IM0001", Box(0, 0, 1, 1)),
    )
    prediction = a_prediction(regions=regions)

    assert prediction == from_line(to_line(prediction), where="line 1")


def test_judged_series_survive_writing_and_reading_and_are_left_out_where_there_is_one():
    judged = (JudgedSeries("study/IM0001", 24), JudgedSeries("study/IM0101"))
    prediction = a_prediction(
        series="study/IM0001", judged_series=judged, regions=(a_region(series="study/IM0101"),)
    )

    assert prediction == from_line(to_line(prediction), where="line 1")
    assert "judged_series" not in json.loads(to_line(a_prediction()))


def test_a_series_of_fewer_images_than_none_is_an_error_that_says_where():
    line = to_line(a_prediction(judged_series=(JudgedSeries("a", 3), JudgedSeries("b", 2))))

    with pytest.raises(PredictionsError, match="a series has no image or some, not -3"):
        from_line(line.replace('"images": 3', '"images": -3'), where="line 1")


def test_a_region_is_written_without_what_it_has_not():
    line = json.loads(to_line(a_prediction(regions=(a_region(slice=None),))))

    assert {"label", "score", "probability", "source", "box_px"} == set(line["regions"][0])
    assert {"x0": 10, "y0": 20, "x1": 30, "y1": 50} == line["regions"][0]["box_px"]


def test_a_region_with_a_wrong_probability_does_not_pass_for_a_score():
    line = to_line(a_prediction(regions=(a_region(),))).replace(
        '"score": 1.4, "probability": 0.8', '"score": 1.4, "probability": 1.8'
    )

    with pytest.raises(PredictionsError, match="a probability lies in"):
        from_line(line, where="line 1")


def test_a_box_upside_down_is_an_error_that_says_where():
    line = to_line(a_prediction(regions=(a_region(),))).replace('"x1": 30', '"x1": 3')

    with pytest.raises(PredictionsError, match="x0 10 is not below x1 3"):
        from_line(line, where="line 1")
