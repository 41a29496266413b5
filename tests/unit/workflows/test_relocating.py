from __future__ import annotations

from factories import a_reference

from medrec.workflows.relocating import relocate


def test_paths_of_scans_masks_and_boxes_start_at_the_new_folder(tmp_path):
    root, folder = tmp_path / "archive", tmp_path / "runs" / "one"
    row = a_reference(path="P1/scan.nii", mask="P1/mask.nii", boxes="boxes.csv")

    (moved,) = relocate([row], root=root, folder=folder)

    assert "../../archive/P1/scan.nii" == moved.path
    assert "../../archive/P1/mask.nii" == moved.mask
    assert "../../archive/boxes.csv" == moved.boxes


def test_what_a_row_does_not_name_stays_unknown_and_the_rest_is_kept(tmp_path):
    row = a_reference(path="a.nii", slice=3, attributes={"site": "CS"})

    assert [row] == relocate([row], root=tmp_path, folder=tmp_path)
