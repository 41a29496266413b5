"""Where a training run's scans and labels come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medrec.config.base import Schema
from medrec.config.selection import RulesSource


class ManifestData(Schema):
    """Scans and labels that a manifest lists."""

    kind: Literal["manifest"] = "manifest"
    manifest: Path
    rules: RulesSource | None = None
    """Which series of a DICOM folder counts: a file of `kind: rules`. The package carries them."""


class MasksData(Schema):
    """NIfTI volumes, each with a mask on the same grid: a slice is positive where its mask is.

    `root` is the folder of the archive. `images` is a glob below it. `mask` is a path relative to
    the image's folder. The patient is the name of the image's folder.
    """

    kind: Literal["masks"]
    root: Path | None = None
    images: str
    mask: str
    label: str = "tumor"
    """What the masks outline."""
    cases: str | None = None
    """A CSV below `root` with a `patient` column and attributes (site, sex, age)."""
    get_it_from: str
    """Where a person obtains the archive; printed when `root` is missing."""


class TableData(Schema):
    """Scans and labels of an archive that brings its own table: no manifest has to be made.

    Columns are named as the table names them. A label or an attribute is an expression: `column`
    (1 or 0, yes or no), `column:a,b` (positive where the cell is one of these),
    `column:a,b/c,d` (negative only where it is one of the second list, else unknown), or a
    comparison of numbers, `column>=80`. An empty cell is unknown.
    """

    kind: Literal["table"]
    root: Path | None = None
    table: str = "cases.csv"
    """A CSV (or TSV) below `root`."""
    path: str
    """Column of the scan's path, relative to `root`."""
    patient: str
    """Column that says whose scan it is."""
    labels: Annotated[dict[str, str], Field(min_length=1)]
    """Name of each label and the expression that tells it."""
    attributes: dict[str, str] = {}
    """What evaluation and splits can stratify by; a comparison gives yes and no."""
    mask: str | None = None
    """Column of the mask's path; None where there is none."""
    split: str | None = None
    """Column of train, tune, calibrate, test; None plans the splits."""
    same_patient: list[Annotated[list[str], Field(min_length=2)]] = []
    """Names that stand for one patient, each group a list."""
    get_it_from: str
    """Where a person obtains the archive; printed when `root` is missing."""


Data = Annotated[ManifestData | MasksData | TableData, Field(discriminator="kind")]
