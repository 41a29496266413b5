"""The last words of a training run: its learning curves as a picture, and one page of it all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from medrec.config.training import TrainConfig
from medrec.data.dataset import SliceDataset
from medrec.data.splits import SplitPlan
from medrec.data.volumes import VolumeDataset
from medrec.domain.reference import Split
from medrec.evaluation.estimate import Estimate
from medrec.package.package import ModelPackage
from medrec.reporting.definitions import FIGURES
from medrec.reporting.learning_curves import LearningCurve, draw_learning_curves
from medrec.reporting.render import write_bytes, write_text
from medrec.reporting.run_summary import (
    AuditView,
    ProbeRow,
    RunSummary,
    SplitCount,
    TestFigure,
    render_run_summary,
)
from medrec.workflows.auditing import REPORT
from medrec.workflows.fitting import rows_are
from medrec.workflows.output import writing
from medrec.workflows.testing import ModelTest
from medrec.workflows.versions import versions

if TYPE_CHECKING:
    from collections.abc import Sequence

CURVES, SUMMARY = "learning-curves.png", "summary.html"
_HISTORY = "history.json"
_AUROCS = {FIGURES[key].title for key in ("auroc", "auroc_patient_bootstrap")}
_USES = {
    Split.TRAIN: "weights",
    Split.TUNE: "the best epoch",
    Split.CALIBRATE: "calibrators and thresholds",
    Split.TEST: "the test, once",
}
_CROSS_FIT_USE = "weights; and, out of fold, calibrators and thresholds"


@dataclass(frozen=True, eq=False)
class Trained:
    """What a run did: on whom, with what result, on which device, in how many seconds a stage."""

    slices: SliceDataset | VolumeDataset
    plan: SplitPlan
    package: ModelPackage
    test: ModelTest
    device: str
    seconds: Mapping[str, float]


def write_run_summary(out: Path, config: TrainConfig, trained: Trained) -> None:
    """Write `learning-curves.png` and `summary.html` of a run that is done.

    Raises:
        OutputError: The folder can't be written.
    """
    curves = read_curves(out)
    picture = draw_learning_curves(curves)
    figures = tuple(TestFigure(one.where, one.name, one.estimate) for one in trained.test.figures)
    run = RunSummary(
        name=config.name,
        version=config.version,
        summary=config.card.summary,
        labels=tuple(config.labels),
        rows_are=rows_are(config),
        splits=_count_splits(trained.slices, trained.plan, config),
        curves=picture,
        figures=figures,
        scored_before=tuple(config.card.scored_before or ()),
        notes=trained.test.notes,
        calibrations=tuple(trained.package.calibrations),
        points=tuple(trained.package.operating_points),
        audit=view_audit(json.loads((out / REPORT).read_text(encoding="utf-8")), figures),
        seconds=tuple(trained.seconds.items()),
        facts=(
            ("Package", trained.package.digest),
            ("Splits", f"{trained.plan.mode}, {trained.plan.digest}"),
            ("Networks", str(len(curves))),
            ("Device", trained.device),
            ("Seed", str(config.seed)),
        ),
        versions=tuple(versions().items()),
        config=_say_config(config),
    )
    page = render_run_summary(run)
    with writing(out):
        write_bytes(out / CURVES, picture)
        write_text(out / SUMMARY, page)


def read_curves(out: Path) -> list[LearningCurve]:
    """Read the histories of all networks of a run: folds and members by number, the final last."""
    found = sorted(out.rglob(_HISTORY), key=lambda path: _in_order(path.parent.relative_to(out)))
    return [_read_curve(path, path.parent.relative_to(out).as_posix()) for path in found]


def _in_order(folder: Path) -> tuple[bool, list[tuple[bool, int, str]]]:
    parts = re.split(r"(\d+)", folder.as_posix())
    numbered = [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
    return not folder.as_posix().startswith("folds"), numbered


def _read_curve(path: Path, network: str) -> LearningCurve:
    history: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))

    def column(name: str) -> tuple[Any, ...]:
        return tuple(record[name] for record in history)

    return LearningCurve(
        network=network,
        epochs=tuple(epoch + 1 for epoch in column("epoch")),
        loss=column("loss"),
        watched_loss=column("watched_loss"),
        watched_auroc=column("watched_auroc"),
    )


def _use(split: Split, plan: SplitPlan, config: TrainConfig) -> str:
    """What the patients of a split were for."""
    if split is Split.TRAIN and plan.mode == "cross_fit":
        return _CROSS_FIT_USE
    if split is Split.TUNE and not config.fit.chooses_epoch:
        return _USES[Split.TRAIN] if config.fit.tune == "learn" else "watched, nothing chosen"
    return _USES[split]


def _count_splits(
    slices: SliceDataset | VolumeDataset, plan: SplitPlan, config: TrainConfig
) -> tuple[SplitCount, ...]:
    """Patients and prepared rows of each split that has any."""
    counts = []
    for split in Split:
        rows = [row for row in slices.references if plan.place_of(row).split is split]
        positive = [[row for row in rows if row.labels.get(label)] for label in slices.labels]
        count = SplitCount(
            split=str(split),
            use=_use(split, plan, config),
            patients=len({row.patient for row in rows}),
            rows=len(rows),
            positives=tuple((len({row.patient for row in some}), len(some)) for some in positive),
        )
        counts += [count] if rows else []
    return tuple(counts)


def view_audit(report: dict[str, Any], figures: Sequence[TestFigure]) -> AuditView:
    """What the page shows of audit.json, the model's AUROCs beside those of the probe."""
    near = report["near_duplicates"]
    return AuditView(
        pictures=report["pictures"],
        patients=report["patients"],
        identical=report["identical_groups"],
        near=(len(near["confirmed"]), len(near["unconfirmed"])),
        overruled=tuple((problem["kind"], problem["text"]) for problem in report["overruled"]),
        warnings=tuple(report["warnings"]),
        probes=tuple(
            ProbeRow(
                label=label,
                metadata=Estimate(**probe["auroc"]) if probe["auroc"] else None,
                note=probe["note"],
                telling=tuple(probe["telling"].items()),
                model=_aurocs(label, figures),
            )
            for label, probe in report["probes"].items()
        ),
    )


def _aurocs(label: str, figures: Sequence[TestFigure]) -> tuple[tuple[str, Estimate], ...]:
    """The AUROC of a label at each level: the first of those that differ in the interval alone."""
    found: dict[str, Estimate] = {}
    for figure in figures:
        if figure.name in _AUROCS and figure.where.startswith(f"{label}, "):
            found.setdefault(figure.where, figure.estimate)
    return tuple(found.items())


def _say_config(config: TrainConfig) -> str:
    """The config as YAML, without where data, splits and cache lie: a page may be passed on."""
    paths = {"data": {"root", "manifest"}, "splits": {"file"}, "cache": {"folder"}}
    asked = config.model_dump(mode="json", exclude=paths, exclude_none=True)
    return yaml.safe_dump(asked, sort_keys=False, width=100)
