"""What counts as one image when boxes are judged: a film, a slice or a volume."""

from __future__ import annotations

from dataclasses import replace

import pytest
from box_cases import LESION, NEAR, SETTINGS, a_film, a_truth, measured
from factories import TUMOR, a_prediction, a_reference, a_region

from medrec.domain.box import Box
from medrec.domain.finding import Finding, ImageFindings, JudgedSeries
from medrec.domain.ids import CaseId
from medrec.evaluation.evaluate import evaluate_predictions
from medrec.evaluation.paired_detection import pair_images

SOLID = Box(10, 10, 30, 30, 4, 6)
"""A lesion on slices 4 and 5."""


def solid_truth(**boxes):
    """Rows of whole volumes and their solid boxes, by the name of a file."""
    rows = [a_reference(path=name, patient=name, labels={}) for name in boxes]
    return rows, {(name, None): found for name, found in boxes.items()}


def a_study(*sources, regions=(), first=None):
    """A case of several series or films; `sources` are (file, slice) of its images."""
    finding = Finding(TUMOR, 1.0, 0.8, operating_point="screening", threshold=0.75)
    return a_prediction(
        case_id=CaseId("c-study"),
        source=first or sources[0][0],
        findings=(finding,),
        images=tuple(ImageFindings(name, number, (finding,)) for name, number in sources),
        regions=tuple(regions),
    )


def test_a_volume_without_a_region_is_cut_into_slices_where_others_are():
    rows, truth = solid_truth(a=(a_truth(SOLID),), b=(), c=(a_truth(SOLID),))
    slices = (3, 4, 5, 6)
    predictions = [
        a_film("a", (NEAR, 4), images=slices),
        a_film("b", images=slices),
        a_film("c", images=slices),
    ]

    result, _, notes = measured(predictions, rows, truth)

    # Slices 4 and 5 of a and c hold the lesion; one of the four is found.
    assert (12, 8, 4, False) == (
        result.images, result.empty_images, result.lesions, result.is_solid
    )  # fmt: skip
    assert 0.25 == result.froc.sensitivity[-1].value
    assert [] == [note for note in notes if "left out" in note or "no figure" in note]


def test_volumes_stay_whole_where_truth_and_model_are_solid_throughout():
    rows, truth = solid_truth(a=(a_truth(SOLID),), b=(), c=(a_truth(SOLID),))
    predictions = [
        a_film("a", (Box(10, 10, 30, 30, 4, 7), 4), images=(3, 4, 5, 6)),
        a_film("b", images=(3, 4, 5, 6)),
        a_film("c", images=(3, 4, 5, 6)),
    ]

    result, _, _ = measured(predictions, rows, truth)

    assert (3, 1, 2, True) == (
        result.images, result.empty_images, result.lesions, result.is_solid
    )  # fmt: skip


def test_a_lesion_is_missed_on_the_slices_that_were_not_scored():
    rows, truth = solid_truth(a=(a_truth(SOLID),))

    result, judged, _ = measured([a_film("a", (NEAR, 4), images=(3, 4))], rows, truth)

    assert [(3, []), (4, ["found"]), (5, ["missed"])] == [
        (image.slice, [one.verdict for one in image.lesions]) for image in judged[0]
    ]
    assert 2 == result.lesions


def test_a_flat_box_of_a_volume_is_left_out_and_its_case_named():
    rows, truth = solid_truth(a=(a_truth(SOLID),), b=(a_truth(LESION),))
    predictions = [a_film(name, (NEAR, 4), images=(3, 4, 5)) for name in "ab"]

    result, judged, notes = measured(predictions, rows, truth)

    assert ([0], 3) == (list(judged), result.images)
    assert any("boxes without z" in note and "c-b" in note for note in notes)


def test_a_box_that_claims_to_be_deeper_than_any_scan_ends():
    rows, truth = solid_truth(a=(a_truth(Box(10, 10, 30, 30, 0, 1e15)),))

    result, _, _ = measured([a_film("a", (NEAR, 4), images=(3, 4))], rows, truth)

    assert 4096 == result.lesions


