from __future__ import annotations

import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest
from factories import a_header, a_nifti_header

from medrec.domain.codes import Note, NoteCode
from medrec.domain.ids import PatientKey
from medrec.domain.modality import Modality, Sequence
from medrec.io.grouping import group_stored
from medrec.io.header_rows import to_header, to_row
from medrec.io.header_store import HeaderStore

HEADERS = {
    "bare": a_nifti_header(),
    "full": a_header(
        patient_id=None,
        sequence=Sequence.T1C,
        body_part="BRAIN",
        series_description='t1 "gd" \u00e4\n',
        position_lps_mm=(-110.1, 1e-17, 0.1 + 0.2),
        instance_number=7,
        window=(40.0, 400.0),
        notes=(Note(NoteCode.CHARSET, "unknown character set: text may be off"),),
        echo_time_ms=12.5,
        is_localizer=True,
    ),
    "path that is no Unicode": a_header(path=Path("/scans/\udcff"), patient_id=None),
}


@pytest.fixture
def store(tmp_path):
    made = HeaderStore(tmp_path / "index.sqlite", patient_key=lambda _: PatientKey("p-1"))
    yield made
    made.close()


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_comes_back_as_it_went_in(name):
    row = to_row(HEADERS[name])

    assert HEADERS[name] == to_header(row.path, row.facts)


def test_no_patient_id_reaches_the_disk(store, tmp_path):
    store.add(to_row(a_header(patient_id="PLANTED-ID")))
    group_stored(store)

    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert b"study/IM0001" in stored
    assert b"PLANTED-ID" not in stored


def test_patients_of_one_key_are_still_two(store):
    for number, patient in enumerate(("PAT-1", "PAT-2")):
        store.add(to_row(a_header(source=str(number), patient_id=patient)))

    assert [1, 1] == [len(case.series[0].headers) for case in group_stored(store).cases]


def test_cases_can_be_counted_and_gone_through_again_and_side_by_side(store):
    for number in range(3):
        store.add(
            to_row(a_header(source=str(number), study_uid=f"1.{number}", modality=Modality.DX))
        )
    index = group_stored(store)

    assert 3 == len(index.cases)
    assert list(index.cases) == list(index.cases)
    assert all(one == other for one, other in zip(index.cases, index.cases, strict=True))
    assert next(iter(index.cases)) in index.cases


def peak_bytes(count):
    """The most that Python holds while so many studies are stored and handed out."""
    template = to_row(a_header())
    tracemalloc.start()
    with closing(HeaderStore(None, patient_key=PatientKey)) as store:
        for number in range(count):
            uid = f"1.9.{number}"
            store.add(template._replace(source=uid, image=uid, study=uid, patient_id=uid))
        seen = sum(1 for _ in group_stored(store).cases)
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == seen
    return peak


def test_more_studies_take_no_more_memory():
    peak_bytes(1000)  # what is remembered of values fills up once

    assert 1.2 * peak_bytes(2000) > peak_bytes(8000)
