"""`medrec train`: from labelled scans to a sealed model that was tested once, in one run folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medrec.config.model import classes_of, is_detector, is_of_exams
from medrec.data.build import build_cache, build_references, build_splits
from medrec.data.dataset import SliceDataset, prepare_slices
from medrec.data.detection import lay_boxes, lay_solid_boxes
from medrec.data.exclusive import settle_exclusive
from medrec.data.manifest import write_manifest
from medrec.data.splits import SplitPlan
from medrec.data.volumes import VolumeDataset, prepare_volumes
from medrec.domain.counting import counted
from medrec.domain.finding import Label
from medrec.domain.reference import Reference, Split
from medrec.errors import ManifestError, OutputError
from medrec.inference.device import pick_device
from medrec.io.build import build_rules
from medrec.package.card import NO_EXAM_LEVEL, CardFigures, render_card
from medrec.package.package import ModelPackage, seal_package
from medrec.preprocess.build import (
    build_any_preprocessor,
    build_preprocessor,
    check_augment,
)
from medrec.training.build import check_logger
from medrec.training.ranks import find_ranks, meet, refuse_ranks
from medrec.workflows.anchoring import with_anchors
from medrec.workflows.auditing import audit_run, check_data, refuse_blocking
from medrec.workflows.calibrating import calibrate_scored
from medrec.workflows.command import to_command
from medrec.workflows.fitting import Fitter, Say, check_ensemble
from medrec.workflows.output import prepare_output, read_run, write_run
from medrec.workflows.packaging import (
    digest_of_pictures,
    read_license,
    rules_of,
    to_manifest,
    write_unsealed,
)
from medrec.workflows.planting import PlantingRun, read_asked, with_planted
from medrec.workflows.relocating import relocate
from medrec.workflows.run_summary import Trained, write_run_summary
from medrec.workflows.scored import to_groups
from medrec.workflows.stages import Stages
from medrec.workflows.testing import ModelTest, score_test
from medrec.workflows.versions import digest_of_fit, versions

if TYPE_CHECKING:
    from medrec.config.training import TrainConfig
    from medrec.data.cache import PictureCache

_CACHE = "cache"


Prepared = SliceDataset | VolumeDataset


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The sealed model, and what its test found."""

    package: ModelPackage
    test: ModelTest

    def summary_lines(self) -> list[str]:
        """The test's figures, what exams get where they have no calibrator, where the model is."""
        has_exams = "exam" in self.package.manifest.probability_levels
        notes = [] if has_exams else [NO_EXAM_LEVEL]
        model = f"model: {self.package.folder} ({self.package.digest})"
        return [*self.test.lines(), *notes, model]


def train(
    config: str | Path,
    *,
    out: str | Path,
    device: str = "auto",
    resume: bool = False,
    overrides: Sequence[str] = (),
    say: Say | None = None,
) -> TrainResult:
    """Fit, calibrate and test a model by a config; write everything into a run folder.

    Raises:
        MedrecError: A config, data, splits, weights or output folder that can't be used; patients
            or pictures shared between splits; too few patients.
    """
    path, out, say, stages = Path(config), Path(out), say or _silent, Stages()
    asked = read_asked(path, overrides)
    license_text = read_license(asked, path.parent)
    references, root, plan = _read_data(asked, path, out)
    prepare_output(out, resume=resume)
    _begin(out, asked)
    run = _Run(asked, root, out, pick_device(device), _cache_folder(asked, path.parent, out), say)
    with stages("prepare"):
        slices, settled = run.prepare(references, plan)
    with stages("audit"):
        audited = run.audit(slices, references, plan)
    say(f"{_count(slices)}, {counted(len(plan.assignment), 'patient', 'patients')}")
    meet(run.device)  # processes that take part wait for what was prepared
    with stages("fit"):
        scored = Fitter(asked, slices, plan, out, run.device, resume=resume, say=say).fit()
    with stages("calibrate"):
        fitted, pooling = calibrate_scored(scored, asked, references, out=out, say=say)
    manifest = with_planted(
        to_manifest(
            settled,
            fitted,
            pooling=pooling,
            plan=plan,
            data_digest=digest_of_pictures(slices.digests()),
            device=run.device,
        ),
        asked,
        slices,
    )
    model, command = out / "model", to_command(path, asked, overrides)
    write_unsealed(model, manifest, fitted, license_text)
    with stages("test"):
        # Sealed without figures first: the test is scored by the package as anyone would open it.
        test = score_test(
            seal_package(model, ""),
            asked,
            _tested(references, plan),
            root=root,
            out=out / "test",
            device=run.device,
        ).noting(fitted.notes)
    figures = CardFigures(test.figures, command, test.notes, audited)
    card = render_card(manifest, fitted.calibrations, fitted.operating_points, figures)
    package = seal_package(model, card)
    shutil.rmtree(out / _CACHE, ignore_errors=True)  # of use to this run alone
    trained = Trained(slices, plan, package, test, run.device, stages.seconds)
    write_run_summary(out, asked, trained)
    _finish(out, asked, {"device": run.device, "seconds": stages.seconds, "digest": package.digest})
    return TrainResult(package, test)


