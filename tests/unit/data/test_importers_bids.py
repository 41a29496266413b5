"""Participants of a BIDS dataset."""

import pytest

from medrec.data.importers_bids import import_bids
from medrec.errors import ManifestError


def write_dataset(root, *lines, scans=()):
    (root / "participants.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for scan in scans:
        path = root / scan
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def read(root, **options):
    asked = {"suffix": "T1w", "labels": {"tumor": "group:glioma"}, **options}
    return import_bids(root, **asked)


HEAD = "participant_id\tgroup\tage"


def test_a_row_is_a_scan_and_the_participant_is_the_patient(tmp_path):
    write_dataset(
        tmp_path, HEAD, "sub-01\tglioma\t40", "sub-02\tcontrol\tn/a",
        scans=["sub-01/anat/sub-01_T1w.nii.gz", "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii",
               "sub-02/ses-2/anat/sub-02_ses-2_T1w.nii.gz"],
    )  # fmt: skip

    rows = read(tmp_path, attributes={"age": "age"}).references

    assert ["sub-01", "sub-02", "sub-02"] == [row.patient for row in rows]
    assert [True, False, False] == [row.labels["tumor"] for row in rows]
    assert "sub-01/anat/sub-01_T1w.nii.gz" == rows[0].path
    assert {"age": "40"} == rows[0].attributes


def test_other_scans_sidecars_and_derivatives_are_left_alone(tmp_path):
    write_dataset(
        tmp_path, HEAD, "sub-01\tglioma\t40",
        scans=["sub-01/anat/sub-01_T1w.nii.gz", "sub-01/anat/sub-01_T1w.json",
               "sub-01/anat/sub-01_T2w.nii.gz", "derivatives/x/sub-01/anat/sub-01_T1w.nii.gz"],
    )  # fmt: skip

    assert 1 == len(read(tmp_path).references)


def test_participants_without_the_scan_are_counted(tmp_path):
    write_dataset(
        tmp_path, HEAD, "sub-01\tglioma\t40", "sub-02\tcontrol\t1",
        scans=["sub-01/anat/sub-01_T1w.nii.gz"],
    )  # fmt: skip

    assert (1, 1) == (len(read(tmp_path).references), read(tmp_path).without_scan)


def test_all_that_is_wrong_is_listed_at_once(tmp_path):
    write_dataset(
        tmp_path, HEAD, "sub-01\tglioma\t40", "sub-01\tcontrol\t41", "../sub-02\tcontrol\t1",
        scans=["sub-03/anat/sub-03_T1w.nii.gz"],
    )  # fmt: skip

    with pytest.raises(ManifestError) as caught:
        read(tmp_path)

    assert [
        "line 3: sub-01 stands on line 2 already",
        "sub-03: has a folder, and no line in participants.tsv",
        "nobody has a scan sub-*_T1w.nii.gz: what does --suffix name?",
    ] == list(caught.value.problems)


def test_a_subject_that_leads_out_of_the_dataset_has_no_scans(tmp_path):
    inside = tmp_path / "dataset"
    inside.mkdir()
    write_dataset(inside, HEAD, "../sub-02\tcontrol\t1", "sub-1/../..\tcontrol\t1")
    (tmp_path / "sub-02").mkdir()
    (tmp_path / "sub-02/sub-02_T1w.nii.gz").touch()

    with pytest.raises(ManifestError, match="nobody has a scan"):
        read(inside)


def test_a_table_of_nobody_is_refused(tmp_path):
    write_dataset(tmp_path, "name\tgroup", "sub-01\tglioma")

    with pytest.raises(ManifestError, match="participant_id: missing"):
        read(tmp_path)


def test_an_expression_that_fits_no_column_or_cell_is_told(tmp_path):
    write_dataset(tmp_path, HEAD, "sub-01\tglioma\tforty", scans=["sub-01/anat/sub-01_T1w.nii.gz"])

    with pytest.raises(ManifestError, match="line 2, column age: 'forty'"):
        read(tmp_path, labels={"old": "age>=60"})
    with pytest.raises(ManifestError, match="column grade: missing"):
        read(tmp_path, labels={"high": "grade:3,4"})
