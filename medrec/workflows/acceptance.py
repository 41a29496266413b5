"""`medrec acceptance`: lesions planted into a site's own scans; what would the model miss here?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import medrec
from medrec.config.screening import ScreenConfig
from medrec.domain.finding import Label
from medrec.domain.series import FileRecord, FileStatus
from medrec.errors import InputError, MedrecError, UsageError
from medrec.evaluation.acceptance import AcceptanceResult, measure_acceptance
from medrec.evaluation.acceptance_files import to_json, to_text
from medrec.evaluation.estimate import MINIMUM_UNITS
from medrec.evaluation.home_curves import HomeCurves
from medrec.evaluation.trials import Resampling, TriedScan
from medrec.inference.build import build_screener
from medrec.inference.device import pick_device
from medrec.io.build import build_rules
from medrec.io.discover import check_there
from medrec.io.ledger import FileLedger
from medrec.io.tables import write_rows
from medrec.package.build import load_preprocessor
from medrec.package.package import HOME, ModelPackage, copy_with_home, open_package
from medrec.package.store import find_model
from medrec.reporting.acceptance_pictures import MissedLesions
from medrec.reporting.acceptance_report import write_acceptance_report
from medrec.reporting.render import write_text
from medrec.workflows.acceptance_recipe import Planned, plan_lesions
from medrec.workflows.acceptance_scans import Site, open_site
from medrec.workflows.acceptance_trial import Bench, Tried, try_scan
from medrec.workflows.output import prepare_output, write_run, writing
from medrec.workflows.scoring import OnCount
from medrec.workflows.versions import versions

if TYPE_CHECKING:
    from medrec.io.selection import Rules

LESIONS = 6
"""A scan, where the user says nothing: one of each size."""
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


def acceptance(  # noqa: PLR0913 (the options of the command)
    scans: str | Path,
    *,
    model: str | Path,
    out: str | Path,
    require: bool = False,
    home: str | Path | None = None,
    recipe: str | Path | None = None,
    lesions: int = LESIONS,
    seed: int = 0,
    device: str = "auto",
    overwrite: bool = False,
    hide_paths: bool = False,
    on_scan: OnCount | None = None,
) -> AcceptanceRun:
    """Plant lesions into scans without one, screen each scan without and with them, and compare.

    `scans` are those of a site, presumed lesion-free, or a manifest (CSV), of which rows with the
    model's primary label stay out. With `home` these are scans of the training site: a copy of the
    model is written there that holds the figures for other sites to be held against.

    Raises:
        MedrecError: Scans, model, recipe or output folder that can't be used; no scan into which a
            lesion can be planted. A bad scan among others is a row in `files.csv`.
    """
    scans, out = Path(scans), Path(out)
    package = open_package(find_model(model))
    _check(package, scans, out, require=require, home=home, lesions=lesions)
    planned = plan_lesions(package, Path(recipe) if recipe else None, like_home=home is None)
    prepare_output(out, overwrite=overwrite, inputs=[scans, package.folder])
    if home is not None:
        prepare_output(Path(home))
    asked = _Asked(package, planned, out, lesions, seed, require=require, home=home)
    write_run(out, {"verb": "acceptance", "finished": False, **asked.facts})
    started, missed = datetime.now(UTC), MissedLesions()
    with ExitStack() as stack:
        primary = Label(package.manifest.primary_label)
        site = stack.enter_context(open_site(scans, primary=primary, hide_paths=hide_paths))
        folder = stack.enter_context(TemporaryDirectory(prefix="medrec-"))
        bench = _bench(asked, missed, Path(folder), device=device)
        tried = _try_all(site, bench, build_rules(package.manifest.rules), on_scan or _silent)
    _check_any(tried)
    with writing(out):
        provenance = _provenance(asked, started, device=bench.screener.device)
        return _write(asked, tried, missed, provenance)


def _bench(asked: _Asked, missed: MissedLesions, folder: Path, *, device: str) -> Bench:
    package = asked.package
    config = ScreenConfig(heatmap=False)
    return Bench(
        screener=build_screener(package, config, device=pick_device(device)),
        preprocessor=load_preprocessor(package),
        planned=asked.planned,
        primary=Label(package.manifest.primary_label),
        finds_boxes=package.manifest.task == "detection",
        lesions=asked.lesions,
        seed=asked.seed,
        folder=folder,
        missed=missed,
    )


def _silent(done: int, total: int) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True, slots=True)
class _Asked:
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
class _TriedAll:
    """The scans that were tested, rows of all files, copies that the model refused."""

    tested: list[TriedScan] = field(default_factory=list)
    records: list[FileRecord] = field(default_factory=list)
    unjudged: int = 0
    left_out: int = 0


def _check(
    package: ModelPackage,
    scans: Path,
    out: Path,
    *,
    require: bool,
    home: str | Path | None,
    lesions: int,
) -> None:
    """Refuse what can't work before anything is read."""
    if lesions < 1:
        message = f"--lesions {lesions} must be 1 or more"
        raise UsageError(message)
    if require and home is not None:
        message = "--require holds a site against home, and --home makes it: give one of them"
        raise UsageError(message)
    problems = []
    try:
        check_there(scans)
    except InputError as error:
        problems += [f"{scans}: {problem}" for problem in error.problems]
    if require and package.home is None:
        problems.append(
            f"--require: {package.manifest.name} holds no figures of its training site, so that "
            "nothing can be worse; make them first, by --home on scans of that site"
        )
    if out.resolve() == scans.resolve() or scans.resolve() in out.resolve().parents:
        problems.append(f"--out {out} lies in {scans}: name another folder")
    if problems:
        raise MedrecError("\n".join(problems))


def _try_all(
    site: Site, bench: Bench, rules: Rules | None, on_scan: Callable[[int, int], None]
) -> _TriedAll:
    all_of_it = _TriedAll(records=list(site.index.records), left_out=site.left_out)
    total = len(site.index.cases)
    on_scan(0, total)
    for done, case in enumerate(site.index.cases, start=1):
        for scan in site.scans_of(case, rules):
            _add(all_of_it, try_scan(scan, bench, number=len(all_of_it.tested)))
        on_scan(done, total)
    return all_of_it


def _add(all_of_it: _TriedAll, tried: Tried) -> None:
    all_of_it.records += tried.records
    all_of_it.unjudged += tried.unjudged
    if tried.tested is not None:
        all_of_it.tested.append(tried.tested)


def _check_any(tried: _TriedAll) -> None:
    """Say why, where not a single scan could be tested."""
    if tried.tested:
        return
    trouble = [one for one in tried.records if one.status is not FileStatus.SKIPPED]
    reasons = Counter(f"{one.code}: {one.detail}" for one in trouble if one.code)
    shown = [f"  - {reason} ({count})" for reason, count in reasons.most_common(5)]
    message = "no scan into which a lesion could be planted"
    raise MedrecError("\n".join([message, *(shown or ["  - no image was found there"])]))


def _write(
    asked: _Asked, tried: _TriedAll, missed: MissedLesions, provenance: dict[str, object]
) -> AcceptanceRun:
    package, out = asked.package, asked.out
    home, notes = _home_of(asked)
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


def _provenance(asked: _Asked, started: datetime, *, device: str) -> dict[str, object]:
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


def _home_of(asked: _Asked) -> tuple[HomeCurves | None, list[str]]:
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


def _said(tried: _TriedAll) -> Iterator[str]:
    if tried.unjudged:
        yield f"{tried.unjudged} copies with a lesion were refused by the model and count nowhere"
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
