from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from medrec.domain.codes import NoteCode, Reason, ReasonCode
from medrec.domain.finding import CaseStatus, Decision, Finding, ImageFindings, Label
from medrec.errors import InputError
from medrec.reporting.case_report import read_case_view, render_case, write_case_report
from medrec.reporting.case_view import CaseView
from medrec.reporting.explanations import NOTES, REASONS
from medrec.reporting.pictures import draw_pictures


def test_the_page_tells_decision_probability_and_how_far_to_trust_them(view):
    page = render_case(view)

    for wanted in (
        "Flagged",
        "0.830",
        "0.740 to 0.900",
        "threshold 0.310",
        "0.912 [0.846, 0.957]",
        "0.834 [0.770, 0.890]",
        "out-of-fold squares",
        "on 88 patients",
        "0.031 [0.018, 0.055]",
        "1 = important",
        "key slice 23",
        "Never saw a circle.",
        "CC-BY-NC-SA-4.0",
        "Research use. Not a medical device.",
        NOTES[NoteCode.SEQUENCE_ASSUMED].meaning,
    ):
        assert wanted in page


@pytest.mark.parametrize(
    ("decision", "word"), [(Decision.CLEAR, "Cleared"), (Decision.DEFER, "Deferred to a reader")]
)
def test_a_decision_is_a_word(view, decision, word):
    page = render_case(replace(view, prediction=replace(view.prediction, decision=decision)))

    assert f'<p class="word">{word}</p>' in page
    assert "Flagged" not in page


def test_a_model_without_a_calibrator_gives_a_score_and_never_a_probability(raw, model):
    page = render_case(CaseView(raw, replace(model, calibrations=(), operating_point=None)))

    assert "score (logit)" in page
    assert "robability" not in page


@pytest.mark.parametrize("code", ReasonCode)
def test_every_refusal_has_a_page_that_says_what_to_do(refused, model, code):
    page = render_case(CaseView(replace(refused, reason=Reason(code, "evidence")), model))

    assert f"<code>{code.value}</code>" in page
    assert "no negative result" in page
    assert "evidence" in page
    assert not REASONS[code].action or "What to do" in page


def test_a_failed_case_may_be_tried_again(refused, model):
    page = render_case(CaseView(replace(refused, status=CaseStatus.FAILED), model))

    assert "Failed: " in page
    assert "may be tried again" in page


def test_a_number_for_another_prevalence_says_so(view):
    finding = replace(view.prediction.findings[0], threshold=0.05)
    moved = replace(view, prediction=replace(view.prediction, findings=(finding,)))

    assert "shifted to the prevalence" in render_case(moved)
    assert "shifted to the prevalence" not in render_case(view)


def test_no_path_stands_in_a_report(tmp_path, view):
    write_case_report(tmp_path, view)

    for path in tmp_path.iterdir():
        assert b"private" not in path.read_bytes()


def test_a_report_can_be_drawn_again_from_its_record(tmp_path, view):
    write_case_report(tmp_path / "a", view)
    write_case_report(tmp_path / "b", read_case_view(tmp_path / "a"))

    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert ["heatmap.png", "key.png", "report.html", "report.json"] == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("kind", ["refused", "raw"])
def test_every_kind_of_case_survives_its_record(tmp_path, model, kind, request):
    prediction = request.getfixturevalue(kind)
    write_case_report(tmp_path, CaseView(prediction, model))

    assert read_case_view(tmp_path).prediction.findings == prediction.findings
    assert read_case_view(tmp_path).prediction.reason == prediction.reason


def test_lost_pictures_don_t_lose_the_report(tmp_path, view):
    write_case_report(tmp_path, view)
    (tmp_path / "key.png").unlink()

    assert read_case_view(tmp_path).pictures is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": "other/1"}', '{"schema": "medrec.report/1"}']
)
def test_a_foreign_record_is_refused(tmp_path, text):
    (tmp_path / "report.json").write_text(text, encoding="utf-8")

    with pytest.raises(InputError, match=r"report\.json"):
        read_case_view(tmp_path)


def test_the_largest_page_stays_below_300_kb(tmp_path, view):
    rng = np.random.default_rng(0)
    images = tuple(
        ImageFindings("x", n, (Finding(Label("tumor"), float(p), float(p)),))
        for n, p in enumerate(rng.uniform(size=2000))
    )
    noise = draw_pictures(7, rng.uniform(size=(512, 512)), rng.uniform(size=(512, 512)))
    notes = view.prediction.notes * 500
    huge = replace(
        view, prediction=replace(view.prediction, images=images, notes=notes), pictures=noise
    )
    write_case_report(tmp_path, huge)

    assert (tmp_path / "report.html").stat().st_size <= 300_000
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["schema"]
