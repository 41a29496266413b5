"""COCO, YOLO and tables of boxes: right rows, or every problem at once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from PIL import Image

from medrec.data.importers_boxes import BoxColumns, import_boxes
from medrec.data.importers_coco import import_coco
from medrec.data.importers_yolo import import_yolo
from medrec.domain.box import Box
from medrec.domain.finding import Label
from medrec.domain.reference import LabelledBox
from medrec.errors import ManifestError


def patient_of(path):
    return path.split("/")[-1][0]


@pytest.fixture
def pictures(tmp_path):
    """images/a1.png and images/b1.png, 40 columns x 20 rows."""
    (tmp_path / "images").mkdir()
    for name in ("a1", "b1"):
        Image.new("L", (40, 20), 9).save(tmp_path / "images" / f"{name}.png")
    return tmp_path


def coco(folder, **changes):
    content = {
        "images": [
            {"id": 1, "file_name": "images/a1.png", "width": 40, "height": 20},
            {"id": 2, "file_name": "images/b1.png"},
        ],
        "categories": [{"id": 7, "name": "glioma"}, {"id": 8, "name": "cyst"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 7, "bbox": [2, 3, 10, 5], "iscrowd": 0}
        ],
        **changes,
    }
    path = folder / "coco.json"
    path.write_text(json.dumps(content))
    return path


def problems_of(call):
    with pytest.raises(ManifestError) as caught:
        call()
    return list(caught.value.problems)


def test_coco_boxes_become_corners_and_images_without_any_are_negative(pictures):
    found = import_coco(coco(pictures), root=pictures, patient=patient_of)

    assert (("images/a1.png", LabelledBox(Box(2, 3, 12, 8), Label("glioma"))),) == found.boxes
    assert [{"glioma": True, "cyst": False}, {"glioma": False, "cyst": False}] == [
        row.labels for row in found.references
    ]
    assert ["a", "b"] == [row.patient for row in found.references]


def test_one_label_for_all_classes_keeps_the_class_as_type(pictures):
    found = import_coco(coco(pictures), root=pictures, patient=patient_of, as_label="tumor")

    assert [{"tumor": True}, {"tumor": False}] == [row.labels for row in found.references]
    assert {"type": "glioma"} == found.boxes[0][1].attributes


def test_every_problem_of_a_coco_file_is_listed_at_once(pictures):
    path = coco(
        pictures,
        images=[
            {"id": 1, "file_name": "images/a1.png", "width": 512, "height": 512},
            {"id": 2, "file_name": "images/gone.png"},
            {"id": 3, "file_name": "../outside.png"},
            {"id": 3, "file_name": "images/b1.png"},
        ],
        annotations=[
            {"image_id": 1, "category_id": 7, "bbox": [300, 300, 20, 20]},
            {"image_id": 99, "category_id": 55, "bbox": [1, 1, 2, 2]},
            {"image_id": 1, "category_id": 7, "bbox": [5, 5, -2, 2]},
            {"image_id": 1, "category_id": 7, "segmentation": {"counts": "x", "size": [1, 1]}},
            {"image_id": 1, "category_id": 7, "bbox": "5 5 2 2"},
        ],
    )

    problems = problems_of(lambda: import_coco(path, root=pictures, patient=patient_of))

    for text in (
        "images[0]: says 512 x 512, but the image 'images/a1.png' has 40 x 20",
        "images[1]: the image 'images/gone.png' is not there",
        "images[2]: '../outside.png' leads out",
        "images[3]: wanted an id of its own",
        "annotations[0]: 0% of it lies in the image",
        "annotations[1]: image_id 99 is no image here",
        "annotations[1]: category_id 55 is no category here",
        "annotations[2]: x0 5 is not below x1 3",
        "annotations[3]: has a run-length mask and no bbox",
        "annotations[4]: bbox: wanted four numbers",
    ):
        assert any(problem.startswith(text) for problem in problems), text
    assert 10 == len(problems)


@pytest.mark.parametrize("digits", [400, 5000])
@pytest.mark.parametrize(
    "changes",
    [
        {"annotations": [{"image_id": 1, "category_id": 7, "bbox": [1, 1, "LONG", 2.5]}]},
        {"annotations": [{"image_id": "LONG", "category_id": 7, "bbox": [1, 1, 2, 2]}]},
        {"images": [{"id": 1, "file_name": "images/a1.png", "width": "LONG", "height": 20}]},
        {"categories": [{"id": "LONG", "name": "glioma"}]},
    ],
    ids=["box", "image_id", "width", "category"],
)
def test_a_number_of_hundreds_of_digits_is_one_short_problem(pictures, changes, digits):
    path = coco(pictures, **changes)
    path.write_text(path.read_text().replace('"LONG"', "-" + "7" * digits))

    (problem,) = problems_of(lambda: import_coco(path, root=pictures, patient=patient_of))

    assert problem.startswith(f"holds a number of {digits} digits, -7777777...: no ID and no pixel")
    assert 120 > len(problem)


NOT_COCO = [
    "[]",
    "{",
    '{"images": 3, "annotations": [], "categories": []}',
    '{"images": [1], "annotations": [], "categories": []}',
]


@pytest.mark.parametrize("content", NOT_COCO)
def test_what_is_no_coco_file_is_said_to_be_none(tmp_path, content):
    (tmp_path / "coco.json").write_text(content)

    assert problems_of(
        lambda: import_coco(tmp_path / "coco.json", root=tmp_path, patient=patient_of)
    )


def test_a_crowd_counts_neither_way_and_its_image_is_unknown(pictures):
    crowd = {"image_id": 1, "category_id": 7, "bbox": [2, 3, 10, 5], "iscrowd": 1}

    found = import_coco(coco(pictures, annotations=[crowd]), root=pictures, patient=patient_of)

    assert found.boxes[0][1].is_ignored
    assert found.references[0].labels["glioma"] is None


def test_polygons_alone_have_the_box_around_them(pictures):
    outline = {"image_id": 1, "category_id": 7, "segmentation": [[1, 1, 9, 2, 5, 8]]}

    found = import_coco(coco(pictures, annotations=[outline]), root=pictures, patient=patient_of)

    assert Box(1, 1, 9, 8) == found.boxes[0][1].box


def test_an_overhang_is_cut_off_and_told(pictures):
    over = {"image_id": 1, "category_id": 7, "bbox": [-1, 3, 10, 5]}

    found = import_coco(coco(pictures, annotations=[over]), root=pictures, patient=patient_of)

    assert Box(0, 3, 9, 8) == found.boxes[0][1].box
    assert "1 box hung over the edge of 1 image" in found.notes[0]


def yolo(folder, lines="0 0.5 0.5 0.25 0.5\n", names="names: [glioma, cyst]\n"):
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "labels" / "a1.txt").write_text(lines)
    (folder / "data.yaml").write_text(names)
    return folder


def test_yolo_shares_become_pixels_and_images_without_text_are_empty(pictures):
    found = import_yolo(yolo(pictures), patient=patient_of)

    assert (("images/a1.png", LabelledBox(Box(15, 5, 25, 15), Label("glioma"))),) == found.boxes
    assert [True, False] == [row.labels["glioma"] for row in found.references]
    assert ("1 image has no text file: taken as empty",) == found.notes


def test_yolo_polygons_and_named_classes_are_read(pictures):
    lines = "1 0.1 0.1 0.5 0.1 0.5 0.5\n"

    found = import_yolo(yolo(pictures, lines, "names: {0: glioma, 1: cyst}\n"), patient=patient_of)

    assert ("cyst", Box(4, 2, 20, 10)) == (found.boxes[0][1].label, found.boxes[0][1].box)


def test_every_problem_of_a_yolo_folder_is_listed_at_once(pictures):
    folder = yolo(pictures, "9 0.5 0.5 0.2 0.2\n0 200 100 30 30\n0 a b c d\n0 0.5 0.5\n")
    (folder / "labels" / "nobody.txt").write_text("0 0.5 0.5 0.2 0.2\n")

    problems = problems_of(lambda: import_yolo(folder, patient=patient_of))

    for text in (
        "labels/a1.txt, line 1: class 9 has no name",
        "labels/a1.txt, line 2: wanted shares of the image between 0 and 1: are these pixels?",
        "labels/a1.txt, line 3: wanted a class number",
        "labels/a1.txt, line 4: wanted class, x, y, width and height",
        "labels/nobody.txt: no image of this name",
    ):
        assert any(problem.startswith(text) for problem in problems), text
    assert 5 == len(problems)


def test_yolo_without_names_says_where_they_belong(pictures):
    (pictures / "labels").mkdir()

    assert (
        "nothing names the classes"
        in problems_of(lambda: import_yolo(pictures, patient=patient_of))[0]
    )


def table(folder, text):
    path = folder / "boxes.csv"
    path.write_text(text)
    return path


COLUMNS = BoxColumns(path="image", box=("x0", "y0", "x1", "y1"), label="tumor", patient="who")


def test_a_table_of_boxes_has_one_row_an_image(pictures):
    path = table(
        pictures,
        "image,x0,y0,x1,y1,who,kind\n"
        "images/a1.png,1,2,3,4,p,glioma\nimages/a1.png,5,6,9,9,p,cyst\nimages/b1.png,,,,,q,\n",
    )

    found = import_boxes(path, COLUMNS, root=pictures)

    assert [("images/a1.png", True, "p"), ("images/b1.png", False, "q")] == [
        (row.path, row.labels["tumor"], row.patient) for row in found.references
    ]
    assert 2 == len(found.boxes)


def test_width_and_height_and_what_counts_can_be_told(pictures):
    path = table(pictures, "image,x,y,w,h,area,kind\nimages/a1.png,1,2,3,4,50,a\n"
                           "images/a1.png,5,6,9,9,90,b\n")  # fmt: skip
    columns = BoxColumns(path="image", box=("x", "y", "w", "h"), is_size=True, label="tumor",
                         label_column="kind", counts="area>=80")  # fmt: skip

    found = import_boxes(path, columns, root=pictures, patient=patient_of)

    small, large = (box for _, box in found.boxes)
    assert (Box(1, 2, 4, 6), True, "a") == (small.box, small.is_ignored, small.attributes["type"])
    assert (Box(5, 6, 14, 15), False) == (large.box, large.is_ignored)


def test_polygons_in_a_column_have_boxes(pictures):
    path = table(pictures, 'image,polygon\nimages/a1.png,"[[1, 1], [9, 2], [5, 8]]"\n')
    columns = BoxColumns(path="image", box=("polygon",), label="tumor")

    found = import_boxes(path, columns, root=pictures, patient=patient_of)

    assert Box(1, 1, 9, 8) == found.boxes[0][1].box


def test_images_without_a_line_are_empty(pictures):
    path = table(pictures, "image,x0,y0,x1,y1,who\nimages/a1.png,1,2,3,4,p\n")

    found = import_boxes(
        path, COLUMNS, root=pictures, patient=patient_of, further=["images/b1.png"]
    )

    assert [True, False] == [row.labels["tumor"] for row in found.references]


def test_two_spellings_of_a_path_are_one_image(pictures):
    path = table(pictures, "image,x0,y0,x1,y1,who\n./images//a1.png,1,2,3,4,p\n"
                           "images/a1.png,5,6,9,9,p\n")  # fmt: skip

    found = import_boxes(path, COLUMNS, root=pictures, further=["images/a1.png"])

    assert [("images/a1.png", True)] == [
        (row.path, row.labels["tumor"]) for row in found.references
    ]
    assert ["images/a1.png"] * 2 == [name for name, _ in found.boxes]


def test_a_coco_file_that_spells_an_image_in_two_ways_names_it_twice(pictures):
    images = [{"id": n, "file_name": f"{start}images/a1.png"} for n, start in enumerate(("", "./"))]
    path = coco(pictures, images=images, annotations=[])

    problems = problems_of(lambda: import_coco(path, root=pictures, patient=patient_of))

    assert ["images[1]: the image 'images/a1.png' is named twice"] == problems


def test_two_images_of_one_yolo_text_file_are_refused(pictures):
    Image.new("L", (40, 20), 9).save(pictures / "images" / "a1.jpg")

    problems = problems_of(lambda: import_yolo(yolo(pictures), patient=patient_of))

    assert 1 == len(problems)
    assert (
        "labels/a1.txt: holds boxes of one image, but images/a1.jpg and images/a1.png"
        in (problems[0])
    )


@pytest.mark.parametrize("name", ["path", "x0", "z1", "label"])
def test_an_attribute_never_takes_the_place_of_a_box_s_own_column(pictures, name):
    path = table(pictures, "image,x0,y0,x1,y1,who,other\nimages/a1.png,1,2,3,4,p,9\n")

    problems = problems_of(
        lambda: import_boxes(path, replace(COLUMNS, attributes={name: "other"}), root=pictures)
    )

    assert [f"attribute {name}: a column of boxes files is called so; name it otherwise"] == (
        problems
    )


def test_a_size_of_polygons_is_refused(pictures):
    path = table(pictures, 'image,polygon\nimages/a1.png,"[[1, 1], [9, 2], [5, 8]]"\n')
    columns = BoxColumns(path="image", box=("polygon",), is_size=True, label="tumor")

    problems = problems_of(lambda: import_boxes(path, columns, root=pictures, patient=patient_of))

    assert ["polygons have points and no width and height: leave out --size"] == problems


def test_every_problem_of_a_table_is_listed_at_once(pictures):
    path = table(
        pictures,
        "image,x0,y0,x1,y1,who\n"
        "images/gone.png,1,2,3,4,p\nimages/a1.png,5,2,3,4,p\nimages/a1.png,1,2,3,x,p\n"
        "images/a1.png,30,14,60,18,p\nimages/a1.png,1,2,3,4,q\n,1,2,3,4,p\n",
    )

    problems = problems_of(lambda: import_boxes(path, COLUMNS, root=pictures))

    for text in (
        "line 2: the image 'images/gone.png' is not there",
        "line 3: x0 5 is not below x1 3",
        "line 4, column y1: 'x'; wanted a number",
        "line 5: 33% of it lies in the image, which has 40 columns x 20 rows",
        "line 6: the image 'images/a1.png' has another patient",
        "line 7, column image: empty",
    ):
        assert any(problem.startswith(text) for problem in problems), text
    assert 6 == len(problems)


def test_columns_that_are_not_there_are_named(pictures):
    path = table(pictures, "image,x0,y0,x1,y1\n")

    assert ["column who: not there; the table has image, x0, y0, x1, y1"] == problems_of(
        lambda: import_boxes(path, COLUMNS, root=pictures)
    )


@pytest.mark.parametrize("key", [[1], {"a": 1}, None, "1", 1e400])
def test_hostile_numbers_of_a_coco_file_are_problems_and_no_crash(pictures, key):
    wrong = [{"image_id": key, "category_id": key, "bbox": [key, 1, 2, 3]}]

    problems = problems_of(
        lambda: import_coco(coco(pictures, annotations=wrong), root=pictures, patient=patient_of)
    )

    assert any("is no image here" in problem for problem in problems)


def test_a_box_of_endless_numbers_is_a_problem(pictures):
    endless = [{"image_id": 1, "category_id": 7, "bbox": [1e400, 1, 2, 3]}]

    assert ["annotations[0]: a corner is no finite number"] == problems_of(
        lambda: import_coco(coco(pictures, annotations=endless), root=pictures, patient=patient_of)
    )
