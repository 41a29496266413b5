"""Boxes files: read, checked, written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from factories import a_reference
from PIL import Image

from medrec.data.boxes import boxes_of_rows, read_boxes, write_boxes
from medrec.domain.box import Box, ImageSize
from medrec.domain.finding import Label
from medrec.domain.reference import LabelledBox
from medrec.errors import ManifestError

if TYPE_CHECKING:
    from pathlib import Path

    from medrec.domain.reference import Reference

HEAD = "path,x0,y0,x1,y1,label\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "boxes.csv"
    path.write_text(text)
    return path


def test_a_box_is_read_with_its_label_and_what_else_is_known(tmp_path):
    path = written(tmp_path, "path,x0,y0,x1,y1,label,type\na.png,1,2.5,3,4,tumor,glioma\n")

    found = read_boxes(path)

    box = LabelledBox(Box(1, 2.5, 3, 4), Label("tumor"), {"type": "glioma"})
    assert {tmp_path / "a.png": (box,)} == found


def test_every_wrong_row_is_listed_at_once(tmp_path):
    rows = [
        "a.png,5,0,3,4,tumor",
        "a.png,x,0,3,4,tumor",
        "a.png,0,0,3,4,",
        "a.png,90,0,99,4,tumor",
        "gone.png,0,0,3,4,tumor",
        "a.png,0,0,3",
        ",0,0,3,4,tumor",
    ]
    path = written(tmp_path, HEAD + "\n".join(rows) + "\n")

    with pytest.raises(ManifestError) as caught:
        read_boxes(path, known={tmp_path / "a.png"}, size_of=lambda _: ImageSize(20, 10))

    complaints = [
        "line 7: 4 cells",
        "line 2: x0 5 is not below x1 3",
        "line 3, column x0: 'x'",
        "line 4, column label: empty",
        "line 5: 0% of it lies in the image",
        "line 6: its file is neither in the manifest nor there at all",
        "line 8, column path: empty",
    ]
    assert len(complaints) == len(caught.value.problems)
    for complaint, problem in zip(complaints, caught.value.problems, strict=True):
        assert complaint in problem


def test_a_file_without_the_columns_says_what_a_boxes_file_is(tmp_path):
    path = written(tmp_path, "image,x0,y0,x1,y1\n")

    with pytest.raises(ManifestError, match="column path: missing") as caught:
        read_boxes(path)

    assert "column label: missing" in str(caught.value)


def yolo_rows(folder: Path, **lines: str) -> list[Reference]:
    """Rows of films of 40 x 20 px below images/, each with its own text file below labels/."""
    for name in ("images", "labels"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "data.yaml").write_text("names: [glioma, cyst]\n")
    for name, text in lines.items():
        Image.new("L", (40, 20)).save(folder / "images" / f"{name}.png")
        (folder / "labels" / f"{name}.txt").write_text(text)
    return [a_reference(path=f"images/{n}.png", boxes=f"labels/{n}.txt") for n in lines]


def test_a_row_may_name_the_yolo_file_of_its_image(tmp_path):
    rows = yolo_rows(tmp_path, a="1 0.5 0.5 0.25 0.5\n", b="")

    found = boxes_of_rows(rows, root=tmp_path)

    assert [(LabelledBox(Box(15, 5, 25, 15), Label("cyst")),), ()] == found


def test_what_is_wrong_with_yolo_files_is_listed_at_once(tmp_path):
    rows = yolo_rows(tmp_path, a="7 0.5 0.5 0.1 0.1\n0 20 10 4 4\n", b="0 0.5\n", c="")
    rows += [a_reference(path="images/b.png", boxes="labels/c.txt")]
    rows += [a_reference(path="images/a.png", boxes="labels/gone.txt")]

    with pytest.raises(ManifestError) as caught:
        boxes_of_rows(rows, root=tmp_path)

    for complaint, problem in zip(
        (
            "labels/a.txt: line 1: class 7 has no name",
            "labels/a.txt: line 2: wanted shares of the image between 0 and 1",
            "labels/b.txt: line 1: wanted class, x, y, width and height",
            "labels/c.txt: is of YOLO, and holds boxes of one image, but 2 images name it",
            "labels/gone.txt: can't be read as text",
        ),
        caught.value.problems,
        strict=True,
    ):
        assert problem.startswith(complaint)


def test_yolo_classes_without_names_say_what_names_them(tmp_path):
    rows = yolo_rows(tmp_path, a="0 0.5 0.5 0.25 0.5\n")
    (tmp_path / "data.yaml").unlink()

    with pytest.raises(ManifestError, match=r"data\.yaml with `names`"):
        boxes_of_rows(rows, root=tmp_path)


def test_a_coco_file_is_read_without_its_images(tmp_path):
    content = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "categories": [{"id": 1, "name": "tumor"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    rows = [a_reference(path=name, boxes="coco.json") for name in ("a.png", "b.png")]

    found = boxes_of_rows(rows, root=tmp_path)

    assert [(LabelledBox(Box(1, 2, 4, 6), Label("tumor")),), ()] == found


def test_a_coco_box_outside_its_image_is_a_problem(tmp_path):
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "tumor"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [90, 2, 3, 4]}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))

    with pytest.raises(ManifestError, match="a box of tumor: 0% of it lies in the image"):
        read_boxes(tmp_path / "coco.json", size_of=lambda _: ImageSize(20, 10))


def test_one_depth_column_alone_is_refused(tmp_path):
    path = written(tmp_path, "path,x0,y0,x1,y1,z0,label\n")

    with pytest.raises(ManifestError, match="z0 and z1: wanted both or neither"):
        read_boxes(path)


def test_boxes_of_a_file_that_nobody_asks_for_are_left_out(tmp_path):
    (tmp_path / "other.png").touch()
    path = written(tmp_path, HEAD + "other.png,0,0,3,4,tumor\n")

    assert {} == read_boxes(path, known={tmp_path / "a.png"})


def test_no_rows_is_nothing_there_and_no_boxes_file_is_unknown(tmp_path):
    written(tmp_path, HEAD + "a.png,0,0,3,4,tumor\n")
    rows = [
        a_reference(path="a.png", boxes="boxes.csv"),
        a_reference(path="b.png", boxes="boxes.csv"),
        a_reference(path="c.png"),
    ]

    found = boxes_of_rows(rows, root=tmp_path)

    assert [(LabelledBox(Box(0, 0, 3, 4), Label("tumor")),), (), None] == found


def test_a_slice_has_the_cut_of_a_solid_box_and_the_volume_has_it_whole(tmp_path):
    written(tmp_path, "path,x0,y0,x1,y1,z0,z1,label\nv.nii,1,2,3,4,5,6,tumor\n")
    rows = [a_reference(path="v.nii", boxes="boxes.csv", slice=at) for at in (4, 5, None)]

    outside, inside, whole = boxes_of_rows(rows, root=tmp_path)

    assert () == outside
    assert (Box(1, 2, 3, 4),) == tuple(one.box for one in inside)
    assert (Box(1, 2, 3, 4, 5, 6),) == tuple(one.box for one in whole)


def test_paths_are_relative_to_the_boxes_file_and_to_the_manifest(tmp_path):
    (tmp_path / "truth").mkdir()
    written(tmp_path / "truth", HEAD + "../images/a.png,0,0,3,4,tumor\n")

    (found,) = boxes_of_rows(
        [a_reference(path="images/a.png", boxes="truth/boxes.csv")], root=tmp_path
    )

    assert 1 == len(found)


def test_problems_of_all_boxes_files_come_at_once(tmp_path):
    rows = [a_reference(path=f"{n}.png", boxes=f"{n}.csv") for n in "ab"]
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(HEAD + f"{name}.png,9,9,1,1,tumor\n")

    with pytest.raises(ManifestError) as caught:
        boxes_of_rows(rows, root=tmp_path)

    assert ["a.csv: line 2", "b.csv: line 2"] == [p[:13] for p in caught.value.problems]


def test_what_is_written_is_read_again(tmp_path):
    boxes = [
        ("a.png", LabelledBox(Box(1, 2, 3, 1 / 3 + 4), Label("tumor"), {"type": "glioma"})),
        ("v.nii", LabelledBox(Box(1, 2, 3, 4, 5, 6), Label("tumor"))),
    ]

    write_boxes(tmp_path / "boxes.csv", boxes)
    found = read_boxes(tmp_path / "boxes.csv")

    assert [one for _, one in boxes][1] == found[tmp_path / "v.nii"][0]
    assert 1 / 3 + 4 == pytest.approx(found[tmp_path / "a.png"][0].box.y1)
    assert {"type": "glioma"} == found[tmp_path / "a.png"][0].attributes
