"""`medrec screen`: a folder of scans in, a worklist of calibrated and explained cases out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from medrec.config.base import apply_overrides, validate
from medrec.config.screening import ScreenConfig
from medrec.config.selection import resolve_rules
from medrec.domain.finding import CasePrediction, CaseStatus, latest
from medrec.domain.ids import PatientKey, to_patient_key
from medrec.domain.modality import Modality
from medrec.domain.series import FileRecord, FileStatus, ScanIndex
from medrec.errors import InputError, MedrecError, OutputError, UsageError
from medrec.inference.build import build_screener
from medrec.inference.device import pick_device
from medrec.inference.engine import screen_cases
from medrec.io.discover import check_there
from medrec.io.hiding import hidden, hide_paths_of
from medrec.io.index import open_index
from medrec.io.ledger import FileLedger
from medrec.io.patient_key import load_key
from medrec.io.predictions import FILE_NAME, Journal, read_journal
from medrec.package.package import ModelPackage, open_package
from medrec.package.store import find_model
from medrec.reporting.summary import finding_columns, write_images, write_summary
from medrec.reporting.worklist import write_worklist
from medrec.workflows.case_page import write_case_page
from medrec.workflows.model_facts import model_facts, to_run
from medrec.workflows.output import prepare_output, read_run, write_run, writing
from medrec.workflows.stages import Stages
from medrec.workflows.versions import digest_of, versions

if TYPE_CHECKING:
    from medrec.inference.screener import CaseOutcome, Screener
    from medrec.package.contract import PackageManifest
    from medrec.reporting.model_facts import ModelFacts

Reports = Literal["all", "flagged", "none"]
OnCase = Callable[[CasePrediction | None, int, int], None]
"""Called with None before the first case and with each prediction after; done and total counts."""


@dataclass(frozen=True, slots=True)
class ScreenResult:
    """What a run came to: the predictions of the folder, and how every file ended."""

    out: Path
    predictions: tuple[CasePrediction, ...]
    files: tuple[FileRecord, ...]
    model: ModelFacts

    @property
    def terms(self) -> tuple[str, ...]:
        """What must be said wherever results are shown."""
        return (
            "Research use. Not a medical device.",
            f"Weights of {self.model.name} {self.model.version}: {self.model.license}.",
        )

    def summary_lines(self) -> list[str]:
        """Counts of cases and files, and where the worklist is."""
        answers = Counter(str(p.decision or p.status) for p in self.predictions)
        files = Counter(str(record.status) for record in self.files)
        return [
            f"cases: {_counts(answers)}",
            f"files: {_counts(files)}",
            f"worklist: {self.out / 'index.html'}",
        ]

    @property
    def exit_code(self) -> int:
        """0, or 3 if a file was refused or failed."""
        trouble = (FileStatus.REFUSED, FileStatus.FAILED)
        return 3 if any(record.status in trouble for record in self.files) else 0


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common()) or "none"


def screen(  # noqa: PLR0913 (the options of the command)
    scans: str | Path,
    *,
    model: str | Path,
    out: str | Path,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    modality: str | None = None,
    prevalence: float | None = None,
    reports: Reports = "all",
    hide_paths: bool = False,
    overrides: Sequence[str] = (),
    on_case: OnCase | None = None,
) -> ScreenResult:
    """Screen a folder or a file with a shipped model (its name) or a model folder.

    Raises:
        MedrecError: Scans, model, device or output folder that can't be used, or a disk that fills
            up. A bad scan is no error: it is a row in `files.csv`.
    """
    scans, out, stages = Path(scans), Path(out), Stages()
    config = _read_overrides(overrides)
    package = open_package(find_model(model))
    options = _Options(config, _to_modality(modality), prevalence, hide_paths=hide_paths)
    _check(package, options, scans, out)
    with stages("load_model"):
        screener = _build(package, options, device=device)
    asked = _asked(package, options, scans)
    prepare_output(out, resume=resume, overwrite=overwrite, inputs=[scans, package.folder])
    _check_same_run(out, asked)
    pages = _Pages(out, model_facts(package, operating_point=config.operating_point), reports)
    kept = to_run(pages.model)
    write_run(out, {"verb": "screen", "finished": False, **asked, **kept})
    with ExitStack() as while_indexed:
        with stages("index"):
            index = while_indexed.enter_context(_open_index(scans, hidden=hide_paths))
        with stages("screen"), writing(out):
            _screen(out, index, screener, pages, on_case or _silent)
        with stages("tables"), writing(out):
            result = _finish(out, index, package, pages.model)
            write_worklist(out / "index.html", result.predictions, pages.model)
    came_of = {**_came_of(result, screener), "seconds": stages.seconds}
    write_run(out, {"verb": "screen", "finished": True, **asked, **came_of, **kept})
    return result


def _read_overrides(overrides: Sequence[str]) -> ScreenConfig:
    """The config that `--set` gives; rules are read, so that they, not their path, are recorded."""
    data = apply_overrides({}, overrides, where="--set")
    config = validate(data, ScreenConfig, where="--set")
    return config.model_copy(update={"rules": resolve_rules(config.rules, folder=Path())})


def _silent(prediction: CasePrediction | None, done: int, total: int) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True, slots=True)
class _Options:
    """What the user chose, resolved."""

    config: ScreenConfig
    modality: Modality | None
    prevalence: float | None
    hide_paths: bool


@dataclass(frozen=True, slots=True)
class _Pages:
    """Where and for which cases pages are written."""

    out: Path
    model: ModelFacts
    reports: Reports

    def write(self, outcome: CaseOutcome) -> None:
        write_case_page(self.out, outcome, self.model, reports=self.reports)


def _build(package: ModelPackage, options: _Options, *, device: str) -> Screener:
    return build_screener(
        package,
        options.config,
        device=pick_device(device),
        modality=options.modality,
        prevalence=options.prevalence,
        config_digest=digest_of(options.config),
    )


def _screen(
    out: Path, index: ScanIndex, screener: Screener, pages: _Pages, on_case: OnCase
) -> None:
    finished = {prediction.case_id for prediction in _finished(out)}
    done, total = len(finished), len(index.cases)
    on_case(None, done, total)

    def write_page(outcome: CaseOutcome) -> None:
        nonlocal done
        done += 1
        pages.write(outcome)
        on_case(outcome.prediction, done, total)

    with Journal(out / FILE_NAME) as journal:
        screen_cases(
            index.cases,
            screener,
            journal=journal,
            ledger=FileLedger(out),
            finished=finished,
            write_page=write_page,
        )


def _finished(out: Path) -> list[CasePrediction]:
    """What an earlier run of this folder settled; a case that failed is tried again."""
    if not (out / FILE_NAME).is_file():
        return []
    return [p for p in latest(read_journal(out)) if p.status is not CaseStatus.FAILED]


def _finish(out: Path, index: ScanIndex, package: ModelPackage, model: ModelFacts) -> ScreenResult:
    """Write the tables from the journal, for the cases that the folder holds now."""
    ids = {case.id for case in index.cases}
    written = read_journal(out) if (out / FILE_NAME).is_file() else []
    predictions = tuple(p for p in latest(written) if p.case_id in ids)
    ledger, known = FileLedger(out), tuple(index.records)
    found_again = {record.path for record in known}  # a copy has a row of its case, and is indexed
    files = (*(row for row in ledger.read(ids) if row.path not in found_again), *known)
    ledger.finish(files)
    manifest = package.manifest
    columns = finding_columns(
        manifest.labels, manifest.primary_label, calibrated="exam" in manifest.probability_levels
    )
    write_summary(out / "summary.csv", predictions, columns)
    write_images(out / "images.csv", predictions, _image_columns(manifest))
    return ScreenResult(out, predictions, files, model)


def _image_columns(manifest: PackageManifest) -> list[str]:
    return finding_columns(
        manifest.labels, manifest.primary_label, calibrated="image" in manifest.probability_levels
    )


@contextmanager
def _open_index(scans: Path, *, hidden: bool) -> Iterator[ScanIndex]:
    key = load_key()

    def patient_key(patient: str) -> PatientKey:
        return to_patient_key(patient, key=key)

    with open_index(scans, patient_key=patient_key) as index:
        yield hide_paths_of(index) if hidden else index


def _asked(package: ModelPackage, options: _Options, scans: Path) -> dict[str, Any]:
    """What makes a run another one; the scans' path may hold a name, so its hash stands."""
    return {
        "scans": hidden(os.fsdecode(scans.resolve())),
        "config": options.config.model_dump(mode="json"),
        "modality": options.modality and str(options.modality),
        "prevalence": options.prevalence,
        "hide_paths": options.hide_paths,
        "model": {"name": package.manifest.name, "digest": package.digest},
    }


