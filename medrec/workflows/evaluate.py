"""`medrec evaluate`: predictions against truth; loads no torch and opens no scan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path

from medrec.config.base import apply_overrides, validate
from medrec.config.evaluation import EvaluateConfig, HitConfig
from medrec.data.boxes import boxes_of_rows, with_negatives
from medrec.data.exclusive import settle_exclusive
from medrec.data.manifest import read_manifest
from medrec.domain.finding import Label, latest
from medrec.domain.reference import Reference, Split
from medrec.errors import ConfigError, ManifestError
from medrec.evaluation.box_names import name_boxes
from medrec.evaluation.detection_images import BoxTruth
from medrec.evaluation.detection_result import DetectionResult
from medrec.evaluation.estimate import Estimate
from medrec.evaluation.evaluate import evaluate_predictions
from medrec.evaluation.matching import HitKind, HitRule
from medrec.evaluation.result import EvaluationResult
from medrec.evaluation.settings import EvaluationSettings
from medrec.io.predictions import read_journal
from medrec.package.card import show
from medrec.reporting.evaluation_report import write_evaluation_report
from medrec.workflows.evaluated_pictures import ScanPictures
from medrec.workflows.output import prepare_output, write_run
from medrec.workflows.versions import digest_of, versions


def evaluate(  # noqa: PLR0913 (the options of the command)
    predictions: str | Path,
    *,
    against: str | Path,
    out: str | Path,
    split: str | None = None,
    pictures: bool = False,
    overwrite: bool = False,
    overrides: Sequence[str] = (),
) -> EvaluationResult:
    """Hold a screened folder against a manifest; write `evaluation.json`, report, curves, cases.

    With `pictures` the scans that the manifest names are opened, and lesions and boxes drawn over
    their pixels; else over the key slices in the screened folder.

    Raises:
        MedrecError: Predictions, manifest or output folder that can't be used.
    """
    out, against = Path(out), Path(against)
    config = validate(apply_overrides({}, overrides, where="--set"), EvaluateConfig, where="--set")
    found = latest(read_journal(Path(predictions)))
    settings = to_settings(config)
    references = settle_exclusive(read_manifest(against), settings.exclusive, where=str(against))
    boxes = truth_of_boxes(references, root=against.parent)
    named = name_boxes(boxes, found, references, classes=config.classes)
    if split is not None:
        wanted = _to_split(split, against)
        references = [row for row in references if row.split is wanted]
    prepare_output(out, overwrite=overwrite, inputs=[Path(predictions), against])
    result = evaluate_predictions(found, references, settings=settings, boxes=named.boxes)
    result = replace(result, notes=(*result.notes, *named.notes))
    screened = Path(predictions) if Path(predictions).is_dir() else Path(predictions).parent
    drawer = ScanPictures(against.parent) if pictures else None
    write_evaluation_report(out, result, screened=screened, picture_of=drawer)
    if drawer is not None and drawer.missing:
        note = f"{drawer.missing} scans of the manifest could not be opened: no picture of these"
        result = replace(result, notes=(*result.notes, note))
    write_run(
        out,
        {
            "verb": "evaluate",
            "finished": True,
            "split": split,
            "pictures": pictures,
            "config": config.model_dump(mode="json"),
            "config_digest": digest_of(config),
            "versions": versions(),
        },
    )
    return result


def truth_of_boxes(references: Sequence[Reference], *, root: Path) -> BoxTruth:
    """The boxes of rows where they are known, as detectors learn; no image is opened to check them.

    Of a row that names no boxes file that is where all its labels are negative: nothing is there,
    and what a model finds there is a false alarm. None at all where no row names a file.

    Raises:
        ManifestError: Boxes that are wrong, all at once.
    """
    if not any(row.boxes for row in references):
        return {}
    found = with_negatives(references, boxes_of_rows(references, root=root))
    pairs = zip(references, found, strict=True)
    return {(row.path, row.slice): boxes for row, boxes in pairs if boxes is not None}


def to_settings(config: EvaluateConfig) -> EvaluationSettings:
    """Flatten a config for the layer that knows none."""
    return EvaluationSettings(
        bootstrap_rounds=config.bootstrap_rounds,
        calibrated_draws=config.calibrated_draws,
        ece_bins=config.ece_bins,
        level_tolerance=config.level_tolerance,
        stratify_by=tuple(config.stratify_by),
        seed=config.seed,
        exclusive=tuple(tuple(map(Label, group)) for group in config.exclusive or ()),
        hit=to_rule(config.hit),
    )


def to_rule(config: HitConfig | None) -> HitRule | None:
    """None leaves the choice to whether boxes are flat or solid.

    Raises:
        ConfigError: A value where the rule has none.
    """
    if config is None or (HitKind(config.rule) is HitKind.IOU and config.value is None):
        return None
    try:
        return HitRule(HitKind(config.rule), config.value)
    except ValueError as error:
        where = "hit"
        raise ConfigError(where, [str(error)]) from error


def to_rows(result: EvaluationResult) -> list[list[str]]:
    """The headline table: label, level, figure, estimate."""
    rows = [
        [label, where, field.name, show(estimate)]
        for label, found in result.labels.items()
        for where, level in (("exam", found.exam), ("slices", found.images))
        if level is not None
        for field in fields(level.figures)
        if (estimate := getattr(level.figures, field.name)) is not None
    ]
    return rows + [
        [label, "boxes", name, show(estimate)]
        for label, found in result.labels.items()
        if found.detection is not None
        for name, estimate in _of_boxes(found.detection)
    ]


def _of_boxes(found: DetectionResult) -> Iterator[tuple[str, Estimate]]:
    if found.froc is not None and found.froc.cpm is not None:
        yield "cpm", found.froc.cpm
    for iou, estimate in found.average_precision.items():
        yield f"average_precision {iou:.2f}", estimate


def _to_split(split: str, against: Path) -> Split:
    if split not in list(Split):
        problem = f"--split {split} is none of {', '.join(Split)}"
        raise ManifestError(str(against), [problem])
    return Split(split)
