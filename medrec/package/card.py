"""The model card: generated from the package's own facts and from measured figures alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from medrec.calibration.entry import CalibrationEntry
    from medrec.calibration.operating_point import OperatingPoint
    from medrec.evaluation.estimate import Estimate
    from medrec.package.contract import InputContract, PackageManifest, PlantedFacts

NO_EXAM_LEVEL = (
    "No exam level: exams get a score and no probability, and every decision is `defer`. "
    "`medrec calibrate` adds it from exams with and without a positive."
)


@dataclass(frozen=True, slots=True)
class CardFigure:
    """One measured figure: where (`slices, test patients`), what, and its estimate."""

    where: str
    name: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class CardFigures:
    """The measured figures of a model, and the command that measures them again."""

    figures: tuple[CardFigure, ...]
    command: str
    notes: tuple[str, ...] = ()
    audit: tuple[str, ...] = ()
    """What the audit of the training data found, one sentence a line."""


def render_card(
    manifest: PackageManifest,
    calibrations: Sequence[CalibrationEntry],
    operating_points: Sequence[OperatingPoint],
    figures: CardFigures,
) -> str:
    """Write the card as Markdown."""
    sections = (
        _head(manifest),
        _scope(manifest),
        _bullets("Limits", manifest.card.limits),
        _training(manifest) + _first_weights(manifest),
        *([_bullets("Audit of the training data", figures.audit)] if figures.audit else []),
        _figures(figures),
        _calibrations(calibrations),
        _points(operating_points),
        _absent(),
        (
            f"## Terms\n\n{manifest.license}; the text is in LICENSE.\n"
            "Research use. Not a medical device.\n"
        ),
    )
    return "\n".join(sections)


def show(estimate: Estimate | None) -> str:
    """An estimate as text.

    >>> from medrec.evaluation.estimate import Estimate
    >>> show(Estimate(value=0.9, low=0.85, high=0.94, method="wilson"))
    '0.900 [0.850, 0.940]'
    """
    if estimate is None:
        return "not measured"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f} (no interval)"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _head(manifest: PackageManifest) -> str:
    return (
        f"# {manifest.name} {manifest.version}\n\n{manifest.card.summary}\n\n"
        f"**Intended use.** {manifest.card.intended_use}\n"
    )


def _scope(manifest: PackageManifest) -> str:
    contract = manifest.input
    rows = [
        ("modality", ", ".join(contract.modality)),
        ("body part", ", ".join(contract.body_part) or "any"),
        ("sequence", ", ".join(contract.sequence) or "any"),
        *_film_rows(contract),
        ("input", contract.dimensionality),
        ("grey levels", f"at least {contract.minimum_grey_levels}"),
        ("intensity range", _range(contract.intensity_range, "any: the unit is arbitrary")),
        (
            "spacing (mm)",
            _range(contract.accepted_spacing_mm, "any: headers were nominal"),
        ),
        ("labels", ", ".join(manifest.labels)),
        *(("exactly one of", ", ".join(group)) for group in manifest.exclusive or ()),
        ("domain", f"{manifest.domain}, {manifest.lesions} lesions"),
        ("network", _network(manifest)),
    ]
    return "## What it judges\n\n" + _table(("fact", "accepted"), rows)


def _network(manifest: PackageManifest) -> str:
    size = _size(manifest)
    one = f"{manifest.model.backbone}, {size}"
    return f"mean logit of {manifest.members} networks: {one}" if manifest.members else one


def _size(manifest: PackageManifest) -> str:
    box, spacing = manifest.preprocess.volume_size, manifest.preprocess.spacing_mm
    if spacing is not None:
        return f"voxels of {' x '.join(f'{mm:g}' for mm in spacing)} mm"
    return f"{' x '.join(map(str, box))} voxels" if box else f"{manifest.preprocess.size_px} px"


def _film_rows(contract: InputContract) -> list[tuple[str, str]]:
    """What is asked of films alone, where the contract asks it."""
    raw = "raw ones (FOR PROCESSING) too" if contract.for_processing == "accept" else ""
    rows = [("view", ", ".join(contract.view_position)), ("films", raw)]
    return [(fact, accepted) for fact, accepted in rows if accepted]


def _range(values: tuple[float, float] | None, otherwise: str) -> str:
    return f"{values[0]:g} to {values[1]:g}" if values else otherwise


def _training(manifest: PackageManifest) -> str:
    facts = manifest.training
    design = {
        "cross_fit": "cross-fitted by patient; calibrated on out-of-fold logits; refitted on all",
        "held_out": "fitted, chosen, calibrated and tested on different patients",
    }[facts.design]
    if facts.ensemble:
        design = _ENSEMBLES[facts.ensemble, facts.design]
    return (
        f"## Training data\n\n{manifest.card.training_data}\n\n"
        f"{facts.patients} patients, {design}; {facts.test_patients} other patients were kept "
        f"for the test and {_say_scored(manifest)}. Data digest `{facts.data_digest}`, "
        f"config `{facts.config_digest}`, trained on {facts.device}.\n" + _planted(facts.planted)
    )


def _planted(facts: PlantedFacts | None) -> str:
    """That a network learned from lesions that no patient had."""
    if facts is None:
        return ""
    low, high = facts.lesions
    return (
        f"\n**Planted lesions.** While it learned, {facts.share:.0%} of {facts.scans} scans "
        f"without {facts.label} were shown with {low} to {high} planted ones, new ones each epoch, "
        f"by the recipe {facts.recipe} (digest `{facts.recipe_digest}`). A planted lesion is its "
        "own tissue alone: what a tumor does to its surroundings it doesn't show.\n"
    )


def _say_scored(manifest: PackageManifest) -> str:
    """How often the test patients were scored: figures of a test that was looked at are rosier."""
    before = manifest.card.scored_before
    if not before:
        return "scored once"
    times = "once" if len(before) == 1 else f"{len(before)} times"
    return f"scored here, after they had been scored {times} before: {'; '.join(before)}"


_ENSEMBLES = {
    ("seeds", "cross_fit"): (
        "cross-fitted by patient, each fold judged by as many networks of different seeds as ship; "
        "calibrated on the mean of their out-of-fold logits; refitted on all"
    ),
    ("folds", "cross_fit"): (
        "cross-fitted by patient; the networks that each left out one fold ship together. "
        "Calibrated on out-of-fold logits, each from the one network that hadn't seen the patient: "
        "the mean of several networks varies less, so that probabilities lie nearer to the "
        "prevalence than they need to, and thresholds are a little off"
    ),
    ("seeds", "held_out"): (
        "fitted with different seeds; chosen, calibrated (on the mean logit) and tested on "
        "different patients"
    ),
    ("folds", "held_out"): (
        "each network's best epoch chosen on a fold that it hadn't seen; calibrated on the mean "
        "logit and tested on patients that none of them had seen"
    ),
}


def _figures(figures: CardFigures) -> str:
    rows = [(f.where, f.name, show(f.estimate), f.estimate.method) for f in figures.figures]
    notes = "".join(f"\n{note}\n" for note in figures.notes)
    return (
        "## Measured on the test patients\n\nIntervals are 95 %.\n\n"
        + _table(("where", "figure", "estimate", "interval"), rows)
        + notes
        + f"\nMeasured again by:\n\n```console\n{figures.command}\n```\n"
    )


def _calibrations(entries: Sequence[CalibrationEntry]) -> str:
    rows = [
        (
            f"{entry.label}, {entry.level}",
            entry.method,
            str(entry.patients),
            str(entry.positives),
            show(entry.ece_before),
            show(entry.ece_after),
        )
        for entry in entries
    ]
    head = ("label, level", "method", "patients", "with a positive", "ECE before", "ECE after")
    if not rows:
        return "## Calibration\n\nNone: scores only.\n"
    has_exams = any(entry.level == "exam" for entry in entries)
    note = "" if has_exams else f"\n{NO_EXAM_LEVEL}\n"
    return f"## Calibration\n\n{_table(head, rows)}{note}"


def _points(points: Sequence[OperatingPoint]) -> str:
    rows = [
        (
            f"{point.name} ({point.label}, {point.level})",
            f"{point.threshold:.4f}",
            show(point.sensitivity),
            show(point.specificity),
            point.measured_on,
        )
        for point in points
    ]
    head = ("operating point", "threshold", "sensitivity", "specificity", "measured on")
    return "## Operating points\n\n" + (_table(head, rows) if rows else "None.\n")


def _absent() -> str:
    return (
        "## Not in this package\n\nNo out-of-distribution gate: an image within the facts above "
        "that looks unlike the training data is judged all the same.\n"
    )


def _first_weights(manifest: PackageManifest) -> str:
    """What the weights grew from, where that is a file: pretraining's, by its checksum."""
    weights = manifest.model.weights
    if weights.kind != "file":
        return ""
    return f"\nFirst weights from a local file, SHA-256 `{weights.sha256}`.\n"


def _bullets(title: str, lines: Iterable[str]) -> str:
    return f"## {title}\n\n" + "".join(f"- {line}\n" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(text) for text in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    """A text that ends no cell and no row of a table."""
    return " ".join(text.replace("|", "/").split())
