"""The joint calibrator of classes that exclude each other."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, log_expit, log_softmax, softmax

from medrec.calibration.entry import CalibrationEntry
from medrec.calibration.files import read_calibration, write_calibration
from medrec.calibration.joint import JointSamples, fit_joint_calibration
from medrec.calibration.platt import Platt
from medrec.calibration.prevalence import shift_entry, shift_prevalence
from medrec.calibration.softmax import SoftmaxScaling, fit_softmax
from medrec.domain.finding import Label
from medrec.errors import CalibrationError, PackageError
from medrec.evaluation.samples import Samples

CLASSES = (Label("none"), Label("glioma"), Label("other"))
BIAS = np.array([0.8, -0.3, -0.5])


def to_logits(log_p):
    return log_p - np.log(-np.expm1(log_p))


def draw(patients, *, slope=0.5, bias=BIAS, seed=0):
    """Log-odds of networks that are too sure, and the classes that their true chances gave."""
    rng = np.random.default_rng(seed)
    log_p = log_softmax(rng.normal(0, 3, (2 * patients, 3)), axis=1)
    chances = softmax(slope * log_p + bias, axis=1)
    truth = np.array([rng.choice(3, p=chance) for chance in chances])
    return to_logits(log_p), truth


def joint(logits, truth):
    unit = np.arange(len(truth)) // 2
    columns = enumerate(CLASSES)
    return JointSamples(
        {c: Samples.from_logits(truth == n, logits[:, n], unit) for n, c in columns}
    )


def fit(samples, *, method="auto", seed=1):
    rng = np.random.default_rng(seed)
    return fit_joint_calibration(samples, level="image", method=method, rounds=50, rng=rng)


@pytest.fixture(scope="module")
def entries():
    return fit(joint(*draw(300)))


def test_a_joint_map_is_the_softmax_of_tempered_log_probabilities_and_biases():
    scaling = SoftmaxScaling(temperature=2.0, bias=(0.0, log(3.0), 0.0))
    p = np.array([0.16, 0.36, 0.48])

    found = scaling.probability(np.log(p / (1 - p)))

    raw = np.array([0.4, 3 * 0.6, np.sqrt(0.48)])
    assert raw / raw.sum() == pytest.approx(found)


@given(
    st.lists(st.floats(-500, 500), min_size=3, max_size=3),
    st.floats(0.05, 20),
    st.lists(st.floats(-20, 20), min_size=3, max_size=3),
)
def test_the_probabilities_of_a_group_sum_to_one(logits, temperature, bias):
    found = SoftmaxScaling(temperature, tuple(bias)).probability(np.array(logits))

    assert 1 == pytest.approx(found.sum())
    assert ((found >= 0) & (found <= 1)).all()


def test_the_map_that_made_the_truth_is_found_again(entries):
    parameters = entries[0].parameters

    assert "softmax_bias" == entries[0].method
    assert 2.0 == pytest.approx(parameters["temperature"], rel=0.15)
    assert BIAS.tolist() == pytest.approx([parameters[f"bias.{c}"] for c in CLASSES], abs=0.25)


def test_two_classes_are_calibrated_as_platt_scaling_calibrates_one_label():
    rng = np.random.default_rng(3)
    logit = rng.normal(0, 2, 400)
    truth = rng.random(400) < expit(0.7 * logit - 0.4)
    weight = np.ones(400)
    platt = Platt.fit(logit, truth, weight)

    slope, bias = fit_softmax(
        np.column_stack([logit, -logit]), (~truth).astype(int), weight, method="softmax_bias"
    )

    # log p(class) - log p(rest) is the logit itself.
    assert platt.slope == pytest.approx(slope, rel=1e-3)
    assert platt.intercept == pytest.approx(bias[0] - bias[1], abs=1e-3)


def test_auto_takes_the_temperature_where_biases_would_fit_noise():
    chosen = [fit(joint(*draw(60, bias=np.zeros(3), seed=n)))[0].method for n in range(5)]

    assert "softmax_temperature" in chosen


def test_entries_share_the_map_and_have_each_their_own_record(entries):
    _, truth = draw(300)

    assert 1 == len({str(dict(entry.parameters)) for entry in entries})
    assert [len(np.unique(np.flatnonzero(truth == n) // 2)) for n in range(3)] == [
        entry.positives for entry in entries
    ]
    assert all(entry.ece_after.value < entry.ece_before.value for entry in entries)


def test_the_findings_of_a_group_sum_to_one_and_keep_their_own_logits(entries):
    logits = draw(300)[0][7]

    findings = [entry.finding(entry.label, logits) for entry in entries]

    assert logits.tolist() == [finding.logit for finding in findings]
    assert 1 == pytest.approx(sum(finding.probability for finding in findings))
    for finding in findings:
        low, high = finding.interval
        assert low <= finding.probability <= high


def test_entries_read_back_as_they_were_written(entries, tmp_path):
    path = tmp_path / "calibration.json"

    write_calibration(path, entries)
    found = read_calibration(path)

    logits = draw(300)[0]
    for before, after in zip(entries, found, strict=True):
        assert before.classes == after.classes
        assert before.probability(logits).tolist() == after.probability(logits).tolist()
        assert before.interval(logits[0]) == pytest.approx(after.interval(logits[0]), abs=1e-4)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"classes": [\n    "none",', '"classes": [\n    "nobody",'),
        ('"bias.none":', '"bias.nobody":'),
        ('"method": "softmax_bias"', '"method": "softmax_temperature"'),
        ('"method": "softmax_bias"', '"method": "platt"'),
    ],
)
def test_a_joint_entry_that_contradicts_itself_is_refused(entries, tmp_path, old, new):
    path = tmp_path / "calibration.json"
    write_calibration(path, entries[:1])
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(PackageError, match=r"entries\.0"):
        read_calibration(path)


def test_a_class_of_one_patient_is_refused_by_its_name():
    logits, truth = draw(20)
    truth[truth == 2] = 0
    truth[5] = 2

    with pytest.raises(CalibrationError, match="other has 1"):
        fit(joint(logits, truth))


def test_probabilities_that_mean_the_opposite_are_refused():
    rng = np.random.default_rng(0)
    log_p = log_softmax(rng.normal(0, 3, (200, 3)), axis=1)

    with pytest.raises(CalibrationError, match="no joint calibrator fits"):
        fit(joint(to_logits(log_p), log_p.argmin(axis=1)))


def test_rows_of_two_classes_are_no_joint_samples():
    one = Samples.from_logits([True, False], [1.0, -1.0], ["a", "b"])

    with pytest.raises(ValueError, match="for one alone"):
        JointSamples({CLASSES[0]: one, CLASSES[1]: one})


def test_rows_of_other_patients_are_no_joint_samples():
    one = Samples.from_logits([True, False], [1.0, -1.0], ["a", "b"])
    other = Samples.from_logits([False, True], [1.0, -1.0], ["a", "c"])

    with pytest.raises(ValueError, match="the same rows"):
        JointSamples({CLASSES[0]: one, CLASSES[1]: other})


def test_a_shifted_prevalence_moves_its_class_by_bayes_and_scales_the_others_alike(entries):
    logits = draw(300)[0]
    before = np.array([entry.probability(logits) for entry in entries])

    moved = [shift_entry(entry, known=0.4, wanted=0.1, of=CLASSES[1]) for entry in entries]

    after = np.array([entry.probability(logits) for entry in moved])
    expected = [shift_prevalence(float(p), known=0.4, wanted=0.1) for p in before[1]]
    assert expected == pytest.approx(after[1].tolist())
    assert before[0] / before[2] == pytest.approx(after[0] / after[2])
    assert after.sum(axis=0) == pytest.approx(1)


def test_a_label_that_is_no_class_of_its_calibrator_is_refused(entries):
    facts = {name: getattr(entries[0], name) for name in entries[0].__dataclass_fields__}

    with pytest.raises(ValueError, match="none of the classes"):
        CalibrationEntry(**{**facts, "label": Label("fracture")})
    with pytest.raises(ValueError, match="not of the other"):
        CalibrationEntry(**{**facts, "classes": None})


def test_log_odds_hold_all_of_a_softmax():
    log_p = log_softmax(np.array([0.3, -2.0, 5.0]))

    assert log_p == pytest.approx(log_expit(to_logits(log_p)))
