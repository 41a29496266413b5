from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from medrec.domain.finding import Label
from medrec.evaluation.discrimination import precision_recall_curve, roc_curve
from medrec.evaluation.estimate import Estimate
from medrec.evaluation.reliability import reliability_curve
from medrec.evaluation.result import (
    CaseOutcome,
    Curves,
    EvaluationProvenance,
    EvaluationResult,
    Figures,
    Flow,
    GroupResult,
    LabelResult,
    LevelResult,
    ModelId,
    Outcome,
    SliceFlow,
    Stratum,
)
from medrec.evaluation.samples import Samples
from medrec.evaluation.threshold import measure_threshold
from medrec.reporting.definitions import FIGURES, GROUP_FIGURES, SHARES
from medrec.reporting.evaluation_charts import histogram_chart, thin
from medrec.reporting.evaluation_page import OUTCOME_WORDS, case_link, to_page
from medrec.reporting.evaluation_report import render_evaluated_case, write_evaluation_report

TUMOR = Label("tumor")


def samples(count=60, *, calibrated=True):
    rng = np.random.default_rng(0)
    truth = rng.random(count) < 0.4
    logit = rng.normal(np.where(truth, 1.0, -1.0), 1.0)
    probability = 1 / (1 + np.exp(-logit)) if calibrated else None
    unit = np.arange(count).astype(str)
    return Samples(truth, probability, logit, unit, np.ones(count))


def level(*, calibrated=True, figures=None, pairs=None):
    rows, rng = samples(calibrated=calibrated), np.random.default_rng(0)
    bins = reliability_curve(rows, bins=5, rounds=50, rng=rng) if calibrated else ()
    return LevelResult(
        n=len(rows),
        positives=int(rows.truth.sum()),
        unknown=7,
        patients=60,
        positive_patients=int(rows.truth.sum()),
        figures=figures or Figures(auroc=Estimate(0.91, 0.85, 0.95, "DeLong")),
        operating_points={"screening": measure_threshold(rows, 0.31, rounds=50, rng=rng)},
        curves=Curves(
            roc_curve(rows),
            precision_recall_curve(rows),
            bins,
            rows.truth,
            rows.score,
            is_calibrated=calibrated,
        ),
        level_pairs=pairs,
    )


@pytest.fixture
def result(scored, refused):
    slices = Figures(
        auroc=Estimate(0.93, 0.92, 0.94, "DeLong", assumes_independent_rows=True),
        auroc_patient_bootstrap=Estimate(0.93, 0.88, 0.96, "patient bootstrap"),
        auroc_level_matched=Estimate(0.87, 0.8, 0.92, "patient bootstrap"),
        ece=Estimate(0.05, 0.02, 0.08, "patient bootstrap"),
        ece_if_calibrated=Estimate(0.06, None, None, "95th percentile"),
    )
    missed = replace(scored, case_id="c-missed", decision="clear")
    image_truth = {TUMOR: tuple(n > 18 for n in range(24))}
    return EvaluationResult(
        labels={TUMOR: LabelResult(level(), level(figures=slices, pairs=1234))},
        strata=(Stratum("site", "north", {TUMOR: level()}),),
        flow=Flow(2, 1, 0, 3, 0, 4, SliceFlow(48, 2)),
        notes=("Seven exams are unknown.",),
        provenance=EvaluationProvenance(
            "0.1.0", (ModelId("made-up-model", "1.2.3", "sha256:0"),), 2000, 1000, 15, 0.05, 1
        ),
        cases=(
            CaseOutcome(missed, {TUMOR: True}, image_truth, Outcome.FALSE_NEGATIVE),
            CaseOutcome(refused, {TUMOR: None}, {}, Outcome.NOT_SCORED),
            CaseOutcome(scored, {TUMOR: True}, {}, Outcome.TRUE_POSITIVE),
        ),
    )


@pytest.fixture
def folder(tmp_path, result):
    write_evaluation_report(tmp_path, result)
    return tmp_path


