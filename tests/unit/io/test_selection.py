"""Rules on series: each condition, unknown facts, order, and what a study is left with."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from factories import a_header, a_nifti_header

from medrec.config.base import read_config
from medrec.config.selection import RulesConfig
from medrec.domain.codes import ReasonCode
from medrec.domain.ids import CaseId
from medrec.domain.modality import Sequence
from medrec.domain.series import Case, FileStatus, Series
from medrec.errors import RefusedScanError
from medrec.io.build import build_rules
from medrec.io.selection import (
    LeftOut,
    Selected,
    choose,
    describe_none,
    left_out_status,
    only_series,
    select,
)

CONFIGS = Path(__file__).parents[3] / "configs" / "rules"
TILTED = (1.0, 0.0, 0.0, 0.0, math.cos(math.radians(20)), math.sin(math.radians(20)))
TURNED = (1.0, 0.0, 0.0, 0.0, math.cos(math.radians(40)), math.sin(math.radians(40)))
KNOWN = {
    "body_part": "BRAIN",
    "sequence": Sequence.FLAIR,
    "series_description": "Ax T2 FLAIR",
    "repetition_time_ms": 9000.0,
    "echo_time_ms": 120.0,
    "inversion_time_ms": 2500.0,
    "has_contrast_agent": False,
    "image_type": ("ORIGINAL", "PRIMARY", "M"),
    "laterality": "L",
    "view_position": "PA",
    "manufacturer": "SIEMENS Healthineers",
}
HOLDS = [
    {"modality": ["CT", "MR"]},
    {"body_part": ["brain"]},
    {"sequence": ["flair"]},
    {"description": "t2.*flair$"},
    {"repetition_time_ms": {"at_least": 9000}},
    {"echo_time_ms": {"at_most": 120}},
    {"inversion_time_ms": {"at_least": 2000, "at_most": 3000}},
    {"contrast": "not_given"},
    {"orientation": ["axial"]},
    {"slices": {"at_least": 1, "at_most": 1}},
    {"image_type": {"include": ["derived", "original"]}},
    {"image_type": {"exclude": ["ADC"]}},
    {"laterality": ["L"]},
    {"view_position": ["pa"]},
    {"manufacturer": ["siemens"]},
]
FAILS = [
    {"modality": ["CT"]},
    {"body_part": ["CHEST"]},
    {"sequence": ["t1", "t1c"]},
    {"description": "^flair"},
    {"repetition_time_ms": {"at_least": 9000.5}},
    {"echo_time_ms": {"at_most": 119}},
    {"inversion_time_ms": {"at_least": 3000}},
    {"contrast": "given"},
    {"orientation": ["sagittal", "oblique"]},
    {"slices": {"at_least": 2}},
    {"image_type": {"include": ["ADC"]}},
    {"image_type": {"exclude": ["M"]}},
    {"laterality": ["R", "B"]},
    {"view_position": ["AP"]},
    {"manufacturer": ["philips", "ge "]},
]
CAN_BE_UNKNOWN = [one for one in HOLDS if "slices" not in one]
IDS = [next(iter(one)) for one in HOLDS]


def rules(*conditions, default="leave_out", **more):
    """Rules `r0`, `r1` and so on, each taking unless it says otherwise."""
    listed = [{"name": f"r{n}", "action": "take", **one} for n, one in enumerate(conditions)]
    return build_rules(RulesConfig.model_validate({"rules": listed, "default": default, **more}))


def a_series(slices=1, **facts):
    headers = (
        a_header(source=f"s/{n}", position_lps_mm=(0.0, 0.0, 5.0 * n), **facts)
        for n in range(slices)
    )
    return Series(tuple(headers))


def unknown():
    return Series((a_header(modality=None, orientation=None, position_lps_mm=None),))


def is_taken(series, *conditions, **more):
    (choice,) = choose([series], rules(*conditions, **more))
    return isinstance(choice, Selected)


def a_case(*series):
    return Case(CaseId("c-1"), None, "s", tuple(series))


@pytest.mark.parametrize("condition", HOLDS, ids=IDS)
def test_a_condition_that_holds_takes_and_leaves_out(condition):
    series = a_series(**KNOWN)

    assert is_taken(series, condition)
    assert not is_taken(series, {**condition, "action": "leave_out"}, default="take")


@pytest.mark.parametrize("condition", FAILS, ids=IDS)
def test_a_condition_that_fails_does_neither(condition):
    series = a_series(**KNOWN)

    assert not is_taken(series, condition)
    assert is_taken(series, {**condition, "action": "leave_out"}, default="take")


@pytest.mark.parametrize("condition", CAN_BE_UNKNOWN)
def test_an_unknown_fact_is_no_mismatch(condition):
    assert is_taken(unknown(), condition)
    assert is_taken(unknown(), {**condition, "action": "leave_out"}, default="take")


@pytest.mark.parametrize("condition", CAN_BE_UNKNOWN)
def test_an_unknown_fact_is_not_taken_by_a_rule_that_wants_it_known(condition):
    assert not is_taken(unknown(), {**condition, "known_only": True})


def test_all_conditions_of_a_rule_must_hold():
    flair_of_brain = {"sequence": ["flair"], "body_part": ["BRAIN"]}

    assert is_taken(a_series(**KNOWN), flair_of_brain)
    assert not is_taken(a_series(**{**KNOWN, "body_part": "KNEE"}), flair_of_brain)


def test_a_description_is_searched_for_in_the_protocol_name_too():
    series = a_series(series_description="s3", protocol_name="t2_tirm_tra_dark-fluid")

    assert is_taken(series, {"description": "dark.?fluid"})


@pytest.mark.parametrize(
    ("orientation", "plane"),
    [
        ((1.0, 0.0, 0.0, 0.0, 1.0, 0.0), "axial"),
        ((1.0, 0.0, 0.0, 0.0, 0.0, -1.0), "coronal"),
        ((0.0, 1.0, 0.0, 0.0, 0.0, -1.0), "sagittal"),
        (TILTED, "axial"),
        (TURNED, "oblique"),
    ],
)
def test_the_orientation_is_the_nearest_plane_within_30_degrees(orientation, plane):
    assert is_taken(a_series(orientation=orientation), {"orientation": [plane]})


def test_a_description_that_says_post_contrast_is_contrast_where_no_agent_is_named():
    said = a_series(sequence=Sequence.T1C)
    denied = a_series(sequence=Sequence.T1C, has_contrast_agent=False)

    assert is_taken(said, {"contrast": "given", "known_only": True})
    assert not is_taken(denied, {"contrast": "given"})


def test_slices_are_counted_over_files_and_frames_and_along_the_axis_of_a_nifti():
    frames = Series((a_header(shape=(64, 64, 20)),))
    nifti = Series((a_nifti_header(shape=(64, 12, 64), slice_count=12),))

    assert is_taken(a_series(slices=7), {"slices": {"at_least": 7, "at_most": 7}})
    assert is_taken(frames, {"slices": {"at_least": 20, "at_most": 20}})
    assert is_taken(nifti, {"slices": {"at_least": 12, "at_most": 12}})


def test_the_first_rule_that_fits_decides():
    listed = ({"sequence": ["flair"], "action": "leave_out"}, {"modality": ["MR"]})

    (out,) = choose([a_series(**KNOWN)], rules(*listed))
    (taken,) = choose([a_series(**KNOWN)], rules(*reversed(listed)))

    assert ("r0", "left out by the rule 'r0'") == (out.rule, out.reason)
    assert "r0" == taken.rule


def test_the_default_decides_where_no_rule_fits():
    (out,) = choose([a_series()], rules())
    (taken,) = choose([a_series()], rules(default="take"))

    assert isinstance(out, LeftOut)
    assert isinstance(taken, Selected)
    assert (None, None) == (out.rule, taken.rule)


@pytest.mark.parametrize(
    ("prefer", "kept"),
    [("first_rule", 2), ("most_slices", 1), ("thinnest", 0), ("largest_matrix", 3)],
)
def test_of_several_series_the_preferred_one_is_kept(prefer, kept):
    series = [
        Series(tuple(a_header(source=f"a{n}", position_lps_mm=(0, 0, 1.0 * n)) for n in range(2))),
        a_series(slices=9),
        a_series(slices=2, sequence=Sequence.FLAIR),
        a_series(slices=2, shape=(256, 256, 1)),
    ]
    listed = ({"sequence": ["flair"], "known_only": True}, {"modality": ["MR"]})

    choices = choose(series, rules(*listed, most_series=1, prefer=[prefer]))

    assert [kept] == [n for n, choice in enumerate(choices) if isinstance(choice, Selected)]


def test_which_of_equal_series_is_kept_hangs_on_no_file_name():
    def kept(*names):
        pair = [
            Series((a_header(source=name, series_uid=f"1.{n}", sop_uid=f"1.{n}.1"),))
            for n, name in enumerate(names)
        ]
        choices = choose(pair, rules(default="take", most_series=1))
        return [one.series.first.series_uid for one in choices if isinstance(one, Selected)]

    assert ["1.0"] == kept("a", "b") == kept("b", "a")


def test_a_pattern_that_would_hang_a_backtracking_engine_ends_at_once():
    series = a_series(series_description="A" * 64 + "!")
    started = time.perf_counter()

    assert not is_taken(series, {"description": "^(a+)+$"})
    assert time.perf_counter() - started < 1.0


def test_series_that_are_left_out_stand_in_the_case_with_the_rules_name():
    flair, other = a_series(**KNOWN), a_series(sequence=Sequence.T2)

    case = select(a_case(flair, other), rules({"sequence": ["flair"]}))

    assert (flair,) == case.series
    ((series, reason),) = case.left_out
    assert other is series
    assert ReasonCode.NOT_SELECTED is reason.code
    assert FileStatus.SKIPPED is left_out_status(case)


def test_a_case_of_which_the_rules_leave_nothing_is_refused():
    case = select(a_case(a_series(), a_series()), rules({"modality": ["CT"]}))

    assert FileStatus.REFUSED is left_out_status(case)
    assert "no series of 2 is eligible: 2 left out by default" in describe_none(case.left_out)


def test_without_rules_a_case_stays_as_it_is():
    case = a_case(a_series())

    assert case is select(case, None)


def test_the_one_series_of_a_folder_is_the_one_that_the_rules_take():
    flair, other = a_series(**KNOWN), a_series(sequence=Sequence.T2)

    assert flair is only_series([a_case(other, flair)], rules({"sequence": ["flair"]}))


@pytest.mark.parametrize(
    ("given", "hint"),
    [(None, "name rules"), ({"default": "take"}, "set most_series to 1"), ({}, "no series of 2")],
)
def test_not_one_series_of_a_folder_is_an_error_that_says_what_to_do(given, hint):
    chosen = None if given is None else rules(**given)

    with pytest.raises(RefusedScanError, match=hint):
        only_series([a_case(a_series(), a_series())], chosen)


def test_no_reason_repeats_a_description():
    secret = a_series(series_description="DOE JANE", protocol_name="DOE JANE")

    choices = choose([secret], rules({"description": "doe", "action": "leave_out"}))

    assert "DOE" not in choices[0].reason.upper()
    assert "DOE" not in repr(secret)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("mri-brain-flair", {"sequence": Sequence.FLAIR, "slices": 20}),
        ("mri-brain-t1c", {"sequence": Sequence.T1C, "slices": 20}),
        ("chest-frontal", {"modality": "DX", "view_position": "PA", "body_part": "CHEST"}),
    ],
)
def test_a_shipped_example_takes_what_it_is_named_for_and_not_a_t2(name, facts):
    shipped = build_rules(read_config(CONFIGS / f"{name}.yaml", RulesConfig))

    wanted, other = choose([a_series(**facts), a_series(slices=20, sequence=Sequence.T2)], shipped)

    assert isinstance(wanted, Selected)
    assert isinstance(other, LeftOut)
