"""`medrec configure --detect`: boxes or masks of an archive, and what is wrong with them."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from lesion_factory import write_lesion_films, write_lesion_volumes
from PIL import Image
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.config.model import DetectorConfig
from medrec.data.boxes import boxes_of_rows
from medrec.data.fingerprint import DetectorSpeeds
from medrec.data.manifest import read_manifest
from medrec.errors import ManifestError, OutputError
from medrec.workflows import fingerprinting
from medrec.workflows.configure import configure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILM = {"modality": "DX", "body_part": "HAND", "device": "cpu", "detect": True}


@pytest.fixture(autouse=True)
def _a_known_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    def speeds(_: str, *, is_solid: bool, **__: object) -> DetectorSpeeds:
        return DetectorSpeeds(30.0, 12.0, 15.0, 1.3, 4.0 if is_solid else None)

    monkeypatch.setattr(fingerprinting, "read_detector_speeds", speeds)
    monkeypatch.setattr(fingerprinting, "measure_speed", lambda *_, **__: 20.0)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_lesion_films(tmp_path / "films", 24)


def change(path: Path, edit: Callable[[dict[str, str]], dict[str, str] | None]) -> None:
    """Rewrite the rows of a CSV; None drops one."""
    with path.open(newline="") as stream:
        rows = [edited for row in csv.DictReader(stream) if (edited := edit(row)) is not None]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)


def problems_of(manifest: Path, out: Path, **options: object) -> str:
    with pytest.raises(ManifestError) as caught:
        configure(manifest, out=out, **{**FILM, **options})
    return "\n".join(caught.value.problems)


def masked_films(root: Path, count: int = 24) -> Path:
    """The films with masks in place of boxes."""
    manifest = write_lesion_films(root, count)
    with (root / "boxes.csv").open(newline="") as stream:
        boxes = {row["path"]: row for row in csv.DictReader(stream)}

    def mask(row: dict[str, str]) -> dict[str, str]:
        pixels = np.zeros((96, 96), np.uint8)
        if (box := boxes.get(row["path"])) is not None:
            x0, y0, x1, y1 = (int(box[name]) for name in ("x0", "y0", "x1", "y1"))
            pixels[y0:y1, x0:x1] = 255
        Image.fromarray(pixels).save(root / f"m-{row['path']}")
        return {key: row[key] for key in ("path", "patient", "lesion")} | {
            "mask": f"m-{row['path']}"
        }

    change(manifest, mask)
    (root / "boxes.csv").unlink()
    return manifest


def test_labels_alone_make_a_classifier_though_boxes_are_there(manifest, tmp_path):
    result = configure(manifest, out=tmp_path / "c.yaml", **{**FILM, "detect": False})

    assert "classifier_2d" == result.config.model.kind


def test_boxes_make_a_detector_whose_config_reads_back(manifest, tmp_path):
    result = configure(manifest, out=tmp_path / "c.yaml", **FILM)

    assert isinstance(result.config.model, DetectorConfig)
    facts = result.fingerprint.boxes
    assert facts is not None
    assert 16 == facts.boxes
    assert facts.learned_boxes < 16  # some patients are tested
    assert 13 / 96 - 1e-9 <= facts.smallest_side <= facts.largest_side <= 23 / 96 + 1e-9


def test_the_verb_prints_the_smallest_box_in_cells(manifest, tmp_path):
    words = ["configure", str(manifest), "--out", str(tmp_path / "c.yaml"), "--detect"]
    words += ["--modality", "DX", "--body-part", "HAND", "--device", "cpu"]

    result = CliRunner().invoke(app, words)

    assert 0 == result.exit_code, result.output
    text = " ".join(result.output.split())
    assert "the smallest box that must be seen" in text
    assert "cells of the finest level's 4 px" in text
    comments = " ".join((tmp_path / "c.yaml").read_text().replace("#", " ").split())
    assert "cells of the finest level's 4 px" in comments


def test_what_json_tells_leaves_single_boxes_out(manifest, tmp_path):
    data = configure(manifest, out=tmp_path / "c.yaml", **FILM).to_json()

    assert "sides" not in data["fingerprint"]["boxes"]
    assert data["notes"]
    json.dumps(data)


def test_masks_become_boxes_beside_the_config(tmp_path):
    manifest = masked_films(tmp_path / "films")

    result = configure(manifest, out=tmp_path / "here" / "c.yaml", **FILM)

    assert "c-manifest.csv" == result.config.data.manifest.name
    rows = read_manifest(tmp_path / "here" / "c-manifest.csv")
    boxes = boxes_of_rows(rows, root=tmp_path / "here")
    assert 16 == sum(len(own) for own in boxes)
    assert all((tmp_path / "here" / row.path).is_file() for row in rows)
    assert any("16 boxes made of masks" in note for note in result.notes)


def test_files_of_boxes_made_of_masks_are_never_overwritten(tmp_path):
    manifest = masked_films(tmp_path / "films")
    (tmp_path / "c-boxes.csv").write_text("mine")

    with pytest.raises(OutputError, match="exists"):
        configure(manifest, out=tmp_path / "c.yaml", **FILM)

    assert "mine" == (tmp_path / "c-boxes.csv").read_text()
    assert not (tmp_path / "c-manifest.csv").exists()


def test_a_mask_that_no_label_names_is_refused(tmp_path):
    manifest = masked_films(tmp_path / "films")
    change(manifest, lambda row: row | {"lesion": "0", "cyst": str(int(row["path"] == "f1.png"))})

    said = problems_of(manifest, tmp_path / "c.yaml")

    assert "f0.png: its mask outlines what no label names" in said


def test_an_archive_without_boxes_says_how_to_make_them(manifest, tmp_path):
    change(manifest, lambda row: {key: row[key] for key in ("path", "patient", "lesion")})

    said = problems_of(manifest, tmp_path / "c.yaml")

    assert "no row names a boxes file or a mask" in said
    assert "medrec dataset import" in said


def test_boxes_files_without_a_box_are_refused(manifest, tmp_path):
    boxes = manifest.parent / "boxes.csv"
    boxes.write_text(boxes.read_text().splitlines()[0] + "\n")

    assert "hold no box" in problems_of(manifest, tmp_path / "c.yaml")


def test_a_label_without_boxes_and_boxes_without_a_label_are_named_together(manifest, tmp_path):
    change(manifest, lambda row: row | {"cancer": row["lesion"]})
    boxes = manifest.parent / "boxes.csv"
    change(boxes, lambda row: row | {"label": "node" if row["path"] == "f0.png" else "lesion"})

    said = problems_of(manifest, tmp_path / "c.yaml")

    assert "column cancer: no box shows it (boxes show lesion, node)" in said
    assert "boxes of 'node': no label column has this name" in said


def test_boxes_of_one_split_alone_are_refused(manifest, tmp_path):
    def split(row: dict[str, str]) -> dict[str, str]:
        number = int(row["path"][1:-4])
        return row | {"split": "test" if number % 3 == 2 or number < 3 else "train"}

    change(manifest, split)
    tested = {f"f{n}.png" for n in range(3)}
    change(manifest.parent / "boxes.csv", lambda row: None if row["path"] in tested else row)
    change(manifest, lambda row: row | {"lesion": ""} if row["path"] in tested else row)

    said = problems_of(manifest, tmp_path / "c.yaml")

    assert "column lesion: all its boxes are of patients of train, none of test" in said


def test_wrong_boxes_and_what_options_lack_are_listed_at_once(manifest, tmp_path):
    change(manifest.parent / "boxes.csv", lambda row: row | {"x1": "-5"})

    said = problems_of(manifest, tmp_path / "c.yaml", modality=None, primary="cyst")

    assert 16 == said.count("is not below x1")
    assert "give --modality" in said
    assert "--primary cyst: is none of the labels" in said


def test_only_positive_films_are_enough_and_what_they_lack_is_said(manifest, tmp_path):
    change(manifest, lambda row: row if row["lesion"] == "1" else None)

    result = configure(manifest, out=tmp_path / "c.yaml", **FILM)

    assert "nothing teaches what an empty one looks like" in result.plan["fit.sampler"].reason
    assert result.config.model.image_head is False


def test_too_small_a_budget_for_small_boxes_is_warned_of(manifest, tmp_path):
    change(
        manifest.parent / "boxes.csv",
        lambda row: row | {"x1": str(int(row["x0"]) + 3), "y1": str(int(row["y0"]) + 3)},
    )

    result = configure(manifest, out=tmp_path / "c.yaml", **FILM)

    (warning,) = (note for note in result.notes if note.startswith("WARNING"))
    assert "0.8 cells" in warning
    assert "WARNING" in (tmp_path / "c.yaml").read_text()


def test_labels_that_only_boxes_tell_are_counted(manifest, tmp_path):
    change(manifest, lambda row: row | {"lesion": ""})

    result = configure(manifest, out=tmp_path / "c.yaml", labels=["lesion"], **FILM)

    counts = result.fingerprint.truth.labels["lesion"]
    assert (16, 8, 0) == (counts.positive_rows, counts.negative_rows, counts.unknown_rows)


def test_coco_and_yolo_boxes_are_read_too(manifest, tmp_path):
    root = manifest.parent
    with (root / "boxes.csv").open(newline="") as stream:
        boxes = {row["path"]: row for row in csv.DictReader(stream)}
    (root / "classes.txt").write_text("lesion\n")

    def to_yolo(row: dict[str, str]) -> dict[str, str]:
        line = ""
        if (box := boxes.get(row["path"])) is not None:
            x0, y0, x1, y1 = (int(box[name]) / 96 for name in ("x0", "y0", "x1", "y1"))
            line = f"0 {(x0 + x1) / 2} {(y0 + y1) / 2} {x1 - x0} {y1 - y0}\n"
        (root / f"{row['path']}.txt").write_text(line)
        return row | {"boxes": f"{row['path']}.txt"}

    table = configure(manifest, out=tmp_path / "a.yaml", **FILM).fingerprint.boxes
    change(manifest, to_yolo)
    yolo = configure(manifest, out=tmp_path / "b.yaml", **FILM).fingerprint.boxes

    assert table is not None
    assert yolo is not None
    assert (table.boxes, table.positive_pictures) == (yolo.boxes, yolo.positive_pictures)
    assert table.smallest_side == pytest.approx(yolo.smallest_side)


def test_solid_boxes_of_few_patients_make_a_slice_detector_that_joins_slices(tmp_path):
    manifest = write_lesion_volumes(tmp_path / "scans", 24)
    options = {**FILM, "modality": "MR", "body_part": "BRAIN"}

    result = configure(manifest, out=tmp_path / "c.yaml", **options)

    assert isinstance(result.config.model, DetectorConfig)
    assert result.config.model.join_slices
    facts = result.fingerprint.boxes
    assert facts is not None
    assert facts.pictures == 20 * (facts.pictures // 20)  # each of a scan's 20 slices
    assert 0 < facts.positive_pictures < facts.pictures / 3