def test_the_page_shows_every_figure_with_its_interval_and_method(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")

    for wanted in (
        "0.910 [0.850, 0.950]",
        "DeLong",
        "0.870 [0.800, 0.920]",
        "(1,234 pairs)",
        "0.050 [0.020, 0.080]",
        "no evidence of miscalibration",
        "7 more are unknown",
        "Seven exams are unknown.",
        "north",
        "Slices are missing (1)",
        "in the manifest, without a prediction",
        "made-up-model 1.2.3",
    ):
        assert wanted in page


def test_an_interval_that_takes_slices_as_independent_is_not_shown(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")

    assert "0.930 [0.880, 0.960]" in page
    assert "0.930 [0.920, 0.940]" not in page


def test_missed_cases_come_first_and_link_to_their_pages(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    places = [page.index(f">{word}</span>") for word in ("Missed", "Not judged", "Found")]

    assert sorted(places) == places
    assert 'href="cases/c-missed.html"' in page
    assert len(list((folder / "cases").iterdir())) == 3


def test_every_chart_has_its_numbers_as_a_table(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    files = sorted(path.name for path in (folder / "curves").iterdir())

    assert files == sorted(
        f"tumor_{where}_{what}.csv"
        for where in ("exam", "images")
        for what in ("roc", "precision_recall", "reliability", "values")
    )
    assert page.count('<svg class="chart"') == len(files)
    for name in files:
        assert f"curves/{name}" in page
        with (folder / "curves" / name).open(encoding="utf-8", newline="") as file:
            assert len(list(csv.DictReader(file))) >= 5


def test_the_json_holds_what_the_page_says(folder):
    data = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))

    assert data["schema"] == "medrec.evaluation/1"
    assert data["labels"]["tumor"]["auroc"]["value"] == 0.91


def test_no_path_stands_in_any_file(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]

    assert len(files) > 10
    for path in files:
        assert b"private" not in path.read_bytes()


def test_a_case_page_holds_prediction_beside_truth(result):
    page = render_evaluated_case(result.cases[0])

    assert "Missed" in page
    assert "<strong>positive</strong>" in page
    assert "0.830" in page
    assert "Shaded: slices that hold a lesion" in page
    assert page.count('<rect class="truth"') == 5


def test_scores_are_no_probabilities(tmp_path, result, raw):
    bare = level(calibrated=False, figures=Figures(auroc=Estimate(0.9, None, None, "value only")))
    outcome = CaseOutcome(raw, {TUMOR: True}, {}, Outcome.UNKNOWN)
    result = replace(result, labels={TUMOR: LabelResult(bare)}, strata=(), cases=(outcome,))
    write_evaluation_report(tmp_path, result)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")

    assert "Score by truth" in page
    assert "Probability by truth" not in page
    assert ">score 1.620<" in page
    assert not (tmp_path / "curves" / "tumor_exam_reliability.csv").exists()


def test_an_evaluation_without_any_figure_has_a_page(tmp_path, result):
    empty = LevelResult(0, 0, 3, 0, 0, Figures(), {})
    result = replace(
        result, labels={TUMOR: LabelResult(empty)}, strata=(), cases=(), flow=Flow(unmatched=3)
    )
    write_evaluation_report(tmp_path, result)

    assert "No figure can be had" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_labels_never_share_or_leave_their_files(result):
    labels = {Label("../a"): LabelResult(level()), Label("a"): LabelResult(level())}
    names = [plate.name for plate in to_page(replace(result, labels=labels)).plates]

    assert len(set(names)) == 8
    assert not [name for name in names if "/" in name or "." in name]


@pytest.mark.parametrize("case_id", ["../x", "a/b", "", ".hidden", "a\nb"])
def test_a_case_id_that_is_no_file_name_gets_no_page(case_id):
    assert case_link(case_id) is None


def test_every_figure_outcome_and_share_is_explained():
    assert set(FIGURES) == set(Figures.__dataclass_fields__)
    counts = {"labels", "n", "patients", "unknown", "confusion", "top_reliability"}
    assert set(GROUP_FIGURES) == set(GroupResult.__dataclass_fields__) - counts
    assert set(OUTCOME_WORDS) == set(Outcome)
    assert set(SHARES) == {"sensitivity", "specificity", "ppv", "npv"}


@pytest.fixture
def grouped(result):
    bins = reliability_curve(samples(), bins=5, rounds=50, rng=np.random.default_rng(0))
    group = GroupResult(
        labels=(Label("glioma"), Label("cyst"), Label("none")),
        n=60,
        patients=55,
        unknown=4,
        confusion=((18, 2, 0), (5, 15, 0), (0, 0, 20)),
        accuracy=Estimate(0.883, 0.78, 0.95, "patient bootstrap"),
        balanced_accuracy=Estimate(0.884, 0.79, 0.96, "patient bootstrap"),
        log_loss=Estimate(0.31, 0.22, 0.42, "patient bootstrap"),
        top_ece=Estimate(0.071, 0.0, 0.12, "patient bootstrap"),
        top_ece_if_calibrated=Estimate(0.112, None, None, "95th percentile"),
        top_reliability=bins,
    )
    labels = {label: LabelResult(level()) for label in group.labels}
    return replace(result, labels=labels, exclusive=(group,))


def test_classes_that_exclude_each_other_have_a_part_of_their_own(tmp_path, grouped):
    write_evaluation_report(tmp_path, grouped)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    part = page[page.index("glioma / cyst / none: one of them is true") :]
    part = part[: part.index("</section>")]

    assert "60 exams of known class, of 55 patients. 4 more are of unknown class" in part
    assert "0.883 [0.780, 0.950]" in part
    assert "0.884</b>glioma / cyst / none: balanced accuracy" in page
    assert "The ECE 0.071 is not above 0.112" in part
    assert 3 == part.count("<strong>0.910 [0.850, 0.950]</strong>")  # each class, against the rest
    assert part.count('<svg class="chart"') == 1
    assert (tmp_path / "curves" / "exclusive-1_reliability.csv").is_file()
    assert "Guo et al. 2017" in page


def test_the_confusion_has_a_row_a_class_and_its_diagonal_is_marked_right(grouped):
    (view,) = to_page(grouped).groups

    counts = [[cell.count for cell in row.cells] for row in view.classes]
    assert [[18, 2, 0], [5, 15, 0], [0, 0, 20]] == counts
    assert [0.9, 0.1, 0.0] == pytest.approx([cell.share for cell in view.classes[0].cells])
    assert [True, False, False] == [cell.is_right for cell in view.classes[0].cells]
    assert [4, 1, 0] == [cell.shade for cell in view.classes[0].cells]


def test_a_class_without_exams_has_counts_and_no_shares(tmp_path, grouped):
    group = replace(grouped.exclusive[0], confusion=((18, 2, 0), (5, 15, 0), (0, 0, 0)))

    write_evaluation_report(tmp_path, replace(grouped, exclusive=(group,)))

    row = to_page(replace(grouped, exclusive=(group,))).groups[0].classes[2]
    assert [None] * 3 == [cell.share for cell in row.cells]


def test_a_page_without_groups_explains_none_of_their_figures(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")

    assert "Balanced accuracy" not in page
    assert '<table class="confusion">' not in page


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    x, y = thin(np.linspace(0, 1, 5000), np.linspace(0, 1, 5000))

    assert len(x) <= 1000
    assert (x[0], y[-1]) == (0.0, 1.0)


def test_a_histogram_counts_every_row_once():
    truth = np.array([True, False, True, False])
    chart = histogram_chart(truth, np.array([1.0, 0.0, 0.5, 0.0]), calibrated=True)
    counts = [int(bar.title.split(": ")[1].split()[0]) for bar in chart.bars]

    assert sum(counts) == 4


def test_equal_scores_have_a_histogram_too():
    chart = histogram_chart(np.array([True, False]), np.array([2.0, 2.0]), calibrated=False)

    assert len(chart.bars) == 2