def test_each_film_of_a_study_is_an_image_with_its_own_truth():
    films = ("s/l.dcm", "s/r.dcm")
    study = a_study(*((name, 0) for name in films), regions=[
        a_region(source="s/r.dcm", slice=0, box_px=NEAR, probability=0.9),
    ])  # fmt: skip
    for case in ("c-study", None):  # by case, and by the path of the film
        rows = [a_reference(path=name, patient="p", case=case, labels={}) for name in films]
        truth = {("s/l.dcm", None): (), ("s/r.dcm", None): (a_truth(),)}

        result, judged, _ = measured([study], rows, truth)

        assert (2, 1, 1, 1.0) == (
            result.images, result.empty_images, result.lesions, result.froc.cpm.value
        )  # fmt: skip
        assert [("s/l.dcm", None, []), ("s/r.dcm", None, ["hit"])] == [
            (image.source, image.slice, [box.verdict for box in image.boxes]) for image in judged[0]
        ]


def test_a_study_is_positive_if_one_of_its_films_is():
    study = a_study(("s/l.dcm", 0), ("s/r.dcm", 0))
    rows = [
        a_reference(path="s/l.dcm", patient="p", labels={TUMOR: False}),
        a_reference(path="s/r.dcm", patient="p", labels={TUMOR: True}),
    ]

    result = evaluate_predictions([study], rows, settings=SETTINGS)

    assert ((1, 1, 0), (2, 1)) == (
        (result.labels[TUMOR].exam.n, result.labels[TUMOR].exam.positives, result.flow.unmatched),
        (result.labels[TUMOR].images.n, result.labels[TUMOR].images.positives),
    )


def test_a_row_on_a_studys_first_file_is_one_of_the_study():
    study = a_study(("s/l.dcm", 0), ("s/r.dcm", 0))

    result = evaluate_predictions(
        [study], [a_reference(path="s/l.dcm", labels={TUMOR: True})], settings=SETTINGS
    )

    assert (1, None) == (result.labels[TUMOR].exam.positives, result.labels[TUMOR].images)


def test_boxes_of_a_study_that_name_no_film_are_left_out():
    study = a_study(("s/l.dcm", 0), ("s/r.dcm", 0))
    rows = [a_reference(path="s", labels={})]

    result, _, notes = measured([study], rows, {("s", None): (a_truth(),)})

    assert result is None
    assert any("a row whose `path` names that folder (or the film)" in note for note in notes)


def test_a_study_in_which_nothing_is_has_nothing_on_any_film():
    study = a_study(("s/l.dcm", 0), ("s/r.dcm", 0))

    result, _, _ = measured([study], [a_reference(path="s", labels={})], {("s", None): ()})

    assert (2, 2) == (result.images, result.empty_images)


def two_series(*regions):
    """Series s/a and s/b of three slices, each in a file of its own."""
    files = [(f"s/{name}/{number}.dcm", number) for name in "ab" for number in (3, 4, 5)]
    return a_study(*files, regions=regions)


def joined(series):
    """A box joined over slices, whose file is that of its middle slice."""
    return a_region(source=f"s/{series}/5.dcm", slice=5, box_px=SOLID, probability=0.9)


def test_a_joined_box_reaches_all_its_slices_where_a_case_has_two_series():
    rows = [a_reference(path=f"s/b/{number}.dcm", slice=number, labels={}) for number in (3, 4, 5)]
    truth = {(f"s/b/{n}.dcm", n): (a_truth(),) if n in (4, 5) else () for n in (3, 4, 5)}

    result, _, _ = measured([two_series(joined("b"), joined("a"))], rows, truth)

    assert (3, 2, 2, 1.0) == (
        result.images, result.lesions, result.boxes, result.froc.cpm.value
    )  # fmt: skip


def test_negative_slices_beside_an_exam_with_boxes_leave_its_volume_whole():
    exam = a_reference(path="a", patient="p", labels={TUMOR: True}, boxes="boxes.csv")
    slices = [a_reference(path="a", patient="p", slice=n, labels={TUMOR: n == 4}) for n in (3, 4)]
    truth = {("a", None): (a_truth(SOLID),), ("a", 3): ()}

    result, _, _ = measured([a_film("a", (SOLID, 4), images=(3, 4))], [exam, *slices], truth)

    assert (1, 1, True) == (result.images, result.lesions, result.is_solid)


def test_series_that_can_t_be_told_apart_are_in_no_figure():
    # The first slices of b are blank: its images go on where those of a end.
    sources = [*((f"s/a/{n}.dcm", n) for n in range(4)), *((f"s/b/{n}.dcm", n) for n in (5, 6))]
    mixed = replace(a_study(*sources, regions=[joined("b")]), series="s/a/0.dcm")
    rows = [a_reference(path="s/a", patient="p", labels={})]

    result, _, notes = measured([mixed], rows, {("s/a", None): (a_truth(SOLID),)})

    assert result is None
    assert any("several series" in note for note in notes)


