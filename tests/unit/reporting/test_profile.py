from __future__ import annotations

from dataclasses import replace

from medrec.reporting.profile import profile_chart, read_profile


def test_the_highest_slices_come_first(scored):
    profile = read_profile(scored, "tumor")

    assert [found.slice for found in profile.highest][:3] == [23, 22, 21]
    assert profile.calibrated
    assert profile.stacks == 1


def test_a_single_image_has_no_profile(scored):
    assert read_profile(replace(scored, images=scored.images[:1]), "tumor") is None
    assert read_profile(replace(scored, images=()), "tumor") is None
    assert read_profile(scored, "cyst") is None


def test_of_several_stacks_the_one_of_the_key_slice_is_shown(scored):
    both = replace(scored, images=(*scored.images[:10], *scored.images))

    assert len(read_profile(both, "tumor").slices) == 24
    assert len(read_profile(both, "tumor", key_slice=9).slices) == 10
    assert read_profile(both, "tumor").stacks == 2


def test_the_chart_marks_key_slice_and_threshold(scored):
    chart = profile_chart(read_profile(scored, "tumor"), key_slice=23, threshold=0.31)

    assert {rule.kind for rule in chart.rules} == {"key", "threshold"}
    assert [dot.title for dot in chart.dots if dot.kind == "key"] == ["slice 23: 0.958"]


def test_scores_have_no_threshold_and_their_own_axis(raw):
    chart = profile_chart(read_profile(raw, "tumor"), key_slice=None, threshold=0.31)

    assert chart.rules == ()
    assert chart.y_label == "score"
    low, high = chart.frame.y_range
    assert low < 1.0
    assert high > 24.0
