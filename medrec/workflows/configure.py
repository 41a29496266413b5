"""`medrec configure`: from a manifest to a training config, each choice with its reason."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medrec.config.base import read_config, validate
from medrec.config.training import SplitConfig, TrainConfig
from medrec.data.build import build_splits
from medrec.data.fingerprint import Fingerprint, scans_of, truth_of
from medrec.data.manifest import read_manifest
from medrec.data.splits import SplitPlan, mode_of
from medrec.domain.modality import Modality
from medrec.domain.modality import Sequence as Contrast
from medrec.domain.reference import Reference
from medrec.domain.series import ImageHeader
from medrec.errors import DataSplitError, ManifestError, OutputError, UsageError
from medrec.inference.device import pick_device
from medrec.training.choice import Asked
from medrec.training.detector_sight import may_be_solid, say_smallest, warn_unseen
from medrec.training.plan import Plan, plan_training
from medrec.training.plan_detection import plan_detection, sight_of
from medrec.workflows.commented import to_data, to_yaml
from medrec.workflows.configure_boxes import (
    Boxed,
    manifest_beside,
    read_boxed,
    warn_splits,
    write_beside,
    wrong_boxes,
)
from medrec.workflows.fingerprinting import (
    has_torchio,
    has_weights,
    read_fingerprint,
    read_headers,
)

BUDGET_MINUTES = 60.0
SAMPLE = 200
_SEED = 1


@dataclass(frozen=True, slots=True)
class ConfigureResult:
    """The config that was written, what it was chosen by, and each choice with its reason."""

    path: Path
    config: TrainConfig
    fingerprint: Fingerprint
    plan: Plan
    notes: tuple[str, ...] = ()
    """What a person should know beside the choices: how small a box is seen, what is missing."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        choices = {key: {"value": c.value, "reason": c.reason} for key, c in self.plan.items()}
        fingerprint = asdict(self.fingerprint)
        if fingerprint["boxes"] is not None:
            del fingerprint["boxes"]["sides"]  # of each box: what they sum up to is told
        return {"fingerprint": fingerprint, "choices": choices, "notes": list(self.notes)}


def configure(  # noqa: PLR0913 (each is an option of the verb)
    manifest: str | Path,
    *,
    out: str | Path,
    name: str | None = None,
    labels: Sequence[str] = (),
    primary: str | None = None,
    modality: str | None = None,
    body_part: str | None = None,
    sequence: str | None = None,
    budget_minutes: float = BUDGET_MINUTES,
    device: str = "auto",
    splits: str | Path | None = None,
    sample: int = SAMPLE,
    detect: bool = False,
) -> ConfigureResult:
    """Read an archive's fingerprint, apply the rules, write a config that a person can edit.

    With `detect`, the config of a detector, from boxes or masks; else of a classifier. Where rows
    have masks and no boxes, boxes are made of them and written beside the config.

    Raises:
        UsageError: An option that means nothing.
        OutputError: `out` exists.
        ManifestError: Rows, files, labels or patients that can't be trained on; all of them.
    """
    manifest, out = Path(manifest), Path(out)
    _check_options(out, budget_minutes, sample, modality=modality, sequence=sequence)
    chosen_device = pick_device(device)
    references = read_manifest(manifest, labels=labels or None)
    root = manifest.parent
    scans, problems = read_headers(references, root)
    boxed = _read_boxed(references, scans, root, out, problems) if detect else None
    problems += (
        _wrong_primary(references, primary) if detect else _wrong_labels(references, primary)
    )
    asked = _asked(name or out.stem, references, scans, primary, problems,
                   (modality, body_part, sequence))  # fmt: skip
    frozen = Path(os.path.relpath(splits, out.parent)) if splits else None
    plan = _plan(references, frozen, out, problems)
    problems += wrong_boxes(boxed, plan) if boxed else []
    if problems or plan is None:
        raise ManifestError(str(manifest), problems)
    fingerprint = read_fingerprint(
        boxed.told if boxed else references, plan=plan, scans=scans, root=root,
        device=chosen_device, budget_minutes=budget_minutes, sample=sample, seed=_SEED,
        boxes=boxed.boxes if boxed else None,
    )  # fmt: skip
    notes = _notes(fingerprint, asked, boxed, plan) if boxed else []
    if boxed and boxed.of_masks:
        manifest, said = write_beside(boxed, root=root, out=out)
        notes.append(said)
    choices = (plan_detection if boxed else plan_training)(
        fingerprint,
        asked,
        manifest=Path(os.path.relpath(manifest.resolve(), out.parent.resolve())).as_posix(),
        splits_file=frozen.as_posix() if frozen else f"{out.stem}-splits.csv",
        has_weights=has_weights(),
        has_torchio=has_torchio(),
        are_splits_given=splits is not None,
    )
    return ConfigureResult(out, _write(out, choices), fingerprint, choices, tuple(notes))