def three_series(*regions, **facts):
    """Slices 0 to 3 of s/a and s/c; of s/b only 5 and 6 weren't blank."""
    numbers = {"a": range(4), "b": (5, 6), "c": range(4)}
    files = [(f"s/{name}/{n}.dcm", n) for name, own in numbers.items() for n in own]
    return replace(a_study(*files, regions=regions), series="s/a/0.dcm", **facts)


def test_series_are_told_by_those_that_were_judged_and_not_by_their_slices_numbers():
    judged = tuple(
        JudgedSeries(f"s/{name}/0.dcm", count) for name, count in (("a", 4), ("b", 2), ("c", 4))
    )
    study = three_series(replace(joined("b"), series="s/b/0.dcm"), judged_series=judged)
    rows = series_rows("s/a", "s/b", "s/c")
    truth = {("s/a", None): (), ("s/b", None): (a_truth(SOLID),), ("s/c", None): ()}

    result, _, notes = measured([study], rows, truth)

    assert (3, 2, 1, 1) == (result.images, result.empty_images, result.lesions, result.boxes)
    assert 1.0 == result.froc.sensitivity[0].value
    assert not [note for note in notes if "screen them again" in note]


def test_a_journal_that_names_no_series_is_noted_for_what_cant_be_told():
    rows = series_rows("s/a", "s/b", "s/c")
    truth = {("s/a", None): (), ("s/b", None): (a_truth(SOLID),), ("s/c", None): ()}

    _, _, notes = measured([three_series(joined("b"))], rows, truth)

    (note,) = [note for note in notes if "screen them again" in note]
    assert "1 case of several series (c-study)" in note


def test_a_whole_row_is_that_of_the_series_it_names():
    rows = [a_reference(path="s/b", case="c-study", labels={})]

    result, _, _ = measured(
        [two_series(joined("a"), joined("b"))], rows, {("s/b", None): (a_truth(SOLID),)}
    )

    assert (1, 1, 1) == (result.images, result.lesions, result.boxes)


def of_volumes(*regions, counts="s/a/0.dcm"):
    """What a 3D detector says of a study of series s/a and s/b: there are no images of slices."""
    study = two_series(*regions)
    return replace(study, images=(), series=counts)


def series_rows(*paths):
    return [a_reference(path=path, case="c-study", labels={}) for path in paths]


def test_each_series_of_a_study_is_a_volume_with_the_boxes_of_the_row_that_names_it():
    truth = {("s/a", None): (a_truth(SOLID),), ("s/b", None): ()}
    study = of_volumes(joined("a"), joined("b"))

    result, _, notes = measured([study], series_rows("s/a", "s/b"), truth)

    assert (2, 1, 1, 2, True) == (
        result.images, result.empty_images, result.lesions, result.boxes, result.is_solid
    )  # fmt: skip
    assert 1.0 == result.froc.sensitivity[-1].value
    assert 1.0 == result.froc_empty.sensitivity[-1].value
    assert not [note for note in notes if "no figure" in note]


def test_a_series_in_which_nothing_was_found_has_missed_its_lesion():
    truth = {("s/a", None): (a_truth(SOLID),), ("s/b", None): (a_truth(SOLID),)}

    result, _, _ = measured([of_volumes(joined("a"))], series_rows("s/a", "s/b"), truth)

    assert (2, 2, 1) == (result.images, result.lesions, result.boxes)
    assert 0.5 == result.froc.sensitivity[-1].value


def judged_volumes(*regions, judged=("s/a/0.dcm", "s/b/0.dcm")):
    found = [replace(one, series=f"{one.source.rpartition('/')[0]}/0.dcm") for one in regions]
    return replace(of_volumes(*found), judged_series=tuple(map(JudgedSeries, judged)))


def test_a_judged_series_without_a_region_counts_as_an_image_with_none():
    truth = {("s/a", None): (a_truth(SOLID),), ("s/b", None): ()}

    result, _, notes = measured([judged_volumes(joined("a"))], series_rows("s/a", "s/b"), truth)

    assert (2, 1, 1, 1) == (result.images, result.empty_images, result.lesions, result.boxes)
    assert not [note for note in notes if "no figure" in note]


