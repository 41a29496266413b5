"""Pages as a browser takes them: whole, self-contained, deaf to what hostile files say."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from medrec.domain.codes import Note, NoteCode, Reason, ReasonCode
from medrec.domain.finding import (
    CasePrediction,
    CaseStatus,
    Decision,
    Finding,
    ImageFindings,
    Label,
    Provenance,
    RawFinding,
)
from medrec.domain.modality import Modality
from medrec.evaluation.estimate import Estimate
from medrec.evaluation.result import (
    CaseOutcome,
    EvaluationProvenance,
    EvaluationResult,
    Figures,
    Flow,
    LabelResult,
    LevelResult,
    ModelId,
    Outcome,
    Stratum,
)
from medrec.evaluation.threshold import ThresholdFigures
from medrec.reporting.case_report import render_case, write_case_report
from medrec.reporting.case_view import CaseView
from medrec.reporting.evaluation_report import render_evaluated_case, write_evaluation_report
from medrec.reporting.model_facts import CalibrationFacts, ModelFacts, OperatingPointFacts
from medrec.reporting.pictures import draw_pictures
from medrec.reporting.worklist import write_worklist

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> {{ 7*7 }} "
    "\x1b[31m\n\u202egpj.exe \u2066 \x00 https://example.com/a javascript:alert(3) -->]]> &lt;"
)
VOID = {"meta", "img", "input", "br", "link", "hr"}


class Page(HTMLParser):
    """What a page holds: tags in balance, addresses, scripts, text."""

    def __init__(self, text):
        super().__init__()
        self.text = text
        self.open, self.tags, self.attributes, self.scripts, self.ids = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert tag == self.open.pop(), f"</{tag}> closes another tag"

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)

    def values(self, *names):
        return [value for _, name, value in self.attributes if name in names]


def made_up(text):
    label = Label(text)
    figure = Estimate(0.9, 0.8, 0.95, text)
    model = ModelFacts(
        name=text,
        version=text,
        digest=text,
        labels=(label,),
        primary_label=label,
        license=text,
        domain="surrogate",
        task=text,
        summary=text,
        limits=(text,),
        calibrations=(CalibrationFacts(label, "exam", text, 20, 10, figure, figure),),
        operating_point=OperatingPointFacts(text, label, 0.3, figure, figure, text),
    )
    finding = Finding(label, 1.0, 0.7, (0.6, 0.8), text, 0.3)
    prediction = CasePrediction(
        case_id=text,
        source=text,
        status=CaseStatus.SCORED,
        provenance=Provenance(text, text, text, text, text, text, text, 1.0),
        patient_key=text,
        modality=Modality.MR,
        decision=Decision.FLAG,
        findings=(finding, RawFinding(Label(text + "2"), 0.5)),
        images=tuple(ImageFindings(text, n, (finding,)) for n in range(5)),
        notes=tuple(Note(code, text) for code in NoteCode),
    )
    picture = np.random.default_rng(0).uniform(size=(30, 30))
    return CaseView(prediction, model, draw_pictures(2, picture, picture), {text: text})


def evaluated(view, text):
    figure = Estimate(0.9, 0.8, 0.95, text, note=text)
    label = Label(text)
    point = ThresholdFigures(0.3, figure, figure, None, None)
    level = LevelResult(20, 9, 1, 20, 9, Figures(auroc=figure), {text: point})
    truth = tuple(n % 2 == 0 for n in range(5))
    return EvaluationResult(
        labels={label: LabelResult(level, level)},
        strata=(Stratum(text, text, {label: level}),),
        flow=Flow(scored=1),
        notes=(text,),
        provenance=EvaluationProvenance(text, (ModelId(text, text, text),), 9, 9, 9, 0.05, 1),
        cases=(CaseOutcome(view.prediction, {label: True}, {label: truth}, Outcome.TRUE_POSITIVE),),
    )


def pages(view, folder):
    refused = replace(
        view.prediction,
        status=CaseStatus.REFUSED,
        decision=None,
        findings=(),
        images=(),
        reason=Reason(ReasonCode.MALFORMED, view.model.name),
    )
    write_worklist(folder / "index.html", [view.prediction, refused], view.model)
    result = evaluated(view, view.model.name)
    write_evaluation_report(folder / "evaluated", result)
    return {
        "evaluation": (folder / "evaluated" / "report.html").read_text(encoding="utf-8"),
        "evaluated case": render_evaluated_case(result.cases[0]),
        "scored": render_case(view),
        "refused": render_case(replace(view, prediction=refused, pictures=None)),
        "worklist": (folder / "index.html").read_text(encoding="utf-8"),
    }


@pytest.fixture(scope="module")
def hostile_pages(tmp_path_factory):
    return pages(made_up(HOSTILE), tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def plain_pages(tmp_path_factory):
    return pages(made_up("tumor"), tmp_path_factory.mktemp("plain"))


KINDS = ("scored", "refused", "worklist", "evaluation", "evaluated case")


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text_adds_no_tag_and_no_attribute(hostile_pages, plain_pages, kind):
    hostile, plain = Page(hostile_pages[kind]), Page(plain_pages[kind])

    assert Counter(hostile.tags) <= Counter(plain.tags)  # fewer: a hostile case id gets no link
    assert {(tag, name) for tag, name, _ in hostile.attributes} <= {
        (tag, name) for tag, name, _ in plain.attributes
    }
    assert "<img src=x" not in hostile.text
    assert plain.scripts == hostile.scripts


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text_is_shown_and_not_obeyed(hostile_pages, kind):
    text = hostile_pages[kind]

    assert "&lt;script&gt;alert(1)" in text
    assert "{{ 7*7 }}" in text
    for character in "\x1b\x00\u202e\u2066":
        assert character not in text
    assert "\\x1b[31m\\n\\u202e" in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_in_balance_and_asks_for_nothing_outside(plain_pages, kind):
    page = Page(plain_pages[kind])

    assert page.open == []
    assert all(source.startswith("data:image/") for source in page.values("src"))
    assert "link" not in page.tags
    assert "iframe" not in page.tags
    assert not re.search(r"https?://|url\(|@import", page.text)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    ids = page.values("id")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_allows_the_one_script_that_is_ours(plain_pages, kind):
    page = Page(plain_pages[kind])
    policy = next(value for value in page.values("content") if value.startswith("default-src"))

    assert policy.startswith("default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline'")
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in page.scripts]
    assert digests == re.findall(r"'sha256-([^']+)'", policy)
    assert len(digests) == (1 if kind == "worklist" else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_can_be_read_without_eyes_for_colour_or_pictures(plain_pages, kind):
    page = Page(plain_pages[kind])

    assert page.tags.count("img") == len([v for v in page.values("alt") if v])
    assert page.tags.count("svg") == page.values("role").count("img")
    assert page.tags.count("h1") == 1
    assert ("html", "lang", "en") in page.attributes
    assert "Research use. Not a medical device." in page.text


def test_the_same_case_makes_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_case_report(tmp_path / name, made_up("tumor"))

    assert (tmp_path / "a/report.html").read_bytes() == (tmp_path / "b/report.html").read_bytes()
    assert (tmp_path / "a/report.json").read_bytes() == (tmp_path / "b/report.json").read_bytes()