def _read_data(
    config: TrainConfig, path: Path, out: Path
) -> tuple[list[Reference], Path, SplitPlan]:
    """The rows, the folder that their paths start from, and who trains and who is tested.

    Raises:
        MedrecError: Data, splits or options that can't be trained on, before anything is prepared.
    """
    check_augment(config.augment)
    refuse_ranks(find_ranks(), devices=config.fit.devices, nodes=config.fit.nodes)
    check_logger(config.fit)
    references, root = build_references(config.data, labels=config.labels, folder=path.parent)
    references = settle_exclusive(
        references, to_groups(config.exclusive), where=f"{path.name}, data"
    )
    cache = _cache_folder(config, path.parent, out)
    plan = check_data(
        references,
        root=root,
        # A detector learns from boxes, where every scan may hold a lesion.
        labels=() if is_detector(config.model) else config.labels,
        where=str(path),
        plan=lambda: build_splits(config.splits, references, folder=path.parent),
        cache=_cache_of(config, cache, _silent),
    )
    if problems := PlantingRun(config, root, cache, _silent).check(references, plan):
        raise ManifestError(str(path), problems)
    check_ensemble(config, plan)
    return references, root, plan


def lead_or_take_part(
    config: str | Path,
    *,
    out: str | Path,
    device: str = "auto",
    resume: bool = False,
    overrides: Sequence[str] = (),
    say: Say | None = None,
) -> TrainResult | None:
    """Train; of several processes that torchrun started, the first one alone has a result.

    The others wait until it has prepared and audited the data, fit with it, and leave.

    Raises:
        MedrecError: As `train`.
    """
    ranks = find_ranks()
    if ranks.is_main:
        return train(config, out=out, device=device, resume=resume, overrides=overrides, say=say)
    path, out = Path(config), Path(out)
    asked = read_asked(path, overrides)
    where = pick_device(device)
    meet(where)
    references, root, plan = _read_data(asked, path, out)
    run = _Run(asked, root, out, where, _cache_folder(asked, path.parent, out), _silent)
    slices = run.read(references, plan)
    Fitter(asked, slices, plan, out, where, resume, _silent, ranks).fit()
    return None