def _came_of(result: ScreenResult, screener: Screener) -> dict[str, Any]:
    counts = {
        "cases": dict(Counter(str(prediction.status) for prediction in result.predictions)),
        "files": dict(Counter(str(record.status) for record in result.files)),
    }
    return {"device": screener.device, "versions": versions(), "counts": counts}


def _check_same_run(out: Path, asked: dict[str, Any]) -> None:
    """A resumed run must be the same question, or its answers would be a mixture."""
    earlier = read_run(out)
    changed = [key for key in asked if earlier and earlier.get(key) != asked[key]]
    if changed:
        message = (
            f"--resume: {out} was begun with another {' and '.join(changed)}; "
            "ask the same, or name another --out"
        )
        raise OutputError(message)


def _to_modality(text: str | None) -> Modality | None:
    if text is None or text in Modality.__members__:
        return Modality(text) if text else None
    message = f"--modality {text} is none of {', '.join(Modality)}"
    raise UsageError(message)


def _check(package: ModelPackage, options: _Options, scans: Path, out: Path) -> None:
    """Refuse what can't work before anything is read."""
    manifest, prevalence, point = (
        package.manifest,
        options.prevalence,
        options.config.operating_point,
    )
    problems = []
    if prevalence is not None and not 0.0 < prevalence < 1.0:
        message = f"--prevalence {prevalence} must lie between 0 and 1"
        raise UsageError(message)
    try:
        check_there(scans)
    except InputError as error:
        problems += [f"{scans}: {problem}" for problem in error.problems]
    if prevalence is not None and "exam" not in manifest.prevalence:
        problems.append(f"--prevalence needs a calibrated model, and {manifest.name} is none")
    known = [p.name for p in package.operating_points if p.level == "exam"]
    if known and point not in known:
        problems.append(f"operating_point {point} is none of {', '.join(known)}")
    if out.resolve() == scans.resolve() or scans.resolve() in out.resolve().parents:
        problems.append(f"--out {out} lies in {scans}: its pages would be taken for scans")
    if problems:
        raise MedrecError("\n".join(problems))
