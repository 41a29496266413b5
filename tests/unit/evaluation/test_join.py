from __future__ import annotations

from dataclasses import replace

import pytest

from medrec.domain.finding import ImageFindings
from medrec.errors import ManifestError
from medrec.evaluation.join import join
from medrec.evaluation.result import SliceFlow


def _pairs(joined):
    return {case.prediction.source: [row.path for row in case.rows] for case in joined.cases}


def test_a_path_joins_the_source_that_equals_it(predict, refer):
    joined = join([predict("a"), predict("b")], [refer("b.nii"), refer("a.nii")])

    assert {"a.nii": ["a.nii"], "b.nii": ["b.nii"]} == _pairs(joined)
    assert (2, 0, 0) == (joined.flow.scored, joined.flow.unmatched, joined.flow.without_reference)
    assert joined.notes == ()


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("archive/p1/scan.nii", "p1/scan.nii"),
        ("p1/scan.nii", "archive/p1/scan.nii"),
        ("p1/scan.nii", "../archive/p1/scan.nii"),
        ("p1/scan.nii", "./p1/scan.nii"),
        ("p1/scan.nii", "p1\\scan.nii"),
        ("study4/IM0001", "study4"),
    ],
)
def test_a_path_joins_a_unique_suffix_or_the_folder_of_a_case(predict, refer, source, path):
    others = [predict("x", source="p2/scan.nii"), predict("y", source="study5/IM0001")]

    joined = join([predict("a", source=source), *others], [refer(path)])

    assert {source: [path]} == _pairs(joined)


def test_part_of_a_name_is_no_suffix(predict, refer):
    joined = join([predict("a", source="scan12.nii")], [refer("2.nii"), refer("n12.nii")])

    assert joined.cases == ()
    assert joined.flow.unmatched == 2


def test_a_suffix_of_several_sources_joins_none_of_them(predict, refer):
    predictions = [predict("a", source="p1/scan.nii"), predict("b", source="p2/scan.nii")]

    joined = join(predictions, [refer("scan.nii")])

    assert joined.cases == ()
    assert (1, 0, 2) == (
        joined.flow.ambiguous,
        joined.flow.unmatched,
        joined.flow.without_reference,
    )
    assert any("could be several predictions" in note for note in joined.notes)


def test_an_equal_source_goes_before_a_suffix(predict, refer):
    predictions = [predict("a", source="scan.nii"), predict("b", source="p2/scan.nii")]

    assert {"scan.nii": ["scan.nii"]} == _pairs(join(predictions, [refer("scan.nii")]))


def test_two_paths_that_end_alike_do_not_share_a_prediction(predict, refer):
    joined = join([predict("a", source="scan.nii")], [refer("p1/scan.nii"), refer("p2/scan.nii")])

    assert joined.cases == ()
    assert joined.flow.ambiguous == 2


def test_a_source_that_one_path_equals_is_not_another_ones_by_suffix(predict, refer):
    joined = join([predict("a", source="scan.nii")], [refer("scan.nii"), refer("p2/scan.nii")])

    assert {"scan.nii": ["scan.nii"]} == _pairs(joined)
    assert joined.flow.ambiguous == 1


def test_a_folder_of_several_cases_joins_none(predict, refer):
    predictions = [predict("a", source="p1/a.nii"), predict("b", source="p1/b.nii")]

    assert join(predictions, [refer("p1")]).flow.ambiguous == 1


def test_case_goes_before_path(predict, refer):
    joined = join([predict("a"), predict("b")], [refer("a.nii", case="c-b")])

    assert {"b.nii": ["a.nii"]} == _pairs(joined)


def test_a_case_that_no_prediction_has_does_not_fall_back_to_the_path(predict, refer):
    joined = join([predict("a")], [refer("a.nii", case="study 1")])

    assert joined.cases == ()
    assert joined.flow.unmatched == 1
    assert any("holds no case_id" in note for note in joined.notes)


def test_slice_rows_join_the_image_of_their_number(predict, refer):
    prediction = predict("a", images=[(3, 0.2), (4, 0.3), (5, 0.9)])
    rows = [refer("a.nii", slice=5), refer("a.nii", slice=3), refer("a.nii", slice=0)]

    joined = join([prediction], rows)

    (case,) = joined.cases
    assert {0: 3, 2: 5} == {index: row.slice for index, (row,) in case.image_rows.items()}
    assert SliceFlow(scored=2, unscored=1) == joined.flow.slices
    assert any("blank" in note for note in joined.notes)


def test_slice_rows_may_name_the_file_of_their_slice(predict, refer):
    prediction = replace(
        predict("a", source="study4/IM0001"),
        images=tuple(
            ImageFindings(f"study4/IM000{number + 1}", number, predict("a").findings)
            for number in range(3)
        ),
    )

    for folder in ("", "archive/"):
        rows = [refer(f"{folder}study4/IM000{n + 1}", slice=n, patient="x") for n in range(3)]
        (case,) = join([prediction], rows).cases
        assert sorted(case.image_rows) == [0, 1, 2]


def test_of_two_series_with_one_slice_number_the_named_file_is_meant(predict, refer):
    findings = predict("a").findings
    prediction = replace(
        predict("a", source="s/A1"),
        images=(ImageFindings("s/A1", 0, findings), ImageFindings("s/B1", 0, findings)),
    )

    named = join([prediction], [refer("s/B1", slice=0)])
    unnamed = join([prediction], [refer("a", case="c-a", slice=0)])

    assert list(named.cases[0].image_rows) == [1]
    assert SliceFlow(ambiguous=1) == unnamed.flow.slices


def test_refused_cases_and_their_slices_are_counted(predict, refuse, refer):
    joined = join(
        [predict("a"), refuse("b")], [refer("a.nii"), refer("b.nii", slice=1), refer("z.nii")]
    )

    assert (1, 1, 0, 1) == (
        joined.flow.scored,
        joined.flow.refused,
        joined.flow.failed,
        joined.flow.unmatched,
    )
    assert SliceFlow(not_judged=1) == joined.flow.slices


def test_rows_of_different_patients_on_one_case_are_refused_without_naming_them(predict, refer):
    rows = [refer("a.nii", patient="Miller"), refer("a.nii", patient="Smith", slice=1)]

    with pytest.raises(ManifestError, match="c-a") as caught:
        join([predict("a")], rows)

    assert "Miller" not in str(caught.value)


def test_every_manifest_case_and_every_prediction_is_counted_once(predict, refuse, refer):
    predictions = [predict("a"), predict("b"), refuse("c"), predict("d")]
    rows = [refer("a.nii"), refer("a.nii", slice=0), refer("c.nii"), refer("x.nii"), refer("y.nii")]

    flow = join(predictions, rows).flow

    assert len(predictions) == flow.scored + flow.refused + flow.failed + flow.without_reference
    assert 4 == flow.scored + flow.refused + flow.failed + flow.unmatched + flow.ambiguous
