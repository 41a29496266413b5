from __future__ import annotations

import nibabel
import numpy as np
import pytest
from factories import TUMOR, a_finding, a_prediction, a_raw_finding, a_reference

from medrec.domain.codes import Reason, ReasonCode
from medrec.domain.finding import CaseStatus, ImageFindings, Label
from medrec.errors import ManifestError
from medrec.inference.screener import CaseOutcome
from medrec.workflows.scoring import find_cases, lay_beside_truth, score_cases

EDEMA = Label("edema")


def an_image(source, number, logit):
    return ImageFindings(source, number, (a_raw_finding(logit=logit),))


def lay(images, references, labels=(TUMOR,)):
    return lay_beside_truth([a_prediction(images=tuple(images))], references, labels)


def test_slices_join_by_path_and_number():
    images = [an_image("a.nii", 0, 0.5), an_image("a.nii", 2, 2.5)]
    rows = [a_reference(path="a.nii", slice=n, patient=str(n)) for n in range(3)]

    found = lay(images, rows)

    assert ["0", "2"] == [row.patient for row in found.references]
    assert [[0.5], [2.5]] == found.logits.tolist()


def test_a_row_without_a_slice_is_a_films():
    found = lay([an_image("a.png", 0, 1.5)], [a_reference(path="a.png")])

    assert [[1.5]] == found.logits.tolist()


def test_a_row_on_a_whole_volume_says_nothing_of_its_first_slice():
    images = [an_image("a.nii", n, float(n)) for n in range(3)]

    found = lay(images, [a_reference(path="a.nii", labels={TUMOR: True})])

    assert () == found.references
    assert (0, 1) == found.logits.shape


def test_images_that_no_row_names_are_left_out():
    found = lay([an_image("a.nii", 0, 0.5)], [a_reference(path="b.nii", slice=0)])

    assert 0 == len(found.references)


def test_columns_follow_the_labels_asked_for_not_the_order_of_findings():
    image = ImageFindings(
        "a.png", 0, (a_finding(logit=3.0), a_raw_finding(label=EDEMA, logit=-1.0))
    )

    found = lay([image], [a_reference(path="a.png")], labels=(EDEMA, TUMOR))

    assert [[-1.0, 3.0]] == found.logits.tolist()


def add_nifti(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.random.default_rng(seed).integers(0, 200, (8, 8, 4)).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), path)


def test_each_file_that_rows_name_is_one_case_named_as_in_the_manifest(tmp_path):
    for number in range(2):
        add_nifti(tmp_path / f"P{number}" / "flair.nii.gz", number)
    rows = [a_reference(path=f"P{n}/flair.nii.gz", slice=s) for n in range(2) for s in range(4)]

    cases = find_cases(rows, root=tmp_path)

    assert ["P0/flair.nii.gz", "P1/flair.nii.gz"] == [case.source for case in cases]


def test_all_files_that_cannot_be_read_are_listed(tmp_path):
    (tmp_path / "text.nii").write_text("no image", encoding="utf-8")
    rows = [a_reference(path="text.nii"), a_reference(path="gone.nii")]

    with pytest.raises(ManifestError) as error:
        find_cases(rows, root=tmp_path)

    assert 2 == len(error.value.problems)
    assert "text.nii" in error.value.problems[0]
    assert "gone.nii" in error.value.problems[1]


@pytest.mark.parametrize("other", [{"patient": "somebody"}, {"labels": {TUMOR: None}}])
def test_one_picture_under_two_names_that_say_different_things_is_named(tmp_path, other):
    for name in ("a.nii.gz", "b.nii.gz"):
        add_nifti(tmp_path / name, 1)
    rows = [a_reference(path="a.nii.gz"), a_reference(path="b.nii.gz", **other)]

    with pytest.raises(ManifestError, match=r"b\.nii\.gz: duplicate: same as a\.nii\.gz"):
        find_cases(rows, root=tmp_path)


def test_a_copy_that_says_the_same_of_the_same_patient_is_scored_once(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        add_nifti(tmp_path / name, 1)

    cases = find_cases([a_reference(path=n) for n in ("a.nii.gz", "b.nii.gz")], root=tmp_path)

    assert ["a.nii.gz"] == [case.source for case in cases]


def test_cases_are_scored_in_order_and_counted(tmp_path):
    counts = []
    predictions = {"one": a_prediction(source="one"), "two": a_prediction(source="two")}

    found = score_cases(
        list(predictions),
        lambda case: CaseOutcome(predictions[case], ()),
        on_case=lambda done, total: counts.append((done, total)),
    )

    assert list(predictions.values()) == found
    assert [(1, 2), (2, 2)] == counts


def test_every_case_that_cannot_be_scored_is_named():
    reason = Reason(ReasonCode.GAP, "slice 3 is missing")
    refused = {
        source: a_prediction(
            source=source,
            status=CaseStatus.REFUSED,
            decision=None,
            findings=(),
            images=(),
            reason=reason,
        )
        for source in ("one", "two")
    }

    with pytest.raises(ManifestError) as error:
        score_cases(list(refused), lambda case: CaseOutcome(refused[case], ()))

    assert ["one: gap: slice 3 is missing", "two: gap: slice 3 is missing"] == list(
        error.value.problems
    )
