from __future__ import annotations

from dataclasses import astuple

from factories import a_header

from medrec.domain.ids import PatientKey
from medrec.io.grouping import group
from medrec.io.hiding import hidden, hide_paths_of


def test_no_path_is_left_in_a_hidden_index():
    headers = [a_header(source=f"Planted/{name}", sop_uid="1.3.1") for name in ("a", "b")]
    found = group(headers, patient_key=PatientKey, digest=lambda _: "same")

    index = hide_paths_of(found)

    (case,), (record,) = index.cases, index.records
    assert hidden("Planted/a") == case.source == case.series[0].first.source
    assert hidden("Planted/b") == record.path
    assert f"same as {hidden('Planted/a')}" == record.detail
    assert "Planted" not in str(astuple(record))


def test_a_hidden_index_can_be_counted_and_gone_through_again():
    headers = [a_header(source=name, study_uid=f"1.{name}") for name in ("1", "2")]

    index = hide_paths_of(group(headers, patient_key=PatientKey))

    assert 2 == len(index.cases)
    assert list(index.cases) == list(index.cases)