def test_a_series_that_was_not_judged_has_missed_nothing():
    truth = {("s/a", None): (a_truth(SOLID),), ("s/c", None): (a_truth(SOLID),)}

    result, _, notes = measured(
        [judged_volumes(joined("a"), joined("b"))], series_rows("s/a", "s/c"), truth
    )

    assert (1, 1, 1) == (result.images, result.lesions, result.boxes)
    assert any("1 images belong to series that were not judged" in note for note in notes)


def test_a_row_may_name_a_judged_series_by_its_first_file():
    files = ("s/1.dcm", "s/9.dcm")  # both series lie in one folder
    study = replace(
        of_volumes(a_region(source="s/5.dcm", slice=5, box_px=SOLID, series="s/1.dcm")),
        judged_series=tuple(map(JudgedSeries, files)),
    )
    truth = {("s/1.dcm", None): (a_truth(SOLID),), ("s/9.dcm", None): ()}

    result, _, _ = measured([study], series_rows(*files), truth)

    assert (2, 1, 1, 1) == (result.images, result.empty_images, result.lesions, result.boxes)
    assert 1.0 == result.froc.sensitivity[0].value


@pytest.mark.parametrize("paths", [("s",), ("s", "s/b")])
def test_a_row_that_names_several_judged_series_is_left_out(paths):
    truth = {(path, None): (a_truth(SOLID),) for path in paths}
    whole = replace(a_film("t", SOLID), images=())
    rows = [*series_rows(*paths), a_reference(path="t", labels={})]

    result, _, notes = measured(
        [judged_volumes(joined("a")), whole], rows, {**truth, ("t", None): (a_truth(SOLID),)}
    )

    assert (1, 1) == (result.images, result.lesions)
    assert any("`case` is the study's case_id" in note for note in notes)


def test_one_series_with_a_row_is_judged_alone_where_another_has_none():
    study = of_volumes(joined("a"), joined("b"))

    result, _, _ = measured([study], series_rows("s/b"), {("s/b", None): (a_truth(SOLID),)})

    assert (1, 1, 1) == (result.images, result.lesions, result.boxes)


@pytest.mark.parametrize("paths", [("s",), ("s", "s/b"), ("elsewhere/a", "elsewhere/b")])
def test_rows_that_may_speak_of_several_series_are_left_out_with_the_way_out(paths):
    truth = {(path, None): (a_truth(SOLID),) for path in paths}
    study = of_volumes(joined("a"), joined("b"))
    whole = replace(a_film("t", SOLID), images=())
    rows = [*series_rows(*paths), a_reference(path="t", labels={})]

    result, _, notes = measured([study, whole], rows, {**truth, ("t", None): (a_truth(SOLID),)})

    assert (1, 1) == (result.images, result.lesions)
    assert any("`case` is the study's case_id" in note for note in notes)


def test_images_are_paired_by_their_own_row_whatever_the_rest_of_their_case():
    rows = [a_reference(path=f"s/{n}.dcm", slice=n, labels={}) for n in (3, 4)]
    truth = {(f"s/{n}.dcm", n): (a_truth(),) if n == 4 else () for n in (3, 4)}
    both = a_study(("s/3.dcm", 3), ("s/4.dcm", 4), first="s/0.dcm")
    later = a_study(("s/4.dcm", 4), first="s/0.dcm")  # slice 3 was blank to the other model

    one, other = pair_images([both], [later], rows, boxes=truth, label=TUMOR)

    assert [[[10, 10, 30, 30]]] == [image.truth.tolist() for image in one]
    assert 1 == len(other)


def test_films_of_a_study_are_paired_each_with_itself():
    films = ("s/l.dcm", "s/r.dcm")
    rows = [a_reference(path=name, patient="p", labels={}) for name in films]
    truth = {(name, None): () for name in films}
    study = a_study(*((name, 0) for name in films))

    one, other = pair_images([study], [study], rows, boxes=truth, label=TUMOR)

    assert (2, 2) == (len(one), len(other))


def test_a_model_of_slices_and_one_of_volumes_are_paired_slice_by_slice():
    rows, truth = solid_truth(a=(a_truth(SOLID),))
    flat = a_film("a", (NEAR, 4), images=(3, 4, 5))
    solid = replace(flat, regions=(a_region(source="a", slice=5, box_px=SOLID),))

    one, other = pair_images([flat], [solid], rows, boxes=truth, label=TUMOR)

    assert ([0, 1, 0], [0, 1, 1]) == ([len(x.score) for x in one], [len(x.score) for x in other])
