"""`medrec dataset plant`: what a copy's row says is what its film shows, and nothing is lost."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from chest_factory import a_chest_film
from PIL import Image
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.data.boxes import boxes_of_rows
from medrec.data.manifest import read_manifest
from medrec.errors import ManifestError, OutputError, PlantingError, UsageError
from medrec.workflows.plant import plant

RECIPE = """\
kind: lesions
name: test
chest_film:
  shapes: {round: 1, lobulated: 1}
  zones: {upper: 1, middle: 1, lower: 1}
  size: {low: 0.05, high: 0.2}
  gain: {low: 2, high: 3}
"""
BREASTS = """\
kind: lesions
name: breasts
mammogram:
  shapes: {round: 1}
  zones: {fatty: 1}
  size: {low: 0.05, high: 0.2}
  gain: {low: 2, high: 3}
"""


@pytest.fixture
def archive(tmp_path):
    """Three free films, one of 16 bits, one with a nodule, one unknown, one without a chest."""
    for number in range(3):
        Image.fromarray(a_chest_film(256, seed=number)).save(tmp_path / f"smith-{number}.png")
    deep = a_chest_film(256, seed=7).astype(np.uint16) * 200
    Image.fromarray(deep).save(tmp_path / "deep.png")
    noise = np.random.default_rng(1).integers(0, 255, (200, 200)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    rows = [
        ["path", "patient", "split", "nodule", "view"],
        ["smith-0.png", "a", "train", "0", "PA"],
        ["smith-1.png", "a", "train", "1", "PA"],
        ["smith-2.png", "b", "test", "", "AP"],
        ["deep.png", "c", "test", "0", "AP"],
        ["noise.png", "d", "tune", "0", "AP"],
    ]
    with (tmp_path / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return tmp_path


def planted(archive, name="out", **options):
    return plant(
        archive / "manifest.csv", recipe=archive / "recipe.yaml", out=archive / name, **options
    )


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def rows_of(result):
    return read_manifest(result.manifest, labels=["nodule"])


def test_free_films_alone_are_planted_and_keep_patient_split_and_attributes(archive):
    rows = rows_of(planted(archive))

    assert [("a", "train", "PA"), ("c", "test", "AP")] == [
        (row.patient, row.split, row.attributes["view"]) for row in rows
    ]
    assert [{"nodule": True}] * 2 == [dict(row.labels) for row in rows]


def test_the_film_changed_inside_the_box_that_its_row_has_and_hardly_outside(archive):
    result = planted(archive)
    rows = rows_of(result)
    boxes = boxes_of_rows(rows, root=archive / "out")

    for row, original, own in zip(rows, ["smith-0.png", "deep.png"], boxes, strict=True):
        changed = pixels_of(archive / "out" / row.path) - pixels_of(archive / original)
        (box,) = [one.box for one in own]
        inside = np.zeros(changed.shape, dtype=bool)
        inside[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = True
        margin = np.zeros(changed.shape, dtype=bool)
        margin[int(box.y0) - 20 : int(box.y1) + 20, int(box.x0) - 20 : int(box.x1) + 20] = True

        assert changed[inside].mean() > 4 * abs(changed[margin & ~inside].mean())
        assert not changed[~margin].any()


def test_sixteen_bits_stay_sixteen_bits(archive):
    deep = rows_of(planted(archive))[1]

    assert pixels_of(archive / "out" / deep.path).max() > 255
    with Image.open(archive / "out" / deep.path) as image:
        assert "I;16" == image.mode


def test_a_copy_of_one_lesion_tells_its_facts(archive):
    row = rows_of(planted(archive))[0]
    size = float(row.attributes["lesion_size"])

    assert 0.05 <= size <= 0.2
    assert row.attributes["lesion_zone"] in {"upper", "middle", "lower"}
    # Thirds of 0.05 to 0.2 in equal ratios end at 0.0794 and 0.126.
    group = "small" if size < 0.0794 else "medium" if size < 0.126 else "large"
    assert group == row.attributes["lesion_size_group"]
    assert {"yes"} == {row.attributes["planted"]}


def test_strengths_are_grouped_in_thirds_of_what_was_planted(archive):
    rows = rows_of(planted(archive, copies=3))
    ordered = sorted(rows, key=lambda row: float(row.attributes["lesion_strength"]))

    assert ["weak"] * 2 + ["medium"] * 2 + ["strong"] * 2 == [
        row.attributes["lesion_strength_group"] for row in ordered
    ]


def test_several_lesions_have_a_box_each_and_no_columns(archive):
    result = planted(archive, lesions=2)
    rows = rows_of(result)
    boxes = boxes_of_rows(rows, root=archive / "out")

    assert [2, 2] == [len(own) for own in boxes]
    assert "lesion_size" not in rows[0].attributes
    assert {"lesion_size", "lesion_zone"} <= set(boxes[0][0].attributes)


def test_twins_are_the_untouched_films_with_known_empty_boxes(archive):
    rows = rows_of(planted(archive, twins=True))
    boxes = boxes_of_rows(rows, root=archive / "out")
    twins = [(row, own) for row, own in zip(rows, boxes, strict=True) if not row.labels["nodule"]]

    assert [archive / "smith-0.png", archive / "deep.png"] == [
        (archive / "out" / row.path).resolve() for row, _ in twins
    ]
    assert [(), ()] == [own for _, own in twins]
    assert {"no"} == {row.attributes["planted"] for row, _ in twins}
    assert [row.path for row, _ in twins] == [
        row.attributes["planted_from"] for row in rows if row.labels["nodule"]
    ]


def test_boxes_of_an_untouched_film_stay_unknown_where_another_label_may_have_some(archive):
    text = (archive / "manifest.csv").read_text(encoding="utf-8").splitlines()
    others = ["effusion", "1", "0", "0", "0", "0"]
    lines = [f"{line},{other}" for line, other in zip(text, others, strict=True)]
    (archive / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")

    result = planted(archive, label="nodule", twins=True)
    rows = read_manifest(result.manifest)
    twins = [row for row in rows if not row.labels["nodule"]]

    assert [None, "boxes.csv"] == [row.boxes for row in twins]
    assert ["1 film has other labels that aren't 0, and no boxes file"] == [
        note.split(":")[0] for note in result.notes
    ]


def test_rows_of_other_splits_are_kept_as_they_are(archive):
    rows = rows_of(planted(archive, splits=["test", "tune"], twins=True))

    assert [
        ("films/00001-1.png", "test", True, "boxes.csv"),
        ("../deep.png", "test", False, "boxes.csv"),
        ("../smith-0.png", "train", False, None),
        ("../smith-1.png", "train", True, None),
        ("../smith-2.png", "test", None, None),
        ("../noise.png", "tune", False, None),  # refused, and not lost
    ] == [(row.path, row.split, row.labels["nodule"], row.boxes) for row in rows]


def test_boxes_that_a_film_has_already_go_along(archive):
    text = (archive / "manifest.csv").read_text(encoding="utf-8").splitlines()
    lines = [f"{line},{'boxes' if n == 0 else 'old.csv'}" for n, line in enumerate(text)]
    (archive / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    (archive / "old.csv").write_text(
        "path,x0,y0,x1,y1,label\ndeep.png,3,4,30,40,pacemaker\n", encoding="utf-8"
    )

    rows = rows_of(planted(archive, twins=True))
    boxes = boxes_of_rows(rows, root=archive / "out")

    assert [["nodule"], ["nodule", "pacemaker"], [], ["pacemaker"]] == [
        [one.label for one in own] for own in boxes
    ]


def test_a_film_without_a_chest_is_refused_with_its_reason_and_the_others_are_planted(archive):
    result = planted(archive)

    assert ["../noise.png"] == list(result.refused)
    assert 2 == len(result.copies)
    with (archive / "out" / "refused.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert ("../noise.png", result.refused["../noise.png"]) == (row["path"], row["reason"])
    assert {"it has nodule": 1, "whether it has nodule is unknown": 1} == result.left_out


def test_every_film_is_named_where_none_can_be_planted_into(archive):
    (archive / "smith-0.png").unlink()
    (archive / "deep.png").write_bytes(b"no picture")

    with pytest.raises(PlantingError) as error:
        planted(archive)

    assert all(name in str(error.value) for name in ("smith-0.png", "deep.png", "noise.png"))


def test_the_same_seed_plants_the_same_whatever_other_rows_there_are(archive):
    first = rows_of(planted(archive, "first"))
    lines = (archive / "manifest.csv").read_text(encoding="utf-8").splitlines()
    (archive / "manifest.csv").write_text("\n".join([lines[0], lines[4]]), encoding="utf-8")
    (again,) = rows_of(planted(archive, "again"))
    (other,) = rows_of(planted(archive, "other", seed=2))

    deep = pixels_of(archive / "first" / first[1].path)
    assert np.array_equal(deep, pixels_of(archive / "again" / again.path))
    assert not np.array_equal(deep, pixels_of(archive / "other" / other.path))


def test_no_name_of_a_file_goes_into_that_of_a_copy(archive):
    assert not [row.path for row in rows_of(planted(archive)) if "smith" in row.path]


def test_a_folder_in_use_is_never_written_into(archive):
    planted(archive)

    with pytest.raises(OutputError, match="isn't empty"):
        planted(archive)


def test_a_manifest_without_a_free_film_says_what_its_rows_are(archive):
    lines = (archive / "manifest.csv").read_text(encoding="utf-8").splitlines()
    (archive / "manifest.csv").write_text("\n".join(lines[:1] + lines[2:3]), encoding="utf-8")

    with pytest.raises(ManifestError, match="1 row: it has nodule"):
        planted(archive)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"label": "mass"}, "labels are nodule"), ({"lesions": 0}, "--lesions 0"),
     ({"copies": 0}, "--copies 0"), ({"seed": -1}, "--seed -1"),
     ({"splits": ["trial"]}, "--split trial: wanted train")],
)  # fmt: skip
def test_an_option_that_means_nothing_is_wrong_usage(archive, options, said):
    with pytest.raises(UsageError, match=said):
        planted(archive, **options)


def test_several_labels_have_to_be_chosen_from(archive):
    text = (archive / "manifest.csv").read_text(encoding="utf-8")
    (archive / "manifest.csv").write_text(
        "\n".join(f"{line},{'mass' if n == 0 else 0}" for n, line in enumerate(text.splitlines())),
        encoding="utf-8",
    )

    with pytest.raises(UsageError, match="one of the manifest's labels, nodule, mass"):
        planted(archive)
    result = planted(archive, label="mass")
    assert {"nodule": False, "mass": True} == dict(result.copies[0].row.labels)


def test_masses_are_planted_into_breasts(archive):
    (archive / "recipe.yaml").write_text(BREASTS, encoding="utf-8")
    down, across = np.mgrid[:256, :256]
    breast = np.hypot(across, down - 128) < 110
    film = np.where(breast, 90, 4) + 60 * (np.hypot(across - 40, down - 128) < 30)
    film = film + np.random.default_rng(2).normal(0, 2, film.shape)
    Image.fromarray(np.clip(film, 0, 255).astype(np.uint8)).save(archive / "smith-0.png")

    rows = rows_of(planted(archive))

    assert "fatty" == rows[0].attributes["lesion_zone"]


def test_the_command_lists_refused_films_and_ends_with_three(archive):
    words = ["dataset", "plant", str(archive / "manifest.csv"), "--recipe"]
    words += [str(archive / "recipe.yaml"), "--out", str(archive / "out"), "--twins"]
    result = CliRunner().invoke(app, words)

    assert 3 == result.exit_code
    assert "2 planted films of 2 patients, 2 lesions" in result.stdout
    assert "refused: ../noise.png" in result.stdout