@dataclass(frozen=True, slots=True)
class _Run:
    """What the stages of one run share."""

    config: TrainConfig
    root: Path
    out: Path
    device: str
    cache: Path
    say: Say

    def prepare(
        self, references: Sequence[Reference], plan: SplitPlan
    ) -> tuple[Prepared, TrainConfig]:
        """Prepare all scans once, write the manifest with its splits.

        The config comes back with the anchors that the boxes ask for, where it is a detector's.
        """
        slices = self.read(references, plan)
        placed = [
            replace(row, split=plan.place_of(row).split)
            for row in relocate(references, root=self.root, folder=self.out)
        ]
        write_manifest(self.out / "manifest.csv", placed)
        learning = plan.rows_of(slices.references, Split.TRAIN)
        return slices, with_anchors(self.config, slices, learning)

    def read(self, references: Sequence[Reference], plan: SplitPlan) -> Prepared:
        """Prepare what isn't in the cache yet."""
        if is_of_exams(self.config.model):
            return self._volumes(references)
        planting = PlantingRun(self.config, self.root, self.cache, self.say)
        return planting.into(self._slices(references), references, plan)

    @property
    def _classes(self) -> dict[str, Label]:
        """The classes of a detector's boxes, and the label of each."""
        named = classes_of(self.config.model, self.config.labels)
        return {name: Label(label) for name, label in named.items()}

    def _slices(self, references: Sequence[Reference]) -> SliceDataset:
        config = self.config
        slices = prepare_slices(
            references,
            root=self.root,
            prepare=build_preprocessor(config.preprocess),
            rules=build_rules(rules_of(config)),
            cache=_cache_of(config, self.cache, self.say),
            labels=[Label(label) for label in config.labels],
        )
        if is_detector(config.model):
            return lay_boxes(slices, root=self.root, classes=self._classes)
        return slices

    def _volumes(self, references: Sequence[Reference]) -> VolumeDataset:
        config = self.config
        volumes = prepare_volumes(
            references,
            root=self.root,
            prepare=build_any_preprocessor(config.preprocess, config.model),
            rules=build_rules(rules_of(config)),
            cache=_cache_of(config, self.cache, self.say),
            labels=[Label(label) for label in config.labels],
        )
        if is_detector(config.model):
            return lay_solid_boxes(volumes, root=self.root, classes=self._classes)
        return volumes

    def audit(
        self, slices: Prepared, references: Sequence[Reference], plan: SplitPlan
    ) -> tuple[str, ...]:
        """Say what the audit found, stop on what leaks the test; returns lines for the card."""
        asked = self.config.audit
        report = audit_run(slices, references, plan, config=asked, root=self.root, out=self.out)
        for line in report.lines():
            self.say(line)
        refuse_blocking(report, self.out)
        return tuple(report.card_lines())


def _count(prepared: Prepared) -> str:
    if isinstance(prepared, VolumeDataset):
        return counted(len(prepared), "volume", "volumes")
    left_out = f" ({prepared.blank} blank left out)" if prepared.blank else ""
    return counted(len(prepared), "picture", "pictures") + left_out


def _cache_folder(config: TrainConfig, beside: Path, out: Path) -> Path:
    """A folder that the config names, relative to it; else one of the run's own."""
    named = config.cache and config.cache.folder
    return beside / named if named else out / _CACHE


def _cache_of(config: TrainConfig, folder: Path, say: Say) -> PictureCache:
    """Where prepared slices or volumes are kept."""
    return build_cache(
        config.cache,
        build_any_preprocessor(config.preprocess, config.model),
        folder=folder,
        rules=rules_of(config),
        say=say,
        workers=config.fit.workers,
    )


def _silent(_: str) -> None:
    """Report progress to nobody."""


def _tested(references: Sequence[Reference], plan: SplitPlan) -> list[Reference]:
    return [references[n] for n in plan.rows_of(references, Split.TEST)]


def _begin(out: Path, config: TrainConfig) -> None:
    """Note what was asked; a resumed run must fit the same, though its card may change."""
    digest = digest_of_fit(config)
    earlier_run = read_run(out)
    if any(out.iterdir()) and earlier_run.get("verb") != "train":
        message = f"--resume: {out} was not made by `medrec train`: name another --out"
        raise OutputError(message)
    earlier = earlier_run.get("config_digest", digest)
    if earlier != digest:
        message = f"--resume: {out} was begun with another config; use that, or another --out"
        raise OutputError(message)
    _write(out, config, {"finished": False})


def _finish(out: Path, config: TrainConfig, facts: dict[str, Any]) -> None:
    _write(out, config, {"finished": True, **facts})


def _write(out: Path, config: TrainConfig, facts: dict[str, Any]) -> None:
    asked = {"config_digest": digest_of_fit(config), "config": config.model_dump(mode="json")}
    write_run(out, {"verb": "train", **facts, "versions": versions(), **asked})
