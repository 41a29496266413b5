"""`medrec acceptance`: lesions planted into a site's own scans; what would the model miss here?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from medrec.config.screening import ScreenConfig
from medrec.domain.finding import Label
from medrec.domain.series import FileStatus
from medrec.errors import InputError, MedrecError, UsageError
from medrec.inference.build import build_screener
from medrec.inference.device import pick_device
from medrec.io.build import build_rules
from medrec.io.discover import check_there
from medrec.package.build import load_preprocessor
from medrec.package.package import ModelPackage, open_package
from medrec.package.store import find_model
from medrec.reporting.acceptance_pictures import MissedLesions
from medrec.workflows.acceptance_outcome import (
    AcceptanceRun,
    Asked,
    TriedAll,
    home_of,
    write_outcome,
)
from medrec.workflows.acceptance_recipe import plan_lesions
from medrec.workflows.acceptance_scans import Site, open_site
from medrec.workflows.acceptance_trial import Bench, Tried, try_scan
from medrec.workflows.output import prepare_output, write_run, writing
from medrec.workflows.scoring import OnCount

if TYPE_CHECKING:
    from medrec.io.selection import Rules

LESIONS = 6
"""A scan, where the user says nothing: one of each size."""


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
    asked = Asked(package, planned, out, lesions, seed, require=require, home=home)
    if require and (unlike := home_of(asked)[1]):
        message = f"--require: {unlike[0]}; leave out --recipe"
        raise MedrecError(message)
    if home is not None:
        prepare_output(Path(home))
    prepare_output(out, overwrite=overwrite, inputs=[scans, package.folder])
    write_run(out, {"verb": "acceptance", "finished": False, **asked.facts})
    started, missed = datetime.now(UTC), MissedLesions()
    with ExitStack() as stack:
        primary = Label(package.manifest.primary_label)
        site = stack.enter_context(open_site(scans, primary=primary, hide_paths=hide_paths))
        folder = stack.enter_context(TemporaryDirectory(prefix="medrec-"))
        bench = build_bench(asked, missed, Path(folder), device=device)
        tried = _try_all(site, bench, build_rules(package.manifest.rules), on_scan or _silent)
    _check_any(tried)
    with writing(out):
        return write_outcome(asked, tried, missed, started, device=bench.screener.device)


def build_bench(asked: Asked, missed: MissedLesions, folder: Path, *, device: str) -> Bench:
    """Load the model, once for all scans."""
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
    if home is not None and _overlap(Path(home), out, scans, package.folder):
        problems.append(
            f"--home {home} is, holds or lies in --out, the scans or the model: name a folder apart"
        )
    if problems:
        raise MedrecError("\n".join(problems))


def _overlap(folder: Path, *others: Path) -> bool:
    """Whether a folder is one of the others, lies in one, or holds one."""
    own = folder.resolve()
    return any(
        own == other or own in other.parents or other in own.parents
        for other in (path.resolve() for path in others)
    )


def _try_all(
    site: Site, bench: Bench, rules: Rules | None, on_scan: Callable[[int, int], None]
) -> TriedAll:
    all_of_it = TriedAll(records=list(site.index.records), left_out=site.left_out)
    total = len(site.index.cases)
    on_scan(0, total)
    for done, case in enumerate(site.index.cases, start=1):
        for scan in site.scans_of(case, rules):
            _add(all_of_it, try_scan(scan, bench, number=len(all_of_it.tested)))
        on_scan(done, total)
    return all_of_it


def _add(all_of_it: TriedAll, tried: Tried) -> None:
    all_of_it.records += tried.records
    all_of_it.unjudged += tried.unjudged
    all_of_it.unplaced += tried.unplaced
    if tried.tested is not None:
        all_of_it.tested.append(tried.tested)


def _check_any(tried: TriedAll) -> None:
    """Say why, where not a single scan could be tested."""
    if tried.tested:
        return
    trouble = [one for one in tried.records if one.status is not FileStatus.SKIPPED]
    reasons = Counter(f"{one.code}: {one.detail}" for one in trouble if one.code)
    shown = [f"  - {reason} ({count})" for reason, count in reasons.most_common(5)]
    if tried.unjudged:
        shown.append(f"  - the model refused the copies with a lesion ({tried.unjudged})")
    message = "no scan into which a lesion could be planted"
    raise MedrecError("\n".join([message, *(shown or ["  - no image was found there"])]))
