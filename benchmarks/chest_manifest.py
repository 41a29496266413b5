r"""The data of xray-chest-nodule, made of the films of an archive.

    python benchmarks/chest_manifest.py ARCHIVE --out DATA
    medrec train configs/train/xray-chest-nodule.yaml --out RUN \
        --set data.manifest=DATA/manifest.csv

ARCHIVE is that of `chest_films.py`. Films of the train patients come as they are: the config
plants into them as it trains. Of those of tune, calibrate and test DATA gets copies, each with one
lesion of configs/lesions/xray-chest-evaluation.yaml, and the films themselves: the recipe by which
the config trains has neither its shapes nor its strengths. Two copies of each test film and three
of each calibrate film are made, so that few patients give many lesions. A film that is refused
stays among the untouched ones.

The films whose reports tell of nodules or masses calibrate exams. Where a nodule lies in them is
unknown. manifest-closed.csv is the same without them, for all runs before the last.

Columns beside those of the lesions:

- role: train, planted, untouched or real;
- exams: no for films that calibrate boxes alone: those that are planted, and the untouched PA
  films, for the real ones hold PA films without a nodule, and all others show something else;
- findings: yes where the report tells of anything;
- view_and_findings: both, for in this archive every PA film without a nodule has findings;
- untouched: the same of untouched films alone, for the false positives on them;
- age_group: child under 18.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from chest_films import SPLITS, read_cases

from medrec.data.manifest import read_manifest, spell_out, write_manifest
from medrec.data.planted_copies import SOURCE
from medrec.data.splits import read_places
from medrec.domain.finding import Label
from medrec.domain.reference import Reference, Split
from medrec.workflows.plant import plant
from medrec.workflows.relocating import relocate

RECIPE = Path(__file__).parents[1] / "configs/lesions/xray-chest-evaluation.yaml"
NODULE = Label("nodule")
COPIES = {Split.TUNE: 1, Split.CALIBRATE: 3, Split.TEST: 2}
SEED, ADULT = 2026, 18


def read_films(archive: Path) -> list[Reference]:
    """A row a film; paths start at the archive."""
    places = read_places(SPLITS)
    return [to_row(row, places[row["patient"]].split) for row in read_cases(archive)]


def to_row(row: dict[str, str], split: Split) -> Reference:
    """A film that none is known to be in has known, empty boxes."""
    is_real = row["use"] == "calibrate"
    has_findings = row["findings"] != "No Finding"
    findings = "with findings" if has_findings else "without"
    return Reference(
        path=row["image"],
        patient=row["patient"],
        labels={NODULE: row["nodule_or_mass"] == "1"},
        split=split,
        attributes={
            "role": "real" if is_real else "train" if split is Split.TRAIN else "untouched",
            "exams": "yes" if is_real or row["view"] == "AP" else "no",
            "view": row["view"],
            "findings": "yes" if has_findings else "no",
            "view_and_findings": f"{row['view']} {findings}",
            "age": row["age"],
            "age_group": "child" if int(row["age"]) < ADULT else "adult",
            "sex": row["sex"],
        },
    )


def as_untouched(row: Reference) -> Reference:
    """The same row among those whose false positives are told by view and findings."""
    attributes = {**row.attributes, "untouched": row.attributes["view_and_findings"]}
    return replace(row, attributes=attributes)


def plant_split(films: list[Reference], archive: Path, split: Split, out: Path) -> list[Reference]:
    """Copies and untouched films of one split, in the manifest of `out`."""
    own = [row for row in films if row.split is split and row.attributes["role"] == "untouched"]
    source = out / f"{split}-free.csv"
    write_manifest(source, relocate(own, root=archive, folder=out))
    result = plant(
        source, recipe=RECIPE, out=out / split, seed=SEED, copies=COPIES[split], twins=True
    )
    print("\n".join(result.lines()), flush=True)
    rows = [moved(row, split) for row in read_manifest(result.manifest)]
    there = {row.path for row in rows}
    refused = [row for row in relocate(own, root=archive, folder=out) if row.path not in there]
    untouched = [row for row in rows if not row.labels[NODULE]] + refused
    return [
        *(as_planted(row) for row in rows if row.labels[NODULE]),
        *(as_untouched(row) for row in untouched),
    ]


def moved(row: Reference, folder: str) -> Reference:
    """A row of a folder's manifest in that of the folder above."""

    def above(path: str) -> str:
        return Path(os.path.normpath(f"{folder}/{path}")).as_posix()

    attributes = dict(row.attributes)
    if SOURCE in attributes:
        attributes[SOURCE] = above(attributes[SOURCE])
    boxes = above(row.boxes) if row.boxes else None
    return replace(row, path=above(row.path), boxes=boxes, attributes=attributes)


def as_planted(row: Reference) -> Reference:
    """The same row, which says what it is for."""
    return replace(row, attributes={**row.attributes, "role": "planted", "exams": "no"})


def make(archive: Path, out: Path) -> None:
    """Write both manifests and what they name."""
    films = read_films(archive)
    out.mkdir(parents=True)
    named = relocate(films, root=archive, folder=out)
    rows = [row for row in named if row.attributes["role"] == "train"]
    for split in COPIES:
        rows += plant_split(films, archive, split, out)
    real = [row for row in named if row.attributes["role"] == "real"]
    write_manifest(out / "manifest.csv", spell_out([*rows, *real]))
    write_manifest(out / "manifest-closed.csv", spell_out(rows))
    print(f"{out / 'manifest.csv'}: {len(rows)} films and copies, {len(real)} real films")


def main() -> None:
    """Make the data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    make(asked.archive, asked.out)


if __name__ == "__main__":
    main()
