from __future__ import annotations

import json

from medrec.data.audit_report import AuditReport
from medrec.data.probe import ProbeResult
from medrec.evaluation.estimate import Estimate
from medrec.reporting.run_summary import TestFigure
from medrec.workflows.run_summary import read_curves, view_audit

RESAMPLED = "AUROC, patients resampled"
RECORD = {"epoch": 0, "loss": 0.5, "watched_loss": None, "watched_auroc": None}


def test_folds_come_by_number_and_the_final_network_last(tmp_path):
    for folder in ("final", "folds/10", "folds/2", "folds/2/members/1"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "history.json").write_text(json.dumps([RECORD]))

    found = read_curves(tmp_path)

    assert ["folds/2", "folds/2/members/1", "folds/10", "final"] == [one.network for one in found]
    assert (1,) == found[0].epochs
    assert (0.5,) == found[0].loss


def test_the_auroc_of_a_label_goes_beside_the_probe_of_that_label():
    estimate = Estimate(0.6, 0.5, 0.7, "resampled patients")
    probes = (ProbeResult("a", estimate), ProbeResult("b", None, note="too few"))
    report = AuditReport(pictures=3, patients=2, warnings=("odd",), probes=probes)
    figures = (
        TestFigure("a, exams (3 of 2 patients)", "AUROC", Estimate(0.8, 0.7, 0.9, "DeLong")),
        TestFigure("a, exams (3 of 2 patients)", RESAMPLED, Estimate(0.8, 0.6, 0.9, "drawn")),
        TestFigure("b, exams (3 of 2 patients)", "AUROC", Estimate(0.9, 0.8, 0.95, "DeLong")),
        TestFigure("a, exams (3 of 2 patients)", "Brier score", Estimate(0.1, None, None, "x")),
    )

    view = view_audit(report.to_json(), figures)

    assert estimate == view.probes[0].metadata
    assert [0.7] == [found.low for _, found in view.probes[0].model]
    assert (None, "too few") == (view.probes[1].metadata, view.probes[1].note)
    assert [0.9] == [found.value for _, found in view.probes[1].model]
    assert ("odd",) == view.warnings
