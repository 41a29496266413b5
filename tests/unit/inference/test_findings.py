from __future__ import annotations

from dataclasses import replace
from math import exp
from pathlib import Path

import pytest
from factories import TUMOR, a_finding, a_raw_finding
from package_factory import a_calibration, a_manifest, a_point

from medrec.calibration.prevalence import shift_prevalence
from medrec.domain.finding import Decision, Finding, Label, RawFinding
from medrec.inference.findings import decide, to_findings
from medrec.package.package import ModelPackage

EDEMA = Label("edema")


def a_model(*, calibrations=(), points=(), **facts):
    """A package that has only facts: findings ask for no weights."""
    manifest = a_manifest(**facts)
    return ModelPackage(Path("model"), "sha256:00", manifest, tuple(calibrations), tuple(points))


def find(package, *logits, level="exam", **options):
    return to_findings(package, logits, level=level, operating_point="screening", **options)


def test_a_label_with_a_calibrator_gets_a_probability_an_interval_and_a_threshold():
    package = a_model(calibrations=[a_calibration("exam")], points=[a_point("exam")])

    (finding,) = find(package, 1.3)

    assert isinstance(finding, Finding)
    assert 1 / (1 + exp(-1.5)) == pytest.approx(finding.probability)
    assert ("screening", 0.5) == (finding.operating_point, finding.threshold)
    low, high = finding.interval
    assert low <= finding.probability <= high


def test_a_label_without_a_calibrator_gets_a_score_and_no_probability():
    assert (RawFinding(TUMOR, 1.3),) == find(a_model(), 1.3)


def test_a_calibrator_of_images_says_nothing_of_exams():
    package = a_model(calibrations=[a_calibration("image")], points=[a_point("image")])

    (exam,) = find(package, 1.3, level="exam")
    (image,) = find(package, 1.3, level="image")

    assert isinstance(exam, RawFinding)
    assert isinstance(image, Finding)


def test_another_operating_point_leaves_the_finding_without_a_threshold():
    points = [a_point("exam", name="rule_in")]
    package = a_model(calibrations=[a_calibration("exam")], points=points)

    (finding,) = find(package, 1.3)

    assert isinstance(finding, Finding)
    assert (None, None) == (finding.operating_point, finding.threshold)


def test_the_primary_label_comes_first_and_each_label_keeps_its_logit():
    package = a_model(labels=["edema", "tumor"])

    findings = find(package, 0.25, 2.0)

    assert (RawFinding(TUMOR, 2.0), RawFinding(EDEMA, 0.25)) == findings


def test_logits_of_another_number_than_labels_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        find(a_model(labels=["edema", "tumor"]), 0.25)


@pytest.mark.parametrize("logit", [-3.0, -0.2001, -0.2, -0.1999, 0.0, 4.0])
@pytest.mark.parametrize("prevalence", [0.001, 0.3, 0.99])
def test_another_prevalence_moves_the_probability_and_never_the_decision(logit, prevalence):
    package = a_model(calibrations=[a_calibration("exam")], points=[a_point("exam")])

    before, after = find(package, logit), find(package, logit, prevalence=prevalence)

    expected = shift_prevalence(before[0].probability, known=0.5, wanted=prevalence)
    assert expected == pytest.approx(after[0].probability)
    assert decide(before) == decide(after)
    low, high = after[0].interval
    assert low <= after[0].probability <= high


def test_a_lone_film_is_shifted_from_the_prevalence_of_images():
    package = a_model(calibrations=[a_calibration("image")], points=[a_point("image")])

    before = find(package, 1.0, level="image")[0].probability
    after = find(package, 1.0, level="image", prevalence=0.01)[0].probability

    assert shift_prevalence(before, known=0.3, wanted=0.01) == pytest.approx(after)


def test_another_prevalence_is_that_of_the_primary_label_alone():
    calibrations = [a_calibration("exam"), a_calibration("exam", label=EDEMA)]
    package = a_model(labels=["tumor", "edema"], calibrations=calibrations)

    before, after = find(package, 1.0, 1.0), find(package, 1.0, 1.0, prevalence=0.01)

    assert after[0].probability < before[0].probability
    assert before[1] == after[1]


def test_another_prevalence_leaves_a_score_a_score():
    assert find(a_model(), 1.0) == find(a_model(), 1.0, prevalence=0.01)


@pytest.mark.parametrize(
    ("probability", "decision"),
    [(0.2999, Decision.CLEAR), (0.3, Decision.FLAG), (0.9, Decision.FLAG), (0.0, Decision.CLEAR)],
)
def test_a_case_at_or_above_the_threshold_is_flagged(probability, decision):
    finding = a_finding(probability=probability, interval=None, threshold=0.3)

    assert decision is decide([finding])


def test_a_score_is_deferred_to_a_reader():
    assert Decision.DEFER is decide([a_raw_finding(logit=9.0)])


def test_a_probability_without_a_threshold_is_deferred_to_a_reader():
    assert Decision.DEFER is decide([replace(a_finding(), threshold=None)])


def test_the_first_finding_alone_decides():
    calm = a_finding(probability=0.1, interval=None)
    alarming = a_finding(label=EDEMA, probability=0.9, interval=None)

    assert Decision.CLEAR is decide([calm, alarming])
