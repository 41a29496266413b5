"""BIDS datasets to rows."""

import nibabel
import numpy as np
import pytest

from medrec.data.importers_bids import BidsQuestion, import_bids
from medrec.errors import InputError, ManifestError

HEAD = "participant_id\tgroup\tage"
QUESTION = BidsQuestion(
    suffix="T1w", labels={"tumor": "group:glioma/control"}, attributes={"age": "age"}
)


def scan(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.indices((5, 6, 7)).sum(0).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, 3.0, 1.0])), path)


def dataset(root, *lines, subjects=("01", "02"), head=HEAD):
    root.mkdir(exist_ok=True)
    (root / "participants.tsv").write_text("\n".join([head, *lines]) + "\n")
    for subject in subjects:
        scan(root / f"sub-{subject}/anat/sub-{subject}_T1w.nii.gz")
    return root


def refused(root, question=QUESTION):
    with pytest.raises(ManifestError) as error:
        import_bids(root, question)
    return error.value.problems


def test_the_table_tells_label_and_attributes_of_each_scan(tmp_path):
    root = dataset(
        tmp_path, "sub-01\tglioma\t40", "sub-02\tcontrol\tn/a", "sub-03\tn/a\t5",
        subjects=("01", "02", "03"),
    )  # fmt: skip

    rows = import_bids(root, QUESTION).references

    assert [
        ("sub-01/anat/sub-01_T1w.nii.gz", "sub-01", True),
        ("sub-02/anat/sub-02_T1w.nii.gz", "sub-02", False),
        ("sub-03/anat/sub-03_T1w.nii.gz", "sub-03", None),
    ] == [(row.path, row.patient, row.labels["tumor"]) for row in rows]


def test_other_suffixes_derivatives_and_files_beside_are_no_rows(tmp_path):
    root = dataset(tmp_path, "sub-01\tglioma\t40", subjects=("01",))
    scan(root / "sub-01/anat/sub-01_FLAIR.nii.gz")
    scan(root / "derivatives/x/sub-01/anat/sub-01_T1w.nii.gz")
    (root / "sub-01/anat/sub-01_T1w.json").write_text("{}")

    assert 1 == len(import_bids(root, QUESTION).references)


def test_sessions_are_rows_of_one_patient_and_can_be_chosen(tmp_path):
    root = dataset(tmp_path, "sub-01\tglioma\t40", subjects=())
    for session in ("a", "b"):
        scan(root / f"sub-01/ses-{session}/anat/sub-01_ses-{session}_run-1_T1w.nii")
    chosen = BidsQuestion("T1w", QUESTION.labels, is_meant=lambda path: "ses-b" in path)

    both = import_bids(root, QUESTION)
    (one,) = import_bids(root, chosen).references

    assert ["ses-a", "ses-b"] == [row.attributes["session"] for row in both.references]
    assert {"sub-01"} == {row.patient for row in both.references}
    assert "several T1w scans" in both.notes[0]
    assert "ses-b" == one.attributes["session"]


def test_all_that_is_wrong_with_participants_and_files_is_listed_at_once(tmp_path):
    root = dataset(
        tmp_path,
        "sub-01\tglioma\t40",
        "sub-02\tcontrol\t41",
        "sub-01\tcontrol\t42",
        "sub-03\tcontrol\t42",
        "\tcontrol\t42",
        "sub-05\tcontrol",
        subjects=("01", "02", "04"),
    )
    (root / "sub-02/anat/sub-02_T1w.nii.gz").write_bytes(b"junk")
    (root / "sub-01/anat/sub-01_run-2_T1w.nii.gz").symlink_to("sub-01_T1w.nii.gz")
    scan(root / "sub-01/anat/sub-07_T1w.nii.gz")

    starts = [problem.split(":")[0] for problem in refused(root)]

    assert sorted(
        [
            "participants.tsv, line 4, column participant_id",
            "participants.tsv, line 6, column participant_id",
            "participants.tsv, line 7",
            "sub-01/anat/sub-01_run-2_T1w.nii.gz",
            "sub-01/anat/sub-07_T1w.nii.gz",
            "sub-02/anat/sub-02_T1w.nii.gz",
            "participants.tsv, line 5",
            "sub-04",
        ]
    ) == sorted(starts)


def test_one_participant_written_in_two_ways_is_one(tmp_path):
    root = dataset(tmp_path, "sub-01\tglioma\t40", "01\tcontrol\t40", subjects=("01",))

    assert any("line 3, column participant_id: the same one" in one for one in refused(root))


def test_participants_without_a_scan_are_left_out_and_counted_if_allowed(tmp_path):
    root = dataset(tmp_path, "sub-01\tglioma\t40", "sub-02\tcontrol\t41", subjects=("01",))
    question = BidsQuestion("T1w", QUESTION.labels, may_lack=True)

    imported = import_bids(root, question)

    assert ["sub-01"] == [row.patient for row in imported.references]
    assert ("participants without a T1w scan, left out: 1",) == imported.notes


def test_ids_without_their_prefix_are_understood(tmp_path):
    root = dataset(tmp_path, "01\tglioma\t40", subjects=("01",))

    assert "sub-01" == import_bids(root, QUESTION).references[0].patient


def test_a_suffix_that_nobody_has_is_answered_with_those_that_are_there(tmp_path):
    root = dataset(tmp_path, "sub-01\tglioma\t40", subjects=("01",))

    (problem,) = refused(root, BidsQuestion("FLAIR", QUESTION.labels))

    assert "no FLAIR scan" in problem
    assert "T1w" in problem


def test_absent_columns_and_wrong_labels_are_named_together(tmp_path):
    root = dataset(tmp_path, "sub-01\tglioma\t40", subjects=("01",))
    question = BidsQuestion("T1w", {"mask": "group", "x": "gruop:a"}, {"x": "age"})

    starts = [problem.split(":")[0] for problem in refused(root, question)]

    assert ["attribute x", "label mask", "column gruop"] == starts


def test_a_cell_that_says_nothing_known_is_named_by_its_line(tmp_path):
    root = dataset(tmp_path, "sub-01\tglioma\t40", subjects=("01",))

    (problem,) = refused(root, BidsQuestion("T1w", {"tumor": "group"}))

    assert problem.startswith("participants.tsv, line 2, column group: 'glioma'")


def test_a_dataset_without_its_table_says_so(tmp_path):
    scan(tmp_path / "sub-01/anat/sub-01_T1w.nii.gz")

    with pytest.raises(ManifestError, match=r"participants\.tsv: 1 problem\n.*can't be read"):
        import_bids(tmp_path, QUESTION)


def test_a_dataset_that_is_not_there_says_so(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        import_bids(tmp_path / "gone", QUESTION)