def _plan(
    references: Sequence[Reference], frozen: Path | None, out: Path, problems: list[str]
) -> SplitPlan | None:
    """Who will be tested, as the config will say, so that nobody of them is looked at here."""
    try:
        strata = truth_of(references, mode=mode_of(references), learned_rows=0).strata
        asked = SplitConfig(file=frozen, stratify_by=list(strata[:2]))
        return build_splits(asked, references, folder=out.parent)
    except (DataSplitError, ManifestError) as error:
        problems.append(str(error))
        return None


def _read_boxed(
    references: Sequence[Reference],
    scans: Sequence[Sequence[ImageHeader]],
    root: Path,
    out: Path,
    problems: list[str],
) -> Boxed | None:
    """Boxes of all rows, where all files are there; what is wrong goes to the problems."""
    if problems:
        return None
    manifest_beside(out)
    truth = truth_of(references, mode="held_out", learned_rows=0)
    is_deep = may_be_solid(truth, scans_of([headers for headers in scans if headers]))
    try:
        return read_boxed(references, root=root, per="volume" if is_deep else "slice")
    except ManifestError as error:
        problems += error.problems
        return None


def _notes(fingerprint: Fingerprint, asked: Asked, boxed: Boxed, plan: SplitPlan) -> list[str]:
    """The smallest box in cells, and what is to be warned of."""
    sight = sight_of(fingerprint, asked)
    unseen = warn_unseen(fingerprint, sight)
    warnings = [*([unseen] if unseen else []), *warn_splits(boxed, plan)]
    return [say_smallest(fingerprint, sight), *(f"WARNING: {one}" for one in warnings)]


