"""Lines, notes and files of an acceptance test."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from medrec.errors import PackageError
from medrec.evaluation.acceptance import measure_acceptance
from medrec.evaluation.acceptance_files import to_json, to_text
from medrec.evaluation.home_curves import read_home
from medrec.evaluation.loss import Verdict
from medrec.evaluation.trials import Resampling, TriedLesion, TriedScan

SIZES = (0.02, 0.03, 0.05, 0.08, 0.12, 0.2)
GROUP = dict(zip(SIZES, ("small", "small", "medium", "medium", "large", "large"), strict=True))
DESIGN = {"sizes": list(SIZES), "strengths": [0.5, 1.0, 2.0], "zones": ["upper"]}
RESAMPLING = Resampling(seed=0, rounds=400, curve_rounds=60)


def a_scan(number, chance, *, seed=0, **changes):
    """A scan with every size thrice; `chance` says how likely a lesion of a size is hit."""
    rng = np.random.default_rng([seed, number])
    lesions = tuple(
        TriedLesion(size, (0.5, 1.0, 2.0)[turn], "upper", GROUP[size],
                     bool(rng.random() < chance(size)), 1.0, 2.0)
        for size in SIZES for turn in range(3)
    )  # fmt: skip
    facts = {
        "case_id": f"c-{number}", "unit": f"P{number}", "attributes": {"view": "PA"},
        "is_flagged": False, "is_known_clear": False, "lesions": lesions, "scale": 0.4,
        "look": {"level": 0.4 + 0.1 * float(rng.normal())}, "width_mm": 280.0,
    }  # fmt: skip
    return TriedScan(**{**facts, **changes})


def usual(size):
    return 0.05 + 0.9 / (1 + (0.05 / size) ** 2.5)


def site(count, chance=usual, *, seed=0, **changes):
    return [a_scan(number, chance, seed=seed, **changes) for number in range(count)]


def measured(scans, home=None):
    return measure_acceptance(scans, home=home, resampling=RESAMPLING)


def as_json(result):
    return to_json(result, design=DESIGN, seed=0, recipe={"name": "test"}, provenance={})


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    path = tmp_path_factory.mktemp("home") / "acceptance.json"
    path.write_text(to_text(as_json(measured(site(150)))), encoding="utf-8")
    return read_home(path)


def verdicts(result):
    return {line.name: line.verdict for line in result.lines}


def test_the_same_site_with_other_lesions_is_as_at_home(home):
    found = verdicts(measured(site(120, seed=11), home))

    assert {Verdict.AS_AT_HOME} == set(found.values())
    assert [
        "sensitivity_small", "sensitivity_medium", "sensitivity_large", "size_at_50",
        "flagged_untouched", "polarity_and_scale",
    ] == [*found]  # fmt: skip


def test_where_large_lesions_are_missed_that_line_is_worse_and_no_other(home):
    result = measured(site(80, lambda size: 0.5 if size > 0.1 else usual(size), seed=2), home)

    assert result.is_worse
    assert Verdict.WORSE is verdicts(result)["sensitivity_large"]
    assert Verdict.WORSE is not verdicts(result)["sensitivity_medium"]


def test_where_half_is_found_of_larger_ones_alone_the_size_is_worse(home):
    result = measured(site(80, lambda size: usual(size / 2.5), seed=2), home)

    line = next(line for line in result.lines if line.name == "size_at_50")
    assert Verdict.WORSE is line.verdict
    assert line.here.value == pytest.approx(2.5 * line.home.value, rel=0.2)


def test_a_loss_in_twelve_patients_is_neither_told_nor_excluded(home):
    few = [
        replace(scan, lesions=scan.lesions[::3])
        for scan in site(12, lambda size: usual(size) - 0.05, seed=3)
    ]

    assert Verdict.TOO_FEW is verdicts(measured(few, home))["sensitivity_large"]


@pytest.mark.parametrize("has_home", [True, False])
def test_fewer_than_ten_patients_are_too_few_for_every_line(home, has_home):
    result = measured(site(9, seed=3), home if has_home else None)

    assert {Verdict.TOO_FEW} == set(verdicts(result).values())
    assert any("9 patients" in note for note in result.notes)


def test_without_a_home_there_is_no_verdict_and_a_note_says_how_to_get_one():
    result = measured(site(20))

    assert {None} == set(verdicts(result).values())
    assert any("--home" in note for note in result.notes)


def test_flagged_untouched_scans_differ_and_only_labels_make_them_worse(home):
    flagged = [replace(scan, is_flagged=n % 2 == 0) for n, scan in enumerate(site(60, seed=4))]
    labelled = [replace(scan, is_known_clear=True) for scan in flagged]

    assert Verdict.DIFFERS is verdicts(measured(flagged, home))["flagged_untouched"]
    assert Verdict.WORSE is verdicts(measured(labelled, home))["flagged_untouched"]
    assert any("30 of 60 untouched" in note for note in measured(flagged, home).notes)


@pytest.mark.parametrize("scale", [-0.4, 0.1, 1.2])
def test_a_polarity_or_scale_that_is_not_homes_differs(home, scale):
    result = measured(site(60, seed=5, scale=scale), home)

    assert Verdict.DIFFERS is verdicts(result)["polarity_and_scale"]
    assert (scale < 0) == any("bright and dark exchanged" in note for note in result.notes)


def test_scans_that_look_unlike_home_are_never_as_at_home(home):
    result = measured(site(120, seed=11, look={"level": 0.2}), home)

    names = ("sensitivity_small", "sensitivity_medium", "sensitivity_large", "size_at_50")
    assert {Verdict.TOO_FEW} == {verdicts(result)[name] for name in names}
    assert ("level",) == result.unalike
    assert any("unlike those at home (level)" in note for note in result.notes)


def test_a_change_of_how_scans_look_hides_no_loss(home):
    result = measured(site(80, lambda _: 0.2, seed=7, look={"level": 0.2}), home)

    assert Verdict.WORSE is verdicts(result)["sensitivity_large"]


def test_the_file_says_all_that_home_needs(home):
    assert 0.9 < home.lines["sensitivity_large"].value < 1
    assert 0.5 == pytest.approx(home.share_at(home.sizes_at["size_at_50"], 1.0).value, abs=0.05)
    assert DESIGN == dict(home.design)
    assert "PA" in home.sensitivity["view"]
    assert home.share_at(0.5, 1.0) is None


def test_sizes_stand_in_millimetres_where_the_spacing_is_true():
    known, unknown = measured(site(20)), measured(site(20, width_mm=None))

    size = as_json(known)["detected_at"]["p50"]
    assert size["mm"] == pytest.approx(280 * size["value"], rel=1e-3)
    assert "mm" not in as_json(unknown)["detected_at"]["p50"]


def test_a_size_that_is_not_reached_is_null():
    data = as_json(measured(site(20, lambda _: 0.2)))

    assert data["detected_at"]["p50"] is None
    assert data["lines"][3]["here"]["value"] is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"schema": "medrec.acceptance/2"}', '{"schema": "medrec.acceptance/1"}'],
    ids=["empty", "a list", "torn", "another schema", "nothing else"],
)  # fmt: skip
def test_what_is_no_acceptance_test_is_refused_by_name(tmp_path, text):
    (tmp_path / "acceptance.json").write_text(text)

    with pytest.raises(PackageError, match=r"acceptance\.json holds no acceptance test"):
        read_home(tmp_path / "acceptance.json")


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["lines"][0]["here"].update(low=0.9, high=0.1),
        lambda data: data["lines"][0]["here"].update(value=float("nan")),
        lambda data: data.update(look={"level": {"mean": "dark", "deviation": 1}}),
        lambda data: data.update(curve={"points": 7}),
        lambda data: data.pop("recipe"),
    ],
    ids=["upside down", "no number", "a word", "no list", "no recipe"],
)
def test_a_changed_acceptance_test_is_refused_by_name(tmp_path, change):
    data = as_json(measured(site(12)))
    change(data)
    (tmp_path / "acceptance.json").write_text(json.dumps(data))

    with pytest.raises(PackageError, match=r"acceptance\.json holds no acceptance test"):
        read_home(tmp_path / "acceptance.json")
