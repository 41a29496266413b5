"""What an acceptance test came to, and the files that say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import medrec
from medrec.config.screening import ScreenConfig
from medrec.domain.series import FileRecord, FileStatus
from medrec.errors import MedrecError
from medrec.evaluation.acceptance import AcceptanceResult, measure_acceptance
from medrec.evaluation.acceptance_files import to_json, to_text
from medrec.evaluation.estimate import MINIMUM_UNITS
from medrec.evaluation.home_curves import HomeCurves
from medrec.evaluation.trials import Resampling, TriedScan
from medrec.io.ledger import FileLedger
from medrec.io.tables import write_rows
from medrec.package.package import HOME, ModelPackage, copy_with_home
from medrec.reporting.acceptance_pictures import MissedLesions
from medrec.reporting.acceptance_report import write_acceptance_report
from medrec.reporting.render import write_text
from medrec.workflows.acceptance_recipe import Planned
from medrec.workflows.output import write_run
from medrec.workflows.versions import versions

_COLUMNS = (
    "case_id", "size", "strength", "zone", "group", "diameter_mm", "contrast_to_noise", "is_hit",
    "score_rise",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AcceptanceRun:
    """What the test came to, how every file ended, and the new package if one was asked for."""

    out: Path
    result: AcceptanceResult
    files: tuple[FileRecord, ...]
    require: bool
    terms: tuple[str, ...]
    home: ModelPackage | None = None

    @property
    def exit_code(self) -> int:
        """1 if a line had to be no worse and is; else 3 if a file was refused or failed; else 0."""
        if self.require and self.result.is_worse:
            return 1
        trouble = (FileStatus.REFUSED, FileStatus.FAILED)
        return 3 if any(record.status in trouble for record in self.files) else 0

    def summary_lines(self) -> list[str]:
        """Notes, counts, and where the report is."""
        result = self.result
        files = Counter(str(record.status) for record in self.files)
        counts = ", ".join(f"{count} {name}" for name, count in files.most_common())
        lines = [f"note: {note}" for note in result.notes]
        lines.append(
            f"tested: {result.lesions} lesions in {result.scans} scans of {result.patients} "
            f"patients; files: {counts}"
        )
        if self.home is not None:
            lines.append(f"model with home figures: {self.home.folder} ({self.home.digest})")
        return [*lines, f"report: {self.out / 'report.html'}"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, resolved; `home` is where a package of home goes."""

    package: ModelPackage
    planned: Planned
    out: Path
    lesions: int
    seed: int
    require: bool
    home: str | Path | None

    @property
    def facts(self) -> dict[str, object]:
        """What `run.yaml` says was asked."""
        return {
            "model": self.package.manifest.name,
            "recipe": self.planned.config.name,
            "lesions": self.lesions,
            "seed": self.seed,
        }


@dataclass(slots=True)
class TriedAll:
    """The scans that were tested, rows of all files, copies that the model refused."""

    tested: list[TriedScan] = field(default_factory=list)
    records: list[FileRecord] = field(default_factory=list)
    unjudged: int = 0
    unplaced: int = 0
    left_out: int = 0


def write_outcome(
    asked: Asked,
    tried: TriedAll,
    missed: MissedLesions,
    started: datetime,
    *,
    device: str,
) -> AcceptanceRun:
    """Work out the figures; write files, report and, if asked for, the package of home.

    Raises:
        MedrecError: Too few patients for figures of home; the test itself is written then.
    """
    provenance = _provenance(asked, started, device=device)
    package, out = asked.package, asked.out
    home, notes = home_of(asked)
    result = measure_acceptance(
        tried.tested, home=home, resampling=Resampling(asked.seed), notes=[*notes, *_said(tried)]
    )
    text = to_text(
        to_json(
            result,
            design=_design(asked.planned),
            seed=asked.seed,
            recipe=_recipe_of(asked.planned),
            provenance=provenance,
        )
    )
    manifest = package.manifest
    terms = (
        "Research use. Not a medical device.",
        f"Weights of {manifest.name} {manifest.version}: {manifest.license}.",
    )
    write_text(out / HOME, text)
    write_rows(out / "lesions.csv", _COLUMNS, _rows_of(tried.tested))
    FileLedger(out).finish(tried.records)
    write_acceptance_report(
        out,
        result,
        missed.draw(),
        terms=terms,
        provenance={**provenance, "recipe": asked.planned.config.name, "seed": asked.seed},
    )
    write_run(
        out,
        {
            "verb": "acceptance",
            "finished": True,
            **asked.facts,
            "scans": result.scans,
            "patients": result.patients,
            "model_digest": package.digest,
            "versions": versions(),
        },
    )
    made = None if asked.home is None else _write_home(package, Path(asked.home), result, text)
    return AcceptanceRun(out, result, tuple(tried.records), asked.require, terms, made)


def _provenance(asked: Asked, started: datetime, *, device: str) -> dict[str, object]:
    manifest = asked.package.manifest
    return {
        "medrec": medrec.__version__,
        "model": manifest.name,
        "model_version": manifest.version,
        "model_digest": asked.package.digest,
        "operating_point": ScreenConfig().operating_point,
        "lesions_a_scan": asked.lesions,
        "device": device,
        "started": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round((datetime.now(UTC) - started).total_seconds(), 1),
    }


def _recipe_of(planned: Planned) -> dict[str, Any]:
    data: dict[str, Any] = planned.config.model_dump(mode="json", exclude_none=True)
    return data


def _design(planned: Planned) -> dict[str, list[float] | list[str]]:
    grid = planned.grid
    return {
        "sizes": list(grid.sizes),
        "strengths": list(grid.strengths),
        "zones": list(grid.zones),
    }


def home_of(asked: Asked) -> tuple[HomeCurves | None, list[str]]:
    """What to hold the site against: nothing where it is home, or where lesions were others."""
    home = asked.package.home
    if asked.home is not None or home is None:
        return None, []
    is_same = dict(home.recipe) == _recipe_of(asked.planned)
    if is_same and dict(home.design) == _design(asked.planned):
        return home, []
    note = (
        f"the figures at home were made with the recipe {home.recipe.get('name')}, these with "
        f"{asked.planned.config.name}: they can't be held against each other"
    )
    return None, [note]


def _said(tried: TriedAll) -> Iterator[str]:
    if tried.unjudged:
        yield f"{tried.unjudged} copies with a lesion were refused by the model and count nowhere"
    if tried.unplaced:
        yield f"{tried.unplaced} lesions had no room in their scan and count nowhere"
    if tried.left_out:
        yield f"{tried.left_out} scans of the manifest hold a lesion by their label: left out"


def _rows_of(tested: Sequence[TriedScan]) -> Iterator[dict[str, object]]:
    for scan in tested:
        for one in scan.lesions:
            facts = {name: getattr(one, name) for name in _COLUMNS if name != "case_id"}
            yield {"case_id": scan.case_id, **facts, "is_hit": int(one.is_hit)}


def _write_home(
    package: ModelPackage, folder: Path, result: AcceptanceResult, text: str
) -> ModelPackage:
    if result.patients < MINIMUM_UNITS:
        message = (
            f"--home {folder}: no figures of a site from {result.patients} patients, wanted "
            f"{MINIMUM_UNITS} or more; the test itself was written"
        )
        raise MedrecError(message)
    return copy_with_home(package, folder, text)
