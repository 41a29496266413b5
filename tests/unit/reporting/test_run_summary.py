from __future__ import annotations

import io
import math
import re
from dataclasses import replace

import matplotlib.image
import pytest

from medrec.evaluation.estimate import Estimate
from medrec.reporting.learning_curves import LearningCurve, draw_learning_curves
from medrec.reporting.run_summary import (
    AuditView,
    ProbeRow,
    RunSummary,
    SplitCount,
    TestFigure,
    render_run_summary,
)

CURVE = LearningCurve("folds/0", (1, 2), (0.7, 0.5), (0.6, 0.4), (0.7, 0.8))
HOSTILE = "<script>alert(1)</script>"


def figure(value, low=None, high=None):
    return Estimate(value, low, high, "resampled patients")


def probe(metadata, model):
    return ProbeRow("tumor", metadata, "", (("rows", 0.612),), (("tumor, exams", model),))


@pytest.fixture
def run():
    return RunSummary(
        name="blob",
        version="0.1.0",
        summary="Finds blobs.",
        labels=("tumor",),
        rows_are="slices",
        splits=(SplitCount("train", "weights", 8, 128, ((6, 30),)),),
        curves=draw_learning_curves([CURVE]),
        figures=(TestFigure("tumor, exams", "AUROC", figure(0.912, 0.871, 0.951)),),
        notes=(),
        calibrations=(),
        points=(),
        audit=AuditView(
            pictures=128,
            patients=8,
            identical=0,
            near=(0, 0),
            overruled=(),
            warnings=(),
            probes=(probe(figure(0.634, 0.551, 0.713), figure(0.912, 0.871, 0.951)),),
        ),
        seconds=(("fit", 150.0), ("test", 3.2)),
        facts=(("Device", "cpu"),),
        versions=(("torch", "2.14"),),
        config="name: blob\n",
    )


def test_the_probe_stands_beside_the_model_in_one_row(run):
    rows = re.findall(r"<tr>.*?</tr>", render_run_summary(run), re.DOTALL)
    beside = [row for row in rows if "0.634 [0.551, 0.713]" in row]

    assert 1 == len(beside)
    assert "0.912 [0.871, 0.951]" in beside[0]
    assert "more than both intervals" in beside[0]


@pytest.mark.parametrize("field", ["name", "summary", "config", "labels", "facts"])
def test_every_text_is_escaped(run, field):
    hostile = {"labels": (HOSTILE,), "facts": (("Device", HOSTILE),)}.get(field, HOSTILE)
    page = render_run_summary(replace(run, **{field: hostile}))

    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_page_fetches_nothing(run):
    page = render_run_summary(run)

    assert [] == re.findall(r"https?://", page)
    assert all(source.startswith("data:image/png") for source in re.findall(r'src="([^"]*)', page))
    assert "default-src 'none'" in page


def test_what_was_overruled_stands_in_front_of_the_figures(run):
    problem = ("patients", "a patient is in two splits")
    page = render_run_summary(replace(run, audit=replace(run.audit, overruled=(problem,))))

    assert 0 < page.index("overruled by the config") < page.index("Who taught it")
    assert "a patient is in two splits" in page
    assert "Nothing was overruled" not in page


def test_the_stages_sum_to_the_whole(run):
    page = render_run_summary(run)

    assert "2 min 30 s" in page
    assert "2 min 33 s" in page


@pytest.mark.parametrize(
    ("metadata", "model", "words"),
    [
        (figure(0.9, 0.8, 0.95), figure(0.85, 0.8, 0.9), "Metadata alone tell as much"),
        (figure(0.7, 0.6, 0.8), figure(0.85, 0.75, 0.9), "intervals overlap"),
        (figure(0.7), figure(0.85), "intervals overlap"),
        (None, figure(0.85), "Can't be compared"),
    ],
)
def test_a_model_no_better_than_metadata_is_said_to_be_so(metadata, model, words):
    assert words in probe(metadata, model).verdict


def test_curves_of_many_networks_are_one_picture():
    gaps = replace(CURVE, network="final", watched_loss=(None, None), watched_auroc=(None, None))
    curves = [CURVE, gaps, replace(CURVE, network="folds/1", loss=(math.nan, 0.4))]

    picture = matplotlib.image.imread(io.BytesIO(draw_learning_curves(curves)), format="png")

    assert picture[..., :3].std() > 0.05
    assert draw_learning_curves(curves) == draw_learning_curves(curves)
    assert draw_learning_curves(curves) != draw_learning_curves(curves[:2])


def test_a_run_without_networks_has_an_empty_picture():
    assert draw_learning_curves([]).startswith(b"\x89PNG")
