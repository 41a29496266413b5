from __future__ import annotations

import re
from dataclasses import replace

from medrec.domain.finding import CaseStatus, Decision, Finding, Label
from medrec.reporting.worklist import in_order, write_worklist


def with_value(prediction, case_id, logit, decision):
    finding = Finding(Label("tumor"), logit, 1 / (1 + 2.718281828**-logit), None, "screening", 0.31)
    return replace(prediction, case_id=case_id, decision=decision, findings=(finding,))


def test_urgent_cases_come_first_and_unjudged_ones_before_cleared_ones(scored, refused):
    cases = [
        with_value(scored, "c-clear", -2.0, Decision.CLEAR),
        refused,
        with_value(scored, "c-low", 0.5, Decision.FLAG),
        replace(refused, case_id="c-failed", status=CaseStatus.FAILED),
        with_value(scored, "c-high", 2.0, Decision.FLAG),
        with_value(scored, "c-defer", 0.1, Decision.DEFER),
    ]

    ordered = [prediction.case_id for prediction in in_order(cases)]

    assert ordered == ["c-high", "c-low", "c-defer", "c-failed", refused.case_id, "c-clear"]


def test_the_list_counts_and_explains(tmp_path, scored, refused, model):
    write_worklist(tmp_path / "index.html", [scored, refused], model)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")

    assert "<b>1</b>flagged" in page
    assert "<b>0</b>cleared" in page
    assert "<b>1</b>refused" in page
    assert "Slices are missing" in page
    assert "made-up-model 1.2.3" in page
    assert "CC-BY-NC-SA-4.0" in page
    assert "private" not in page


def test_a_case_is_linked_only_where_its_page_is(tmp_path, scored, refused, model):
    folder = tmp_path / "cases" / scored.case_id
    folder.mkdir(parents=True)
    (folder / "report.html").touch()
    write_worklist(tmp_path / "index.html", [scored, refused], model)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")

    assert [f"cases/{scored.case_id}/report.html"] == re.findall(r'<a href="([^"]*)"', page)


def test_no_link_leads_out_of_the_folder(tmp_path, scored, model):
    (tmp_path / "report.html").touch()
    (tmp_path / "out" / "cases").mkdir(parents=True)
    write_worklist(tmp_path / "out" / "index.html", [replace(scored, case_id="../..")], model)

    assert "<a href" not in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_scores_are_not_called_probabilities(tmp_path, raw, model):
    write_worklist(tmp_path / "index.html", [raw], replace(model, operating_point=None))
    page = (tmp_path / "index.html").read_text(encoding="utf-8")

    assert ">Score</button>" in page
    assert ">Probability</button>" not in page


def test_an_empty_folder_has_a_list_too(tmp_path, model):
    write_worklist(tmp_path / "index.html", [], model)

    assert "No case was found." in (tmp_path / "index.html").read_text(encoding="utf-8")