def _write(out: Path, choices: Plan) -> TrainConfig:
    wanted = validate(to_data(choices), TrainConfig, where=str(out))
    heading = (
        f"Written by `medrec configure`. Each comment says why the line below it is as it is. Edit "
        f"what you know better, then: medrec train {out.name} --out RUN"
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("x", encoding="utf-8") as file:
        file.write(to_yaml(choices, heading=heading))
    found = read_config(out, TrainConfig)
    if found != wanted:
        message = f"{out} doesn't read back as it was meant: please report it"
        raise OutputError(message)
    return found


def _check_options(
    out: Path, budget: float, sample: int, *, modality: str | None, sequence: str | None
) -> None:
    if out.exists():
        message = f"--out {out} exists: name another file, or remove it"
        raise OutputError(message)
    problems = []
    if not 0 < budget < float("inf"):
        problems.append(f"--budget-minutes {budget:g}: wanted minutes above 0")
    if sample < 1:
        problems.append(f"--sample {sample}: wanted 1 or more")
    if modality is not None and modality not in set(Modality):
        problems.append(f"--modality {modality}: wanted one of {', '.join(Modality)}")
    if sequence is not None and sequence not in set(Contrast):
        problems.append(f"--sequence {sequence}: wanted one of {', '.join(Contrast)}")
    if problems:
        raise UsageError("\n".join(problems))


def _wrong_labels(references: Sequence[Reference], primary: str | None) -> list[str]:
    names = list(dict.fromkeys(str(name) for row in references for name in row.labels))
    problems = []
    for name in names:
        found = {truth for row in references for key, truth in row.labels.items() if key == name}
        if not {True, False} <= found:
            absent = "negative" if True in found else "positive"
            problems.append(
                f"column {name}: no row is {absent}; a label needs both classes; leave it out by "
                "naming the others with --label"
            )
    return problems + _wrong_primary(references, primary)


def _wrong_primary(references: Sequence[Reference], primary: str | None) -> list[str]:
    names = dict.fromkeys(str(name) for row in references for name in row.labels)
    if not names:
        return ["no column is a label: name one by --label; its cells may be empty for a detector"]
    if primary is not None and primary not in names:
        return [f"--primary {primary}: is none of the labels {', '.join(names)}"]
    return []


def _asked(
    name: str,
    references: Sequence[Reference],
    scans: Sequence[Sequence[ImageHeader]],
    primary: str | None,
    problems: list[str],
    given: tuple[str | None, str | None, str | None],
) -> Asked:
    """What the options say, else the headers; what neither says is a problem."""
    labels = tuple(dict.fromkeys(str(label) for row in references for label in row.labels))
    stated = [headers for headers in scans if headers]
    facts = scans_of(stated) if stated else None
    found = (facts.modalities, facts.body_parts, facts.sequences) if facts else ((), (), ())
    modality, body_part, sequence = (
        (word,) if word else words for word, words in zip(given, found, strict=True)
    )
    if modality == ("MG",) and not body_part:
        body_part = ("BREAST",)
    if facts and not modality:
        problems.append("the headers name no modality: give --modality, such as MR, DX or MG")
    if facts and not body_part:
        problems.append("the headers name no body part: give --body-part, such as BRAIN or CHEST")
    return Asked(
        name=re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model",
        labels=labels,
        primary=primary or (labels[0] if labels else ""),
        modality=modality,
        body_part=tuple(part.upper() for part in body_part),
        sequence=sequence,
    )


def to_rows(fingerprint: Fingerprint) -> list[list[str]]:
    """The fingerprint as a table."""
    truth, scans, pixels, machine = (
        fingerprint.truth, fingerprint.scans, fingerprint.pixels, fingerprint.machine,
    )  # fmt: skip
    true = "true" if scans.spacing_is_true else "not to be trusted"
    labels = [
        [f"label {name}", (f"{c.positive_rows} positive, {c.negative_rows} negative, "
         f"{c.unknown_rows} unknown rows; {c.positive_patients} positive, "
         f"{c.negative_patients} negative patients")]
        for name, c in truth.labels.items()
    ]  # fmt: skip
    return [
        ["scans", f"{scans.count}, each a {scans.kind}"],
        ["patients", f"{truth.patients}, {truth.rows_a_patient} rows each; {truth.mode}"],
        *labels,
        ["exclusive labels", ", ".join(truth.exclusive) or "none"],
        ["columns x rows, px", f"{scans.columns_px} x {scans.rows_px}"],
        ["slices", str(scans.slices)],
        ["spacing, mm", f"{scans.spacing_mm} ({true})" if scans.spacing_mm else "unknown"],
        [
            "voxels looked at, mm",
            (
                f"{pixels.plane_mm} in the plane, {pixels.thickness_mm} thick"
                if pixels.plane_mm
                else "unknown, or none"
            ),
        ],
        ["pixels looked at", f"{pixels.sampled} scans, none of the test"],
        ["body's box, share", str(pixels.box_share)],
        ["body's box, px", str(pixels.box_long_px)],
        ["foreground, share", str(pixels.foreground_share)],
        ["bright air", f"{pixels.inverted_share:.1%}"],
        ["markers beside the body", f"{pixels.separate_share:.1%}"],
        ["saturated, share", str(pixels.saturated_share)],
        ["0.5th percentile", str(pixels.lowest)],
        ["median", str(pixels.middle)],
        ["99.5th percentile", str(pixels.highest)],
        ["lesions, px", str(fingerprint.lesions_px or "unknown")],
        *_box_rows(fingerprint),
        ["device", f"{machine.device}, {machine.memory_gb:g} GB free, {machine.cores} cores"],
        ["speed", f"{machine.pictures_per_second:g} pictures/s at {machine.measured_px} px"],
        ["budget", f"{fingerprint.budget_minutes:g} minutes"],
    ]


def _box_rows(fingerprint: Fingerprint) -> list[list[str]]:
    facts = fingerprint.boxes
    if facts is None:
        return []
    sides = (facts.smallest_side, facts.middle_side, facts.largest_side)
    return [
        ["boxes", (f"{facts.boxes}; {facts.learned_boxes} of {facts.learned_patients} patients who "
         "train")],
        ["sides, of the picture's", "{:.1%}, {:.1%}, {:.1%}".format(*sides)],
        ["pictures with a box", f"{facts.positive_pictures} of {facts.pictures} who train"],
        ["rows without known boxes", str(facts.unknown_rows)],
        ["most boxes a picture", f"{facts.most_a_picture}; {facts.crowded_share:.1%} overlap"],
    ]  # fmt: skip
