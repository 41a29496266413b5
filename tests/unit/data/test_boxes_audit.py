"""An audit that knows boxes."""

from __future__ import annotations

import pytest
from factories import a_reference

from medrec.data.boxes_audit import AuditedBoxes, audit_boxes
from medrec.domain.box import ImageSize
from medrec.domain.reference import Split

HEAD = "path,x0,y0,x1,y1,label\n"


@pytest.fixture
def audited(tmp_path):
    def look(lines, rows):
        (tmp_path / "boxes.csv").write_text(HEAD + "".join(f"{line}\n" for line in lines))
        found = audit_boxes(rows, root=tmp_path, size_of=lambda _: ImageSize(1000, 1000))
        return [*found.faults, *found.warnings]

    return look


def a_row(name, truth=True, **changes):
    return a_reference(path=f"{name}.png", labels={"tumor": truth}, boxes="boxes.csv", **changes)


def test_boxes_that_are_as_they_should_be_have_no_fault(audited):
    assert [] == audited(["a.png,1,1,9,9,tumor"], [a_row("a"), a_row("b", truth=False)])


def test_wrong_boxes_are_faults_that_name_the_line(audited):
    faults = audited(["a.png,9,1,1,9,tumor", "a.png,2000,1,2010,9,tumor"], [a_row("a")])

    assert 2 == len(faults)
    assert faults[0].startswith("boxes: line 2: x0 9 is not below x1 1")
    assert faults[1].startswith("boxes: line 3: 0% of it lies in the image")


def test_a_box_drawn_twice_is_found(audited):
    lines = ["a.png,1,1,100,100,tumor", "a.png,2,1,100,100,tumor", "b.png,1,1,9,9,tumor"]

    (fault,) = audited(lines, [a_row("b"), a_row("a")])

    assert fault.startswith("1 row has a box twice or more")
    assert fault.endswith("row 2")


def test_a_label_without_a_box_and_a_box_against_its_label_are_found(audited):
    lines = ["a.png,1,1,9,9,tumor", "c.png,1,1,9,9,tumor"]

    faults = audited(lines, [a_row("a", truth=False), a_row("b"), a_row("c")])

    assert [
        "1 row is tumor and has no such box: row 2",
        "1 row is not tumor and has such a box: row 1",
    ] == faults


def test_a_label_of_whole_images_needs_no_box(audited):
    assert [] == audited([], [a_row("a")])


def test_a_box_of_an_unknown_label_is_found(audited):
    faults = audited(["a.png,1,1,9,9,cyst"], [a_row("a", truth=False)])

    assert ["1 row has boxes of cyst, which is no label of the manifest"] == faults


def test_a_box_of_quite_another_size_is_found(audited):
    lines = [f"a.png,{n},{n},{n + 30 + n % 5},{n + 31},tumor" for n in range(1, 900, 37)]

    (fault,) = audited([*lines, "b.png,1,1,950,990,tumor"], [a_row("a"), a_row("b")])

    assert fault.startswith("1 row has boxes of tumor of quite another size")
    assert fault.endswith("row 2")


def test_a_class_that_a_split_lacks_is_named(audited):
    rows = [a_row("a", split=Split.TRAIN), a_row("b", truth=False, split=Split.TEST)]

    faults = audited(["a.png,1,1,9,9,tumor"], rows)

    assert ["no box of tumor in the split test: nothing of it can be measured there"] == faults


def test_boxes_that_count_neither_way_contradict_no_label(tmp_path):
    (tmp_path / "boxes.csv").write_text(
        "path,x0,y0,x1,y1,label,ignore\na.png,1,1,9,9,tumor,1\nb.png,1,1,9,9,tumor,1\n"
    )
    rows = [a_row("a", truth=False), a_row("b", truth=True)]

    assert AuditedBoxes((), ()) == audit_boxes(rows, root=tmp_path, size_of=lambda _: None)
