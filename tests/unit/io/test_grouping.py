from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from factories import a_header, a_nifti_header
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec.domain.ids import PatientKey, to_case_id
from medrec.domain.modality import Modality
from medrec.domain.series import FileStatus, FrameStack
from medrec.io.grouping import group


def grouped(headers, digest=str):
    return group(headers, patient_key=lambda patient: PatientKey(f"p-{patient}"), digest=digest)


def slices(count=3, **changes):
    name = changes.pop("name", "s")
    return [
        a_header(
            source=f"{name}{index}",
            sop_uid=f"{changes.get('series_uid', '1.2')}.{name}.{index}",
            position_lps_mm=(0.0, 0.0, 5.0 * index),
            **changes,
        )
        for index in range(count)
    ]


def sources_of(index):
    every = [record.path for record in index.records]
    for case in index.cases:
        for series in (*case.series, *(series for series, _ in case.left_out)):
            # A file of several stacks is there once for each: it counts once, by its first frames.
            every += series.sources if 0 in (series.first.frames or (0,)) else ()
    return every


def test_a_study_is_a_case_of_its_series():
    index = grouped([*slices(name="a"), *slices(name="b", series_uid="1.9")])

    (case,) = index.cases
    assert case.id == to_case_id("1.1")
    assert case.patient_key == "p-PAT-1"
    assert case.source == "a0"
    assert [series.sources for series in case.series] == [("a0", "a1", "a2"), ("b0", "b1", "b2")]


def test_no_patient_id_means_no_patient_key():
    (case,) = grouped(slices(patient_id=None)).cases

    assert case.patient_key is None


def test_a_localizer_is_left_out_with_its_reason():
    index = grouped([*slices(name="a"), *slices(name="b", is_localizer=True)])

    (case,) = index.cases
    ((left_out, reason),) = case.left_out
    assert left_out.sources == ("b0", "b1", "b2")
    assert reason.code == "localizer"
    assert len(case.series) == 1


def test_one_series_uid_is_split_by_what_can_t_be_stacked():
    base = {"series_uid": "1.2"}
    sagittal = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
    index = grouped(
        [
            *slices(name="a", **base),
            *slices(name="b", **base, orientation=sagittal),
            *slices(name="c", **base, shape=(32, 32, 1)),
            *slices(name="d", **base, echo_time_ms=90.0),
            *slices(name="e", **base, echo_number=2),
            *slices(name="f", **base, temporal_position=2),
            *slices(name="g", **base, b_value=1000.0),
            *slices(name="h", **base, image_type=("ORIGINAL", "PRIMARY", "P", "ND")),
            *slices(name="i", **base, image_type=("DERIVED", "PRIMARY", "DIFFUSION", "ADC")),
            *slices(name="j", **base, image_type=("DERIVED", "SECONDARY", "MPR")),
        ]
    )

    (case,) = index.cases
    assert [series.sources[0] for series in case.series] == [f"{name}0" for name in "abcdefghij"]


def test_filters_and_small_words_of_the_image_type_part_nothing():
    types = [("ORIGINAL", "PRIMARY", "M", "ND"), ("ORIGINAL", "PRIMARY", "M", "NORM", "DIS2D")]
    headers = [replace(one, image_type=types[at % 2]) for at, one in enumerate(slices(4))]

    (case,) = grouped(headers).cases

    assert len(case.series) == 1


@pytest.mark.parametrize(
    "facts",
    [
        ({"acquisition_number": 1}, {"acquisition_number": 2}),
        ({"gradient_direction": (1.0, 0.0, 0.0)}, {"gradient_direction": (0.0, 1.0, 0.0)}),
        ({"image_type": ("ORIGINAL", "A")}, {"image_type": ("ORIGINAL", "B")}),
    ],
    ids=["acquisition", "gradient", "image type"],
)
def test_repeats_of_a_stack_are_parted_by_what_tells_them_apart(facts):
    headers = [*slices(name="a", **facts[0]), *slices(name="b", **facts[1])]

    (case,) = grouped(headers).cases

    assert [series.sources for series in case.series] == [("a0", "a1", "a2"), ("b0", "b1", "b2")]


def test_an_acquisition_number_that_counts_slices_parts_nothing():
    headers = [replace(one, acquisition_number=at) for at, one in enumerate(slices(4))]

    (case,) = grouped(headers).cases

    assert len(case.series) == 1


def test_repeats_that_nothing_tells_apart_stay_together_to_be_refused():
    (case,) = grouped([*slices(name="a"), *slices(name="b")]).cases

    assert [len(series.headers) for series in case.series] == [6]


def film(source, **changes):
    facts = {"modality": Modality.DX, "position_lps_mm": None, "orientation": None}
    return a_header(source=source, sop_uid=f"1.5.{source}", **{**facts, **changes})


def test_a_raw_film_is_left_out_where_its_view_is_there_for_display():
    raw = film("0", is_for_processing=True, view_position="CC", laterality="L")
    shown = film("1", view_position="CC", laterality="L")

    (case,) = grouped([raw, shown]).cases

    assert [series.sources for series in case.series] == [("1",)]
    ((left_out, reason),) = case.left_out
    assert (left_out.sources, reason.code) == (("0",), "not_selected")


@pytest.mark.parametrize(
    "other",
    [
        {"view_position": "MLO", "laterality": "L"},
        {"view_position": "CC", "laterality": "R"},
        {"view_position": "CC", "laterality": "L", "is_for_processing": True},
    ],
)
def test_a_raw_film_stays_where_only_another_view_is_there_for_display(other):
    raw = film("0", is_for_processing=True, view_position="CC", laterality="L")

    (case,) = grouped([raw, film("1", **other)]).cases

    assert case.left_out == ()


def test_a_raw_film_of_unknown_view_is_nobody_s_twin():
    (case,) = grouped([film("0", is_for_processing=True), film("1")]).cases

    assert len(case.series) == 2


def test_the_stacks_of_one_file_are_series_of_one_source():
    stacks = (FrameStack((0, 2), echo_time_ms=10.0), FrameStack((1, 3), echo_time_ms=90.0))

    (case,) = grouped([a_header(source="a", shape=(64, 64, 4), stacks=stacks)]).cases

    assert [series.first.frames for series in case.series] == [(0, 2), (1, 3)]
    assert [series.first.echo_time_ms for series in case.series] == [10.0, 90.0]
    assert {series.sources for series in case.series} == {("a",)}


def test_rounding_of_the_orientation_parts_no_neighbours():
    headers = slices(4)
    for index, tilt in enumerate((0.0049, 0.0051, 0.0050, 0.0052)):
        headers[index] = replace(headers[index], orientation=(1.0, tilt, 0.0, -tilt, 1.0, 0.0))

    (case,) = grouped(headers).cases

    assert len(case.series) == 1


def test_each_film_is_a_series_of_its_own():
    films = [replace(header, modality=Modality.MG) for header in slices(4)]

    (case,) = grouped(films).cases

    assert [len(series.headers) for series in case.series] == [1, 1, 1, 1]


def test_a_stack_in_one_file_is_a_series_of_its_own():
    headers = [replace(header, shape=(64, 64, 10)) for header in slices(2)]

    (case,) = grouped(headers).cases

    assert len(case.series) == 2


def test_a_copy_of_an_image_is_a_duplicate():
    original = a_header(source="b", sop_uid="1.3.1")
    copy = replace(original, source="a/copy")

    index = grouped([original, copy], digest=lambda _: "same")

    (case,), (record,) = index.cases, index.records
    assert case.series[0].sources == ("a/copy",)
    assert (record.path, record.status, record.case_id) == ("b", FileStatus.DUPLICATE, case.id)


def test_two_images_under_one_uid_are_both_refused():
    headers = [a_header(source=name, path=name, sop_uid="1.3.1") for name in ("a", "b")]

    index = grouped([*headers, a_header(source="c", sop_uid="1.3.2")])

    assert [record.path for record in index.records] == ["a", "b"]
    assert {record.code for record in index.records} == {"uid_conflict"}
    assert [series.sources for case in index.cases for series in case.series] == [("c",)]


def test_a_file_that_can_t_be_compared_is_no_proven_copy():
    def vanished(_):
        raise FileNotFoundError

    headers = [a_header(source=name, sop_uid="1.3.1") for name in ("a", "b")]

    assert {record.code for record in grouped(headers, vanished).records} == {"uid_conflict"}


def test_the_same_volume_twice_is_one_case():
    index = grouped([a_nifti_header(source="a.nii"), a_nifti_header(source="b.nii")])

    assert [case.source for case in index.cases] == ["a.nii"]
    assert [record.status for record in index.records] == [FileStatus.DUPLICATE]


def test_two_patients_under_one_study_are_two_cases():
    index = grouped(
        [
            *slices(name="a"),
            *slices(name="b", patient_id="PAT-2"),
            *slices(name="c", patient_id=None),
        ]
    )

    assert [case.patient_key for case in index.cases] == ["p-PAT-1", "p-PAT-2", None]
    assert len({case.id for case in index.cases}) == 3
    assert all(case.id != to_case_id("1.1") for case in index.cases)


def test_an_absent_patient_id_is_no_other_patient():
    index = grouped([*slices(name="a"), *slices(name="b", patient_id=None)])

    assert [case.patient_key for case in index.cases] == ["p-PAT-1"]


FILES = st.lists(
    st.tuples(
        st.sampled_from(["1.1", "1.2"]),
        st.sampled_from(["2.1", "2.2"]),
        st.sampled_from(["3.1", "3.2", "3.3", "3.4"]),
        st.sampled_from(["PAT-1", "PAT-2", None]),
        st.sampled_from([Modality.MR, Modality.DX, None]),
        st.sampled_from([None, 0.0, 0.0049, 0.0051, 0.02, 1.0]),
        st.booleans(),
        st.sampled_from(["x", "y"]),
        st.sampled_from([0.0, 5.0]),
        st.sampled_from(
            [
                {},
                {"acquisition_number": 1},
                {"acquisition_number": 2},
                {"b_value": 1000.0},
                {"image_type": ("DERIVED", "PRIMARY", "ADC")},
                {"is_for_processing": True, "view_position": "PA"},
                {"view_position": "PA"},
                {"shape": (64, 64, 2), "stacks": (FrameStack((0,)), FrameStack((1,)))},
            ]
        ),
    ),
    max_size=12,
)


def headers_of(files):
    headers = []
    for number, file in enumerate(files):
        study, series, sop, patient, modality, cosine, is_localizer, content, z, facts = file
        headers.append(
            a_header(
                source=f"{number}",
                path=content,
                study_uid=study,
                series_uid=series,
                sop_uid=sop,
                patient_id=patient,
                modality=modality,
                orientation=None if cosine is None else (1.0, cosine, 0.0, 0.0, 1.0, 0.0),
                is_localizer=is_localizer,
                position_lps_mm=(0.0, 0.0, z),
                **facts,
            )
        )
    return headers


@given(files=FILES, data=st.data())
@settings(max_examples=150)
def test_no_file_vanishes_and_the_order_of_discovery_does_not_matter(files, data):
    headers = headers_of(files)
    shuffled = data.draw(st.permutations(headers))

    index = grouped(headers)

    assert Counter(header.source for header in headers) == Counter(sources_of(index))
    assert index == grouped(shuffled)
    assert len({case.id for case in index.cases}) == len(index.cases)
